//! Connects each client to a server, and passes on what either says.
//!
//! `proxy --listen URL [--listen URL]... [--loops N] --to URL`, over TCP and Unix sockets on both sides.

use std::process::ExitCode;

use launch::Launch;
use lexopt::ValueExt;
use reactor_core::{Action, Closed, Conn, ConnId, ConnOptions, ConnectOptions, Handler, Pressure};

/// Both ends may stop sending and still receive.
fn half_open() -> ConnOptions {
    ConnOptions { half_open: true, ..ConnOptions::default() }
}

/// What each connection of a pair remembers: the other one, which lives on the same loop.
#[derive(Clone, Copy)]
struct Other(ConnId);

struct Proxy {
    to: String,
}

fn other(conn: &Conn<'_>) -> Option<ConnId> {
    conn.with_context(|other: &mut Other| other.0)
}

impl Handler for Proxy {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        if other(conn).is_some() {
            // This is the outgoing connection, which has its context from the beginning.
            return Action::None;
        }
        let options = ConnectOptions {
            conn: half_open(),
            context: Some(Box::new(Other(conn.id()))),
            ..ConnectOptions::default()
        };
        match conn.server().connect(&self.to, options) {
            // It takes writes at once: what the client says before the server is there waits in its queue.
            Ok(id) => {
                conn.set_context(Box::new(Other(id)));
                Action::None
            }
            Err(error) => {
                eprintln!("proxy: {error}");
                Action::Close
            }
        }
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let Some(other) = other(conn) else { return Action::Close };
        match conn.server().write(other, data) {
            Ok(Pressure::Low) => Action::None,
            // Who receives is slower than who sends: the sender has to feel it.
            Ok(Pressure::High) => conn.pause().map_or(Action::Close, |()| Action::None),
            Err(_) => Action::Close,
        }
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        if let Some(other) = other(conn) {
            // If it is closed, there is nothing to resume.
            let _ = conn.server().resume(other);
        }
        Action::None
    }

    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        match other(conn).map(|other| conn.server().end(other)) {
            Some(Ok(())) => Action::None,
            _ => Action::Close,
        }
    }

    fn on_close(&self, conn: &Conn<'_>, _: Closed) {
        if let Some(other) = other(conn) {
            // What is queued for it is sent before. It may be closed already.
            let _ = conn.server().close(other);
        }
    }
}

fn main() -> ExitCode {
    launch::main("proxy", || {
        let mut to = None;
        let mut launch = Launch::from_args(|name, args| {
            if name == "to" {
                to = Some(args.value()?.string()?);
            }
            Ok(name == "to")
        })?
        .streams_only()?;
        let to = to.ok_or("--to URL is missing")?;
        launch.conns = half_open();
        launch.run(Proxy { to })
    })
}

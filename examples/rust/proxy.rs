//! Connects each client to a server, and passes on what either says.
//!
//! `proxy --listen URL [--listen URL]... [--loops N] --to URL`, over TCP and Unix sockets on both sides.

use std::io;
use std::process::ExitCode;

use launch::Launch;
use lexopt::ValueExt;
use reactor_core::{Action, CloseReason, Closed, Conn, ConnId, ConnOptions, ConnectOptions, Handler, Result};

/// Unsent bytes of one side above which the other is read no further, until they are sent. Well below the
/// engine's high-water mark, at which a side is not read itself: two that both send before they read would
/// wait for ever.
const QUEUE_MARK: usize = 256 * 1024;

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

/// The other side is broken, and what this one says is lost. It must not take that for an end.
fn give_up(conn: &Conn<'_>) -> Action {
    // If it is closed already, that is as good.
    let _ = conn.abort();
    Action::None
}

fn pass_on(conn: &Conn<'_>, other: ConnId, data: &[u8]) -> Result<()> {
    let server = conn.server();
    if server.info(other)?.queued <= QUEUE_MARK {
        return server.write(other, data).map(drop);
    }
    // Who receives is slower than who sends: the sender has to feel it.
    let (resumer, id) = (server.clone(), conn.id());
    let resume = move |_| {
        // If it is closed, there is nothing to resume.
        let _ = resumer.resume(id);
    };
    server.write_then(other, &[data], resume).map(drop)?;
    conn.pause()
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
        match other(conn).map(|other| pass_on(conn, other, data)) {
            Some(Ok(())) => Action::None,
            _ => give_up(conn),
        }
    }

    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        match other(conn).map(|other| conn.server().end(other)) {
            Some(Ok(())) => Action::None,
            _ => give_up(conn),
        }
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        use CloseReason::{ConnectFailed, Eof, LocalClose, Shutdown, TimedOut};
        let Some(other) = other(conn) else { return };
        // The other one may be closed already.
        let _ = match closed.reason {
            // While connecting: it has no other time-outs.
            ConnectFailed | TimedOut => {
                let cause = closed.errno.map(|errno| format!(": {}", io::Error::from_raw_os_error(errno)));
                eprintln!("proxy: {}: {}{}", self.to, closed.reason.name(), cause.unwrap_or_default());
                conn.server().close(other)
            }
            // What is queued for it is sent before.
            Eof | LocalClose | Shutdown => conn.server().close(other),
            // This one broke: the other must not take what it has for all there was.
            _ => conn.server().abort(other),
        };
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

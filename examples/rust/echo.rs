//! Sends back every byte, or datagram, and closes when the peer has closed its side and everything has been sent.
//!
//! `echo --listen URL [--listen URL]... [--loops N]`, over TCP, UDP and Unix sockets.

use std::process::ExitCode;

use launch::Launch;
use reactor_core::{Action, Conn, Handler};

struct Echo;

impl Handler for Echo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        // A write is refused only if the connection is closed already, or there is no room for one more datagram,
        // which may get lost anyway. One that goes above the high-water mark needs no care here: the engine stops
        // reading from this connection until the peer has caught up.
        let _ = conn.write(data);
        Action::None
    }
}

fn main() -> ExitCode {
    launch::main("echo", || Launch::from_args(|_, _| Ok(false))?.run(Echo))
}

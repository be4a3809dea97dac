//! A fork inside a callback: in the child every call by id is an error, and what the callback wrote before leaves once,
//! from the parent (A6, D1). A program of its own, because it forks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;

use common::hooks::Hooks;
use common::{loops, read_exactly, serve, tcp};
use reactor_core::{Action, ErrorKind};

#[test]
fn a_child_that_was_forked_in_a_callback_writes_nothing() {
    let hooks = Hooks::new().data(|conn, data| {
        let _ = conn.write(data).unwrap();
        if data == b"fork" {
            // SAFETY: the child calls what takes no lock and allocates little, and leaves at once.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let server = conn.server();
                let refused = [
                    server.write(conn.id(), b"child").map(drop),
                    server.write_gathered(conn.id(), &[b"child"]).map(drop),
                    server.close(conn.id()),
                    server.pause(conn.id()),
                ];
                let all = refused
                    .iter()
                    .all(|answer| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::WrongState));
                let flows = server.write_flowing(conn.id().to_u64(), b"child");
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(i32::from(!all || flows)) };
            }
            let mut status = 0;
            // SAFETY: the status outlives the call.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            let _ = conn.write(if status == 0 { b", right" } else { b", wrong" }).unwrap();
        }
        Action::None
    });
    let (_server, url) = serve(hooks, &loops(1));
    let mut stream = tcp(&url);
    for _ in 0..3 {
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(&mut stream, 4), b"ping");
    }
    stream.write_all(b"fork").unwrap();
    assert_eq!(read_exactly(&mut stream, 11), b"fork, right");
    stream.write_all(b"ping").unwrap();
    assert_eq!(read_exactly(&mut stream, 4), b"ping");
}

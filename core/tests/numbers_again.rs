//! The number of a descriptor that was closed is soon another's: whoever gets it is polled (L3, D8). Alone in
//! its process, as nobody else may take the number.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::sync::Mutex;

use common::hooks::Hooks;
use common::{loops, next};
use reactor_core::{Action, CloseReason, ConnectOptions, Handle, Server};

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Open,
    Data(Vec<u8>),
    Close(CloseReason),
}

fn enroll(server: &Handle, end: UnixStream) {
    let _ = server.enroll(OwnedFd::from(end), ConnectOptions::default()).unwrap();
}

#[test]
fn a_socket_that_gets_the_number_of_one_just_closed_is_served() {
    let (tell, seen) = channel();
    let tells: [_; 3] = std::array::from_fn(|_| Mutex::new(tell.clone()));
    let [opens, data, closes] = tells;
    let hooks = Hooks::new()
        .open(move |_| {
            opens.lock().unwrap().send(Seen::Open).unwrap();
            Action::None
        })
        .data(move |_, bytes| {
            data.lock().unwrap().send(Seen::Data(bytes.to_vec())).unwrap();
            Action::None
        })
        .close(move |conn, how| {
            closes.lock().unwrap().send(Seen::Close(how.reason)).unwrap();
            if how.reason == CloseReason::Eof {
                // The lowest numbers that are free, among them that of the connection, whose socket is closed by now. Both
                // ends are the server's, so that it does not matter which of them gets it.
                let (mut near, far) = UnixStream::pair().unwrap();
                near.write_all(b"hello").unwrap();
                enroll(conn.server(), near);
                enroll(conn.server(), far);
            }
        });
    let server = Server::new(hooks, &loops(1)).unwrap();
    server.start().unwrap();
    for round in 0..10 {
        let (near, far) = UnixStream::pair().unwrap();
        enroll(server.handle(), far);
        assert_eq!(next(&seen), Seen::Open);
        drop(near);
        assert_eq!(next(&seen), Seen::Close(CloseReason::Eof));
        let opened = [next(&seen), next(&seen), next(&seen)];
        assert_eq!(opened, [Seen::Open, Seen::Open, Seen::Data(b"hello".to_vec())], "round {round}");
    }
    server.handle().stop();
    server.wait().unwrap();
}

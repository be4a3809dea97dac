//! A poller without a descriptor of its own has nothing for a host to poll: making a hosted server is refused, and leaves
//! the server as it was (B3, P1).

#![cfg(reactor_poller = "poll")]

use std::io::Write;

use crate::common::{loops, read_exactly, tcp, Echo};
use reactor_core::{ErrorKind, Server};

#[test]
fn a_hosted_start_is_refused_and_a_start_with_a_thread_is_not() {
    let server = Server::new(Echo, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    for _ in 0..2 {
        let error = server.start_hosted().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("poll(2)"), "{error}");
    }
    server.start().unwrap();
    let mut client = tcp(&url);
    client.write_all(b"hello").unwrap();
    assert_eq!(read_exactly(&mut client, 5), b"hello");
}

//! A start that takes the last descriptor: a UDP endpoint needs none beside its socket (R1, D6). A program of its own,
//! because the limit on descriptors is the process's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use common::net::{address, next, Probe, Seen};
use common::{loops, PATIENCE};
use reactor_core::{Action, Server};

fn limit_descriptors(limit: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: 4096 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

#[test]
fn an_endpoint_answers_though_no_descriptor_is_left() {
    limit_descriptors(4096);
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    let url = server.listen("udp://127.0.0.1:0").unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let next_free = File::open("/dev/null").unwrap().as_raw_fd();
    // The first limit that the start does with leaves nothing to spare.
    let start_within = |more: &i32| {
        limit_descriptors((next_free + more).try_into().unwrap());
        server.start().is_ok()
    };
    assert!((0..20).find(start_within).is_some_and(|more| more > 0));
    peer.send_to(b"hello", address(&url)).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (5, address(&url)));
    assert_eq!(&buffer[..5], b"hello");
    limit_descriptors(4096);
    let id = server.handle().endpoints(server.handle().listeners()[0].id)[0];
    let from = Some(peer.local_addr().unwrap());
    assert_eq!(next(&seen), Seen::Data(id, b"hello".to_vec(), from));
}

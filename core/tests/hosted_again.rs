//! A hosted start that fails for want of descriptors leaves the server as before the call (B3, R1, R5). A program of
//! its own, because the limit on descriptors is the process's.

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::time::Duration;

use common::{eventually, loops, read_exactly, tcp, Echo};
use reactor_core::{ErrorKind, Hosted, Server};

fn limit_descriptors(limit: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: 4096 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

/// Tries with one descriptor more each time, until it works: how often it failed, and the host's part.
fn start_with_few_descriptors(server: &Server) -> (usize, Hosted) {
    let next_free = File::open("/dev/null").unwrap().as_raw_fd();
    for more in 0..20 {
        limit_descriptors((next_free + more).try_into().unwrap());
        let hosted = server.start_hosted();
        limit_descriptors(4096);
        match hosted {
            Ok(hosted) => return (more as usize, hosted),
            Err(error) => assert_eq!((error.kind(), error.errno()), (ErrorKind::System, Some(libc::EMFILE))),
        }
    }
    panic!("it never starts");
}

#[test]
fn a_hosted_start_may_be_tried_again_until_there_are_descriptors() {
    limit_descriptors(4096);
    let server = Server::new(Echo, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let (failures, mut hosted) = start_with_few_descriptors(&server);
    assert!(failures >= 3, "each of its descriptors was missing once");
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    let (ran, done) = channel();
    server.handle().run_on(0, move |_| ran.send(()).unwrap()).unwrap();
    let mut peer = tcp(&url);
    peer.write_all(b"served").unwrap();
    eventually("what was asked for is done", || {
        assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
        done.try_recv().is_ok()
    });
    eventually("the echo has left", || {
        assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
        server.handle().metrics().bytes_written == 6
    });
    assert_eq!(read_exactly(&mut peer, 6), b"served");
}

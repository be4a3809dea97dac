//! Accepting pauses for want of descriptors, and the listener is closed meanwhile: the loop sleeps again (R1, T4). A
//! program of its own, because the limit on descriptors is the process's.

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use common::{descriptors, loops, Echo, PATIENCE};
use reactor_core::{Hosted, Server};

fn limit_descriptors(limit: usize) {
    let limit = libc::rlimit { rlim_cur: limit as libc::rlim_t, rlim_max: 4096 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

/// Whether the host's descriptor is readable within a time.
fn readable(hosted: &Hosted, millis: i32) -> bool {
    let mut poll = libc::pollfd { fd: hosted.poll_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    let ready = unsafe { libc::poll(&mut poll, 1, millis) };
    assert!(ready >= 0);
    ready == 1
}

/// Turns as a host does until `done`.
fn drive(hosted: &mut Hosted, mut done: impl FnMut(&mut Hosted) -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done(hosted) {
        assert!(Instant::now() < limit, "it does not come to that");
        assert!(hosted.turn(Some(Duration::from_millis(20))).unwrap());
    }
}

#[test]
fn a_listener_that_is_closed_while_accepting_pauses_leaves_a_loop_that_sleeps() {
    limit_descriptors(4096);
    let server = Server::new(Echo, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    limit_descriptors(descriptors() + 16);
    let filled: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let address: SocketAddr = url.trim_start_matches("tcp://").parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let handle = server.handle();
    drive(&mut hosted, |_| handle.metrics().accept_errors > 0);
    handle.close_listener(handle.listeners()[0].id).unwrap();
    drop(filled);
    limit_descriptors(4096);
    // The pause takes 100 ms; behind it there is nothing to do any more.
    drive(&mut hosted, |hosted| !readable(hosted, 300));
}

//! A start and a stop leave the process as it was (S4). A program of its own with one test, because it counts the
//! process's descriptors and threads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use common::{descriptors, eventually, loops, read_exactly, serve, tcp, threads, Echo};

#[test]
fn cycles_with_clients_attached_leave_no_descriptor_and_no_thread() {
    let (fds, tasks) = (descriptors(), threads());
    for cycle in 0..100 {
        let (server, url) = serve(Echo, &loops(1 + cycle % 3));
        let clients: Vec<TcpStream> = (0..5).map(|_| tcp(&url)).collect();
        for mut client in &clients {
            client.write_all(b"hello").unwrap();
            assert_eq!(read_exactly(&mut client, 5), b"hello");
        }
        server.handle().stop();
        server.wait().unwrap();
        assert_eq!((server.handle().connections(), server.handle().queued_bytes()), (0, 0));
        drop(server);
        // The kernel may list a thread for a moment after it was joined.
        eventually("the threads are gone", || threads() == tasks);
    }
    assert_eq!(descriptors(), fds);
    resets_leave_no_descriptor(fds);
}

/// Connections that reset at awkward moments: at once, with input unread, in the midst of sending.
fn resets_leave_no_descriptor(fds: usize) {
    let (server, url) = serve(Echo, &loops(2));
    let before = descriptors();
    let mut witness = tcp(&url);
    for round in 0..1000_u32 {
        let mut client = tcp(&url);
        let reset = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the option's value is a linger structure of its size, which outlives the call.
        let result = unsafe {
            libc::setsockopt(
                client.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                std::ptr::from_ref(&reset).cast(),
                size_of_val(&reset) as libc::socklen_t,
            )
        };
        assert_eq!(result, 0);
        let _ = client.write_all(&vec![7; (round % 3 * 30_000) as usize]);
        drop(client);
        if round % 50 == 0 {
            witness.write_all(b"undisturbed").unwrap();
            assert_eq!(read_exactly(&mut witness, 11), b"undisturbed");
        }
    }
    drop(witness);
    // Some may still wait to be accepted.
    eventually("no descriptor is left", || descriptors() == before);
    assert_eq!(server.handle().connections(), 0);
    drop(server);
    assert_eq!(descriptors(), fds);
}

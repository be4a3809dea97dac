//! Writes to UDP connections from other threads race their ends and the stop: every completion that was accepted is called
//! once (D4, D7).

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::{eventually, loops};
use reactor_core::{Action, ConnId, ConnectOptions, ErrorKind, Handle, Server};

const CONNECTIONS: usize = 8;

/// Writes to all until none takes any more; says how many were accepted.
fn write_until_closed(server: &Handle, ids: &[ConnId], called: &Arc<AtomicUsize>) -> usize {
    let mut accepted = 0;
    loop {
        let mut closed = 0;
        for id in ids {
            let called = Arc::clone(called);
            let count = move |_| {
                called.fetch_add(1, Ordering::SeqCst);
            };
            match server.write_then(*id, &[b"abc"], count) {
                Ok(_) => accepted += 1,
                Err(error) => closed += usize::from(error.kind() != ErrorKind::Full),
            }
        }
        if closed == ids.len() {
            return accepted;
        }
    }
}

fn round() {
    let (opens, closes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, close) = (Arc::clone(&opens), Arc::clone(&closes));
    let hooks = Hooks::new()
        .open(move |_| {
            open.fetch_add(1, Ordering::SeqCst);
            Action::None
        })
        .close(move |_, _| {
            close.fetch_add(1, Ordering::SeqCst);
        });
    let server = Server::new(hooks, &loops(2)).unwrap();
    server.start().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", peer.local_addr().unwrap());
    let dial = |_| server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let ids: Vec<ConnId> = (0..CONNECTIONS).map(dial).collect();
    eventually("all are open", || opens.load(Ordering::SeqCst) == CONNECTIONS);
    let called = Arc::new(AtomicUsize::new(0));
    let accepted: usize = thread::scope(|scope| {
        let write = || write_until_closed(server.handle(), &ids, &called);
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(write)).collect();
        eventually("some are called", || called.load(Ordering::SeqCst) > 500);
        ids[..CONNECTIONS / 2].iter().for_each(|id| server.handle().close(*id).unwrap());
        server.handle().stop();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    server.wait().unwrap();
    assert_eq!(closes.load(Ordering::SeqCst), CONNECTIONS);
    assert_eq!(called.load(Ordering::SeqCst), accepted);
    assert_eq!((server.handle().connections(), server.handle().queued_bytes()), (0, 0));
}

#[test]
fn every_accepted_completion_is_called_once() {
    (0..10).for_each(|_| round());
}

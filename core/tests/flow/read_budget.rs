//! A flooding connection gets its byte budget in a turn and no more, also when it had come to rest before (D9).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::{loops, tcp};
use reactor_core::{Action, Hosted, Server};

/// Neither a multiple nor a part of the loop's buffer: the last read of a turn is cut short.
const BUDGET: usize = 300_000;

/// Turns until `count` says that so many bytes have come.
fn turn_until(hosted: &mut Hosted, count: &AtomicUsize, bytes: usize) {
    while count.load(Ordering::SeqCst) < bytes {
        assert!(hosted.turn(Some(Duration::from_secs(20))).unwrap());
    }
}

/// Sends as much as the kernel takes, and says how much that was.
fn fill(stream: &mut TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sent < 16 * BUDGET {
        match stream.write(&[7; BUDGET]) {
            Ok(written) => sent += written,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    sent
}

#[test]
fn a_connection_at_rest_that_floods_gets_its_budget_and_no_more() {
    let mut config = loops(1);
    config.read_budget = BUDGET;
    let came = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&came);
    let hooks = Hooks::new().data(move |_, data| {
        counted.fetch_add(data.len(), Ordering::SeqCst);
        Action::None
    });
    let server = Server::new(hooks, &config).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let mut stream = tcp(&url);
    for round in 1..=3 {
        stream.write_all(b"ping").unwrap();
        turn_until(&mut hosted, &came, 4 * round);
    }
    let total = 12 + fill(&mut stream);
    assert!(total > BUDGET + BUDGET / 2, "the kernel takes too little for a flood");
    let mut before = came.load(Ordering::SeqCst);
    while before < total {
        assert!(hosted.turn(Some(Duration::from_secs(20))).unwrap());
        let now = came.load(Ordering::SeqCst);
        assert!(now - before <= BUDGET, "{} bytes in one turn", now - before);
        before = now;
    }
}

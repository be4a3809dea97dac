//! Hosted servers that outlive their `Server`, made and dropped on several threads: a loop's number among all loops of
//! the process is free only when nothing of the loop is left, so that ids stay unique (T2, L3). A program of its own,
//! because those numbers are the process's: loops of other tests would take them in between.

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{loops, Echo};
use reactor_core::{Server, TimerId};

/// How many servers each thread makes: enough for two of them to meet, and over in about a second.
const ROUNDS: usize = 2000;

/// A hosted server with one timer, dropped after its `Server`.
fn timer_of_a_hosted_server() -> TimerId {
    let server = Server::new(Echo, &loops(1)).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let (told, timer) = channel();
    let start = move |server: &reactor_core::Handle| {
        let never = Duration::from_secs(3600);
        told.send(server.start_timer(never, Duration::ZERO, |_| {}).unwrap()).unwrap();
    };
    server.handle().run_on(0, start).unwrap();
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    drop(server);
    drop(hosted);
    timer.try_recv().unwrap()
}

#[test]
fn no_timer_has_the_id_of_another_servers() {
    let made: Vec<TimerId> = thread::scope(|scope| {
        let work = || (0..ROUNDS).map(|_| timer_of_a_hosted_server()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let unique: HashSet<TimerId> = made.iter().copied().collect();
    assert_eq!((made.len(), unique.len()), (3 * ROUNDS, 3 * ROUNDS));
}

//! What an operator must know reaches the log facade without being asked, and not too often (M2, R4). A program of its own,
//! because the logger is the process's, and how often it is told, too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::memory::{remember_errors, MEMORY};
use common::{loops, serve, tcp};
use reactor_core::{Action, Config, Conn, Handler};

struct Failing;

impl Handler for Failing {
    fn on_open(&self, _: &Conn<'_>) -> Action {
        panic!("deliberate");
    }
}

/// Has so many connections fail, one after the other.
fn fail(count: usize) {
    let (server, address) = serve(Failing, &Config { linger: Config::NO_LINGER, ..loops(1) });
    for _ in 0..count {
        let mut client = tcp(&address);
        assert_eq!(std::io::Read::read(&mut client, &mut [0]).unwrap_or(0), 0);
    }
    drop(server);
}

#[test]
fn a_flood_of_failures_is_told_once_a_second() {
    remember_errors();
    let began = Instant::now();
    fail(50);
    let seconds = began.elapsed().as_secs() as usize;
    thread::sleep(Duration::from_millis(1_100));
    fail(1);
    let told = MEMORY.0.lock().unwrap();
    assert!(
        told[0].starts_with("ERROR: a callback of connection ") && told[0].ends_with(" panicked: deliberate"),
        "{told:?}"
    );
    assert!(told.last().unwrap().ends_with(" more of the kind since the last that was told)"), "{told:?}");
    assert!((2..=seconds + 4).contains(&told.len()), "{told:?}");
}

//! Time-outs that are set while a connection is being made count from its opening (T3, D7).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::net::{Probe, Seen};
use crate::common::{loops, PATIENCE};
use reactor_core::{Action, CloseReason, ConnectOptions, Server, Timeouts};

const IDLE: Duration = Duration::from_millis(1000);

#[test]
fn an_idle_time_out_counts_from_the_opening() {
    let (probe, seen) = Probe::new();
    let probe = probe.open(|conn| {
        let _ = conn.start_timer(IDLE * 6 / 10, Duration::ZERO).unwrap();
        Action::None
    });
    let mut config = loops(1);
    config.linger = Duration::from_millis(10);
    let server = Server::new(probe, &config).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let timeouts = Timeouts { idle: IDLE, ..Timeouts::default() };
    server.handle().set_timeouts(id, timeouts).unwrap();
    // Begins to connect; that it has, the loop hears in its next turn only, and that comes late.
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    assert_eq!(seen.try_iter().last(), Some(Seen::Start));
    std::thread::sleep(IDLE * 6 / 10);
    let limit = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    while all.len() < 3 && Instant::now() < limit {
        assert!(hosted.turn(Some(Duration::from_millis(10))).unwrap());
        all.extend(seen.try_iter());
    }
    let [Seen::Open(_), Seen::Timer(_), Seen::Close(_, closed)] = all[..] else { panic!("{all:?}") };
    assert_eq!(closed.reason, CloseReason::Idle);
}

#[test]
fn time_outs_that_were_switched_off_while_connecting_stay_off() {
    let (probe, seen) = Probe::new();
    let mut config = loops(1);
    config.linger = Duration::from_millis(10);
    let server = Server::new(probe, &config).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    let url = format!("tcp://localhost:{}?idle=50", listener.local_addr().unwrap().port());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    server.handle().set_timeouts(id, Timeouts::default()).unwrap();
    let ends = Instant::now() + Duration::from_millis(500);
    while Instant::now() < ends {
        assert!(hosted.turn(Some(Duration::from_millis(10))).unwrap());
    }
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen, [Seen::Start, Seen::Open(id)]);
}

//! Delays that on_start asks for under a host count from the first turn, however late it comes (B3, T2, D7).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::net::TcpListener;
use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::common::net::{Probe, Seen};
use crate::common::{eventually, loops};
use reactor_core::{Action, BoxError, ConnId, ConnectOptions, Handle, Hosted, Server};

const DELAY: Duration = Duration::from_millis(300);

/// A host that comes to its first turn only when the delay would be over.
fn late_host(
    on_start: impl Fn(&Handle) -> Result<(), BoxError> + Send + Sync + 'static,
) -> (Server, Hosted, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let probe = probe.start(move |server| on_start(server).map(|()| Action::None));
    let server = Server::new(probe, &loops(1)).unwrap();
    let hosted = server.start_hosted().unwrap();
    thread::sleep(DELAY * 4 / 3);
    (server, hosted, seen)
}

#[test]
fn a_timer_is_not_due_in_the_turn_that_starts_it() {
    let (told, fired) = channel();
    let told = Mutex::new(told);
    let (_server, mut hosted, _seen) = late_host(move |server| {
        let told = told.lock().unwrap().clone();
        // The nearer one is due first, unless both are as soon as there are turns.
        for (name, delay) in [("late", DELAY), ("soon", Duration::from_millis(1))] {
            let told = told.clone();
            server.start_timer(delay, Duration::ZERO, move |_| told.send(name).unwrap())?;
        }
        Ok(())
    });
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    assert!(!fired.try_iter().any(|name| name == "late"), "fired in the first turn");
    let mut last = None;
    eventually("both have fired", || {
        assert!(hosted.turn(Some(Duration::from_millis(5))).unwrap());
        last = fired.try_iter().last().or(last);
        last == Some("late")
    });
}

#[test]
fn a_connect_has_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (told, dialled) = channel::<ConnId>();
    let told = Mutex::new(told);
    let (_server, mut hosted, seen) = late_host(move |server| {
        let options = ConnectOptions { timeout: DELAY, ..ConnectOptions::default() };
        told.lock().unwrap().send(server.connect(&url, options)?)?;
        Ok(())
    });
    let mut all = Vec::new();
    eventually("it has opened or failed", || {
        assert!(hosted.turn(Some(Duration::from_millis(5))).unwrap());
        all.extend(seen.try_iter());
        all.len() > 1
    });
    assert_eq!(all, [Seen::Start, Seen::Open(dialled.try_recv().unwrap())]);
}

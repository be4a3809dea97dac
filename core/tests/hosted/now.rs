//! A server whose on_start is called by the call that starts it, before the first turn: bindings start it so (S1).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::Mutex;
use std::time::Duration;

use crate::common::net::{address, Probe, Seen};
use crate::common::{eventually, loops};
use reactor_core::{Action, BoxError, Conn, ErrorKind, Handler, Server, Waiting};

/// What on_start answers, one start after the other; then nothing of note.
fn answering(answers: Vec<Result<Action, BoxError>>) -> (Server, Receiver<Seen>) {
    let answers = Mutex::new(answers.into_iter());
    let (probe, seen) = Probe::new();
    let probe = probe.start(move |_| answers.lock().unwrap().next().unwrap_or(Ok(Action::None)));
    (Server::new(probe, &loops(1)).unwrap(), seen)
}

#[test]
fn one_that_was_refused_can_be_started_again_and_serves_at_its_address() {
    let (server, seen) = answering(vec![Ok(Action::Stop), Err("not yet".into())]);
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    // The kernel has connected it before the start.
    let mut client = TcpStream::connect(address(&url)).unwrap();
    client.write_all(b"hello").unwrap();
    for kind in [ErrorKind::Stopped, ErrorKind::HandlerFailed] {
        assert_eq!(server.start_hosted_now().unwrap_err().kind(), kind);
    }
    let mut hosted = server.start_hosted_now().unwrap();
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [Seen::Start, Seen::Start, Seen::Start]);
    let mut all = Vec::new();
    eventually("it was read", || {
        assert!(hosted.turn(Some(Duration::from_millis(5))).unwrap());
        all.extend(seen.try_iter());
        all.len() > 1
    });
    assert!(matches!(all[..], [Seen::Open(_), Seen::Data(..)]), "{all:?}");
    server.handle().stop();
    while hosted.turn(Some(Duration::ZERO)).unwrap() {}
    assert_eq!(client.read(&mut [0; 10]).unwrap_or(0), 0);
}

#[test]
fn one_that_is_dropped_before_its_first_turn_has_started_and_stops() {
    let (server, seen) = answering(Vec::new());
    drop(server.start_hosted_now().unwrap());
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [Seen::Start, Seen::Stop]);
    drop(server);
    assert_eq!(seen.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_stop_in_on_start_refuses_it_for_good() {
    let (probe, seen) = Probe::new();
    let probe = probe.start(|server| {
        server.stop();
        Ok(Action::None)
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    server.listen("tcp://127.0.0.1:0").unwrap();
    for _ in 0..2 {
        assert_eq!(server.start_hosted_now().unwrap_err().kind(), ErrorKind::Stopped);
    }
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [Seen::Start]);
}

/// Sends datagrams back.
struct Back;

impl Handler for Back {
    fn on_data(&self, conn: &Conn<'_>, bytes: &[u8]) -> Action {
        let _ = conn.write(bytes);
        Action::None
    }
}

#[test]
fn a_listener_that_is_closed_before_the_first_turn_serves_who_waits_and_another_thread_waits_for_that() {
    let server = Server::new(Back, &loops(1)).unwrap();
    let url = server.listen("udp://127.0.0.1:0").unwrap();
    let listener = server.handle().listeners()[0].id;
    let mut hosted = server.start_hosted_now().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.connect(address(&url)).unwrap();
    client.send(b"hello").unwrap();
    let handle = server.handle().clone();
    let bound = address(&url);
    let closer = std::thread::spawn(move || {
        handle.close_listener_beside_host(listener, Waiting::Serve).unwrap();
        // The address is free.
        drop(UdpSocket::bind(bound).unwrap());
    });
    // It was asked for when there is no listener any more.
    eventually("it is being closed", || server.handle().listeners().is_empty());
    while !closer.is_finished() {
        assert!(hosted.turn(Some(Duration::from_millis(5))).unwrap());
    }
    closer.join().unwrap();
    let mut buffer = [0; 10];
    assert_eq!(client.recv(&mut buffer).unwrap(), 5);
}

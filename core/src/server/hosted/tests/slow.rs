//! A callback that takes long, or a host that turns seldom, takes no time away from connections (L4, T3, D7).

use std::net::TcpListener;

use socket2::SockRef;

use super::*;

/// More than the kernel takes at once.
const MUCH: usize = 16 << 20;

#[test]
fn who_is_sent_something_after_a_long_callback_is_not_idle_from_then() {
    let mut it = Loop::new();
    let (id, mut peer) = it.open(Timeouts { idle: HOUR, ..NONE }, None);
    let (_, mut other) = it.open(NONE, None);
    it.seen().audience = Some(id);
    it.time.advance(40 * MINUTE);
    it.seen().takes = 10 * MINUTE;
    it.say(&mut other);
    peer.read_exact(&mut [0; PIECE.len()]).unwrap();
    it.expect_end_in_an_hour(id, CloseReason::Idle);
}

#[test]
fn who_is_read_after_a_long_callback_is_not_late_from_then() {
    for timeouts in [Timeouts { idle: HOUR, ..NONE }, Timeouts { read: HOUR, ..NONE }] {
        let mut it = Loop::new();
        let (_, mut other) = it.open(NONE, None);
        let (id, mut peer) = it.open(timeouts, None);
        it.time.advance(40 * MINUTE);
        it.seen().takes = 10 * MINUTE;
        // Reported in this order, in one turn.
        other.write_all(b"x").unwrap();
        peer.write_all(b"x").unwrap();
        it.turn_until(|seen| seen.received == 2);
        it.seen().takes = Duration::ZERO;
        // The callback of its own took as long.
        it.time.advance(49 * MINUTE);
        it.turn();
        assert!(it.is_open(id), "too early");
    }
}

#[test]
fn who_has_sent_before_a_busy_loop_looked_is_not_late() {
    for timeouts in [Timeouts { idle: HOUR, ..NONE }, Timeouts { read: HOUR, ..NONE }] {
        let mut it = Loop::new();
        let (id, mut peer) = it.open(timeouts, None);
        peer.write_all(b"x").unwrap();
        it.time.advance(2 * HOUR);
        it.turn_until(|seen| seen.received > 0 || !seen.closed.is_empty());
        assert!(it.is_open(id));
        it.expect_end_in_an_hour(id, reason_of(timeouts));
    }
}

fn reason_of(timeouts: Timeouts) -> CloseReason {
    match timeouts.idle.is_zero() {
        true => CloseReason::TimedOut,
        false => CloseReason::Idle,
    }
}

#[test]
fn who_has_read_before_a_busy_loop_looked_is_not_late() {
    for timeouts in [Timeouts { idle: HOUR, ..NONE }, Timeouts { write: HOUR, ..NONE }] {
        let mut it = Loop::new();
        let (id, mut peer) = it.enrolled(timeouts);
        let _ = it.server.handle().write(id, &vec![7; MUCH]).unwrap();
        it.turn();
        assert!(it.queued(id) > 0);
        let taken = MUCH - it.queued(id);
        assert_eq!(read(&mut peer, taken), vec![7; taken]);
        it.time.advance(2 * HOUR);
        it.turn();
        assert!(it.is_open(id));
        it.expect_end_in_an_hour(id, reason_of(timeouts));
    }
}

#[test]
fn a_long_callback_that_fails_leaves_its_peer_all_the_time_there_is() {
    let mut it = Loop::new();
    let (id, mut peer) = it.open(NONE, None);
    let mut seen = it.seen();
    (seen.takes, seen.fails_behind) = (HOUR, MUCH);
    drop(seen);
    it.say(&mut peer);
    let reader = std::thread::spawn(move || read(&mut peer, MUCH));
    it.turn_until(|seen| !seen.closed.is_empty());
    assert_eq!(it.seen().closed, [(id, CloseReason::HandlerError)]);
    assert!(reader.join().unwrap() == vec![7; MUCH]);
}

#[test]
fn who_takes_some_of_what_a_fault_left_is_given_the_rest_and_who_takes_none_is_reset() {
    let mut it = Loop::new();
    let (id, mut peer) = it.enrolled(NONE);
    it.seen().fails_behind = MUCH;
    it.say(&mut peer);
    for _ in 0..4 {
        // Not so much that there is room for more.
        let before = it.queued(id);
        assert_eq!(read(&mut peer, 32 << 10), [7; 32 << 10]);
        it.time.advance(MINUTE * 3 / 4);
        it.turn();
        assert_eq!(it.queued(id), before);
    }
    assert_eq!(it.seen().closed, []);
    it.time.advance(3 * MINUTE);
    it.turn();
    it.time.advance(3 * MINUTE);
    it.turn();
    assert_eq!(it.seen().closed, [(id, CloseReason::HandlerError)]);
}

#[test]
fn a_long_callback_that_closes_leaves_its_peer_all_the_time_there_is() {
    let mut it = Loop::new();
    let (id, mut peer) = it.open(NONE, None);
    let mut seen = it.seen();
    (seen.takes, seen.closes) = (HOUR, true);
    drop(seen);
    it.say(&mut peer);
    it.time.advance(MINUTE / 2);
    it.turn();
    assert_eq!(it.seen().closed, []);
    it.time.advance(MINUTE);
    it.turn();
    assert_eq!(it.seen().closed, [(id, CloseReason::LocalClose)]);
}

#[test]
fn who_was_connected_before_a_busy_loop_looked_is_not_late() {
    let mut it = Loop::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // There is room for one that nobody accepts; who comes then is answered when there is room again.
    SockRef::from(&listener).listen(0).unwrap();
    let first = TcpStream::connect(address).unwrap();
    let options = ConnectOptions { timeout: HOUR, ..ConnectOptions::default() };
    let id = it.server.handle().connect(&format!("tcp://{address}"), options).unwrap();
    it.turn();
    assert_eq!(it.seen().opened, []);
    drop((first, listener.accept().unwrap()));
    let (_second, _) = listener.accept().unwrap();
    it.time.advance(2 * HOUR);
    it.turn_until(|seen| !seen.opened.is_empty() || !seen.closed.is_empty());
    assert_eq!(it.seen().opened, [id]);
}

/// So many bytes from the peer.
fn read(peer: &mut impl Read, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

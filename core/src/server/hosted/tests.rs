//! Time-outs of connections that flow (T3), each of an hour by a clock that the tests move.

mod slow;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::*;
use crate::address::ListenOptions;
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::contract::action::{Action, CloseReason, Closed};
use crate::contract::config::{Config, Timeouts};
use crate::contract::options::{ConnOptions, ConnectOptions};
use crate::framing::Framing;
use crate::sys::clock::made_up::{pass, Time};
use crate::Handler;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const NONE: Timeouts = Timeouts { idle: Duration::ZERO, read: Duration::ZERO, write: Duration::ZERO };
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is written to the audience: not so much that it would be sent at once, or a socket take a part of it.
const PIECE: [u8; 4 << 10] = [7; 4 << 10];

/// What the handler saw, and what it does when a connection says or ends something.
#[derive(Default)]
struct Seen {
    opened: Vec<ConnId>,
    received: usize,
    closed: Vec<(ConnId, CloseReason)>,
    /// Whom it writes to.
    audience: Option<ConnId>,
    /// How long `on_data` takes before it does anything.
    takes: Duration,
    /// It writes so many bytes and fails; it closes.
    fails_behind: usize,
    closes: bool,
}

struct Tells(Arc<Mutex<Seen>>);

impl Tells {
    fn tell_audience(&self, conn: &Conn<'_>) {
        let audience = self.0.lock().unwrap().audience.filter(|id| *id != conn.id());
        // Closed, if it was too late or the test is over.
        if let Some(id) = audience {
            let _ = conn.server().write(id, &PIECE);
        }
    }
}

impl Handler for Tells {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.0.lock().unwrap().opened.push(conn.id());
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let (takes, fails_behind, closes) = {
            let mut seen = self.0.lock().unwrap();
            seen.received += data.len();
            (seen.takes, seen.fails_behind, seen.closes)
        };
        pass(takes);
        self.tell_audience(conn);
        if fails_behind > 0 {
            let _ = conn.write(&vec![7; fails_behind]).unwrap();
            panic!("a deliberate failure");
        }
        if closes {
            Action::Close
        } else {
            Action::None
        }
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        self.0.lock().unwrap().closed.push((conn.id(), closed.reason));
        self.tell_audience(conn);
    }
}

/// A server of one loop, turned by the test.
struct Loop {
    hosted: Hosted,
    server: Server,
    seen: Arc<Mutex<Seen>>,
    /// Dropped last.
    time: Time,
}

impl Loop {
    fn new() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let config = Config { loops: 1, linger: MINUTE, ..Config::default() };
        let server = Server::new(Tells(Arc::clone(&seen)), &config).unwrap();
        let hosted = server.start_hosted().unwrap();
        Loop { hosted, server, seen, time: Time::begin() }
    }

    /// A connection over TCP, and its peer.
    fn open(&mut self, timeouts: Timeouts, framing: Option<Framing>) -> (ConnId, TcpStream) {
        let options = ConnOptions { timeouts, framing, ..ConnOptions::default() };
        let listening = self.server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &options);
        let address = listening.unwrap().address;
        let peer = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        (self.opened(), peer)
    }

    /// A connection over a Unix socket, and its peer.
    fn enrolled(&mut self, timeouts: Timeouts) -> (ConnId, UnixStream) {
        let (ours, peer) = UnixStream::pair().unwrap();
        let conn = ConnOptions { timeouts, ..ConnOptions::default() };
        let options = ConnectOptions { conn, ..ConnectOptions::default() };
        let id = self.server.handle().enroll(ours.into(), options).unwrap();
        assert_eq!(self.opened(), id);
        (id, peer)
    }

    /// Turns until a further connection is open, and has come to rest.
    fn opened(&mut self) -> ConnId {
        let before = self.seen().opened.len();
        self.turn_until(|seen| seen.opened.len() > before);
        // In this one it is reported to be writable.
        self.turn();
        self.seen().opened[before]
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Turns with what is there.
    fn turn(&mut self) {
        assert!(self.hosted.turn(Some(Duration::ZERO)).unwrap());
    }

    fn turn_until(&mut self, done: impl Fn(&Seen) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !done(&self.seen()) {
            assert!(Instant::now() < limit, "still not so");
            assert!(self.hosted.turn(Some(Duration::from_millis(10))).unwrap());
        }
    }

    /// Says something, and turns until the handler has had it. Who was late before is closed.
    fn say(&mut self, peer: &mut impl Write) {
        let before = self.seen().received;
        peer.write_all(b"x").unwrap();
        self.turn_until(|seen| seen.received > before || !seen.closed.is_empty());
        assert!(self.seen().received > before, "closed too early");
    }

    /// Whether it is served the short way.
    fn flows(&self, id: ConnId) -> bool {
        self.hosted.event_loop.state().conns.borrow_mut().slab.flowing(id).is_some()
    }

    fn is_open(&self, id: ConnId) -> bool {
        self.server.handle().is_open(id)
    }

    fn queued(&self, id: ConnId) -> usize {
        self.server.handle().info(id).unwrap().queued
    }

    /// It has an hour from now: it is open a minute before, closed in the turn at its end, and once it has lingered the
    /// handler hears why.
    fn expect_end_in_an_hour(&mut self, id: ConnId, reason: CloseReason) {
        self.time.advance(59 * MINUTE);
        self.turn();
        assert!(self.is_open(id), "too early");
        self.time.advance(MINUTE);
        self.turn();
        assert!(!self.is_open(id), "too late");
        self.time.advance(MINUTE);
        self.turn_until(|seen| !seen.closed.is_empty());
        assert_eq!(self.seen().closed, [(id, reason)]);
    }
}

#[test]
fn who_goes_on_sending_is_not_late_and_who_stops_is() {
    let idle = Timeouts { idle: HOUR, ..NONE };
    let read = Timeouts { read: HOUR, ..NONE };
    for (timeouts, reason) in [(idle, CloseReason::Idle), (read, CloseReason::TimedOut)] {
        for framing in [None, Some(Framing::fixed(1))] {
            let mut it = Loop::new();
            let (id, mut peer) = it.open(timeouts, framing);
            for _ in 0..20 {
                assert!(it.flows(id));
                it.time.advance(10 * MINUTE);
                it.say(&mut peer);
            }
            it.expect_end_in_an_hour(id, reason);
        }
    }
}

#[test]
fn who_is_sent_something_is_not_idle() {
    let mut it = Loop::new();
    let (id, mut peer) = it.open(Timeouts { idle: HOUR, ..NONE }, None);
    let (_, mut other) = it.open(NONE, None);
    it.seen().audience = Some(id);
    for _ in 0..20 {
        assert!(it.flows(id));
        it.time.advance(10 * MINUTE);
        it.say(&mut other);
        peer.read_exact(&mut [0; PIECE.len()]).unwrap();
    }
    it.expect_end_in_an_hour(id, CloseReason::Idle);
}

#[test]
fn who_is_sent_what_has_waited_is_not_idle_from_when_it_left() {
    let mut it = Loop::new();
    let (id, mut peer) = it.open(Timeouts { idle: HOUR, ..NONE }, None);
    let (_, other) = it.open(NONE, None);
    it.seen().audience = Some(id);
    assert!(it.flows(id));
    drop(other);
    // What on_close writes is sent in the next turn, which the host takes its time for.
    it.turn_until(|seen| !seen.closed.is_empty());
    it.seen().closed.clear();
    assert_eq!(it.queued(id), PIECE.len());
    it.time.advance(40 * MINUTE);
    it.turn();
    peer.read_exact(&mut [0; PIECE.len()]).unwrap();
    assert!(it.flows(id));
    it.expect_end_in_an_hour(id, CloseReason::Idle);
}

#[test]
fn who_takes_nothing_is_late_from_when_output_began_to_wait() {
    let mut it = Loop::new();
    // Of what is written to a Unix socket the kernel takes all or nothing.
    let (id, mut peer) = it.enrolled(Timeouts { write: HOUR, ..NONE });
    let (_, mut other) = it.open(NONE, None);
    it.seen().audience = Some(id);
    while it.queued(id) == 0 {
        // Its time-outs are looked at now, and then in an hour, which is half an hour after the write.
        it.time.advance(61 * MINUTE);
        it.turn();
        it.say(&mut peer);
        it.time.advance(30 * MINUTE);
        assert!(it.flows(id));
        it.say(&mut other);
    }
    assert_eq!(it.queued(id), PIECE.len(), "nothing of the last has left");
    it.expect_end_in_an_hour(id, CloseReason::TimedOut);
}

//! Connections that are held while an answer is made elsewhere (L8).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::peer::{
    everywhere, finish, peer, read_all, read_to_any_end, reset, send, serve_conns, serve_over, Over,
};
use crate::common::{eventually, loops, next, read_exactly};
use reactor_core::{
    Action, CloseReason, Closed, Config, Conn, ConnId, ConnOptions, ErrorKind, Framing, Handle, Handler,
    Server, Timeouts,
};

/// What happened to connections, in order.
#[derive(Debug, PartialEq)]
enum Seen {
    Open(ConnId),
    Data(Vec<u8>),
    Wake,
    Closed(Closed),
}

/// Holds at each input that begins with `h`, from within the callback; tells everything.
fn holding() -> (Hooks, Receiver<Seen>) {
    let (sender, seen) = channel();
    let tell = move |sender: &Sender<Seen>, what| sender.send(what).unwrap();
    let (opened, read, woken, closed) = (sender.clone(), sender.clone(), sender.clone(), sender);
    let hooks = Hooks::new()
        .open(move |conn| {
            tell(&opened, Seen::Open(conn.id()));
            Action::None
        })
        .data(move |conn, data| {
            if data.starts_with(b"h") {
                conn.hold().unwrap();
            }
            tell(&read, Seen::Data(data.to_vec()));
            Action::None
        })
        .wake(move |_| {
            tell(&woken, Seen::Wake);
            Action::None
        })
        .close(move |_, how| tell(&closed, Seen::Closed(how)));
    (hooks, seen)
}

fn opened(seen: &Receiver<Seen>) -> ConnId {
    match next(seen) {
        Seen::Open(id) => id,
        other => panic!("{other:?} instead of an open"),
    }
}

fn data(bytes: &[u8]) -> Seen {
    Seen::Data(bytes.to_vec())
}

fn ended(reason: CloseReason) -> Seen {
    Seen::Closed(Closed { reason, errno: None })
}

/// The loops have gone through a few turns.
fn turns(server: &Server) {
    for index in 0..server.handle().loops() {
        for _ in 0..3 {
            let (sender, ran) = channel();
            server.handle().run_on(index, move |_: &Handle| sender.send(()).unwrap()).unwrap();
            next(&ran);
        }
    }
}

fn answer_from_another_thread(handle: &Handle, id: ConnId, bytes: &'static [u8]) {
    let handle = handle.clone();
    let thread = thread::spawn(move || {
        let _ = handle.write(id, bytes).unwrap();
        handle.release(id).unwrap();
    });
    thread.join().unwrap();
}

#[test]
fn an_answer_from_another_thread_reaches_a_peer_that_has_ended_its_side() {
    everywhere(|config, over| {
        let (hooks, seen) = holding();
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"hold");
        finish(&peer);
        let id = opened(&seen);
        assert_eq!(next(&seen), data(b"hold"));
        turns(&server);
        assert!(seen.try_recv().is_err(), "it is held");
        answer_from_another_thread(server.handle(), id, b"answer");
        assert_eq!(read_all(&mut peer), b"answer");
        assert_eq!(next(&seen), ended(CloseReason::Eof));
    });
}

#[test]
fn input_waits_until_it_is_released_as_often_as_it_was_held() {
    everywhere(|config, over| {
        let (hooks, seen) = holding();
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"hold");
        let id = opened(&seen);
        assert_eq!(next(&seen), data(b"hold"));
        let handle = server.handle();
        handle.hold(id).unwrap();
        send(&mut peer, b"more");
        handle.release(id).unwrap();
        turns(&server);
        assert!(seen.try_recv().is_err(), "it is held once still");
        handle.wake(id).unwrap();
        assert_eq!(next(&seen), Seen::Wake);
        let _ = handle.write(id, b"written").unwrap();
        assert_eq!(read_exactly(&mut peer, 7), b"written");
        handle.release(id).unwrap();
        assert_eq!(next(&seen), data(b"more"));
        let again = handle.release(id).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::WrongState);
        assert!(again.message().contains("is not held"), "{again}");
    });
}

#[test]
fn frames_that_were_read_already_wait_and_half_of_one_is_judged_after_the_release() {
    let framed = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
    for count in [1, 3] {
        let (hooks, seen) = holding();
        let (server, address) = serve_conns(Over::Tcp, hooks, &loops(count), &framed);
        let mut peer = peer(&address);
        send(&mut peer, b"hold\nhold again\nlast\nhalf");
        finish(&peer);
        let id = opened(&seen);
        for frame in [&b"hold"[..], b"hold again"] {
            assert_eq!(next(&seen), data(frame));
            turns(&server);
            assert!(seen.try_recv().is_err(), "it is held");
            server.handle().release(id).unwrap();
        }
        assert_eq!(next(&seen), data(b"last"));
        assert_eq!(next(&seen), ended(CloseReason::Protocol));
    }
}

/// Ends a connection from outside.
type End = fn(&Server, ConnId);

#[test]
fn an_abort_a_close_and_a_stop_end_what_is_held() {
    let ends: [(End, CloseReason); 3] = [
        (|server, id| server.handle().abort(id).unwrap(), CloseReason::Abort),
        (|server, id| server.handle().close(id).unwrap(), CloseReason::LocalClose),
        (|server, _| server.handle().stop(), CloseReason::Shutdown),
    ];
    everywhere(|config, over| {
        for (end, reason) in ends {
            let (hooks, seen) = holding();
            let (server, address) = serve_over(over, hooks, config);
            let mut peer = peer(&address);
            send(&mut peer, b"hold");
            let id = opened(&seen);
            assert_eq!(next(&seen), data(b"hold"));
            end(&server, id);
            let _ = read_to_any_end(&mut peer);
            drop(peer);
            assert_eq!(next(&seen), ended(reason));
            assert_eq!(server.handle().release(id).unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(server.handle().hold(id).unwrap_err().kind(), ErrorKind::Closed);
        }
    });
}

#[test]
fn a_reset_ends_what_is_held_before_or_behind_it() {
    for unread in [&b""[..], b"unread"] {
        let (hooks, seen) = holding();
        let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
        let mut peer = peer(&address);
        send(&mut peer, b"hold");
        let id = opened(&seen);
        assert_eq!(next(&seen), data(b"hold"));
        send(&mut peer, unread);
        reset(peer);
        assert_eq!(
            next(&seen),
            Seen::Closed(Closed { reason: CloseReason::Reset, errno: Some(104) }),
            "{id}"
        );
    }
}

#[test]
fn a_write_that_fails_ends_what_is_held() {
    let (hooks, seen) = holding();
    let (server, address) = serve_over(Over::Unix, hooks, &loops(1));
    let mut peer = peer(&address);
    send(&mut peer, b"hold");
    let id = opened(&seen);
    assert_eq!(next(&seen), data(b"hold"));
    drop(peer);
    let _ = server.handle().write(id, b"to nobody").unwrap();
    assert_eq!(next(&seen), Seen::Closed(Closed { reason: CloseReason::Reset, errno: Some(32) }));
}

#[test]
fn a_reset_that_came_before_the_hold_ends_it_too() {
    let ((sender, seen), (open_gate, gate)) = (channel(), channel());
    let (read, closed, gate) = (sender.clone(), sender, Mutex::new(gate));
    let hooks = Hooks::new()
        .data(move |conn, data| {
            read.send(Seen::Data(data.to_vec())).unwrap();
            match data {
                b"gate" => next(&gate.lock().unwrap()),
                _ => conn.hold().unwrap(),
            }
            Action::None
        })
        .close(move |_, how| closed.send(Seen::Closed(how)).unwrap());
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let (mut busy, mut held) = (peer(&address), peer(&address));
    eventually("both are there", || server.handle().connections() == 2);
    send(&mut busy, b"gate");
    assert_eq!(next(&seen), data(b"gate"));
    send(&mut held, b"hold");
    reset(held);
    open_gate.send(()).unwrap();
    assert_eq!(next(&seen), data(b"hold"));
    assert_eq!(next(&seen), Seen::Closed(Closed { reason: CloseReason::Reset, errno: Some(104) }));
}

/// Sends to a peer that is gone. Without an on_pre_write, so that what is long leaves at once.
struct SendsInVain {
    told: Mutex<Sender<ConnId>>,
    gate: Mutex<Receiver<()>>,
    closed: Mutex<Sender<Closed>>,
}

impl Handler for SendsInVain {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        if data == b"echo" {
            return conn.write(data).map_or(Action::Close, |_| Action::None);
        }
        self.told.lock().unwrap().send(conn.id()).unwrap();
        next(&self.gate.lock().unwrap());
        // The first may leave before the reset has arrived; one that fails takes nothing.
        let mut before = u64::MAX;
        loop {
            let sent = conn.server().metrics().bytes_written;
            if std::mem::replace(&mut before, sent) == sent {
                break;
            }
            // It is refused once the connection is known to be broken.
            drop(conn.write(&[7; 32 << 10]));
        }
        Action::None
    }

    fn on_close(&self, _: &Conn<'_>, how: Closed) {
        self.closed.lock().unwrap().send(how).unwrap();
    }
}

/// The send has taken the error of the reset that came before it.
#[test]
fn a_send_that_fails_before_a_hold_or_pause_is_carried_out_ends_it_too() {
    for pauses in [false, true] {
        let ((closed, how), (told, is_told), (let_go, gate)) = (channel(), channel(), channel());
        let (told, gate, closed) = (Mutex::new(told), Mutex::new(gate), Mutex::new(closed));
        let (server, address) = serve_over(Over::Tcp, SendsInVain { told, gate, closed }, &loops(1));
        let mut peer = peer(&address);
        // From here on the engine knows that the handler has no on_pre_write.
        send(&mut peer, b"echo");
        assert_eq!(read_exactly(&mut peer, 4), b"echo");
        send(&mut peer, b"x");
        let id = next(&is_told);
        match pauses {
            false => server.handle().hold(id).unwrap(),
            true => server.handle().pause(id).unwrap(),
        }
        reset(peer);
        let_go.send(()).unwrap();
        assert_eq!(next(&how).reason, CloseReason::Reset);
    }
}

#[test]
fn idle_and_read_time_outs_do_not_run_and_the_write_time_out_does() {
    let time = Duration::from_millis(150);
    // Those that are ended do not wait for their peers.
    let brisk = Config { linger: Duration::from_millis(10), ..loops(1) };
    let of = |timeouts| ConnOptions { timeouts, ..ConnOptions::default() };
    for timeouts in
        [Timeouts { idle: time, ..Timeouts::default() }, Timeouts { read: time, ..Timeouts::default() }]
    {
        let (sender, seen) = channel();
        let (opened_by, closed_by, first) = (sender.clone(), sender, AtomicBool::new(true));
        let hooks = Hooks::new()
            .open(move |conn| {
                if first.swap(false, Ordering::SeqCst) {
                    conn.hold().unwrap();
                }
                opened_by.send(Seen::Open(conn.id())).unwrap();
                Action::None
            })
            .close(move |_, how| closed_by.send(Seen::Closed(how)).unwrap());
        let (server, address) = serve_conns(Over::Tcp, hooks, &brisk, &of(timeouts));
        let _held = peer(&address);
        let id = opened(&seen);
        // Others that come later are ended, one after the other: so much time has passed for the one that is held.
        for _ in 0..3 {
            let other = peer(&address);
            let _ = opened(&seen);
            assert!(matches!(next(&seen), Seen::Closed(_)), "of the other");
            drop(other);
        }
        assert!(server.handle().is_open(id), "time-outs do not run");
        server.handle().release(id).unwrap();
        assert!(matches!(next(&seen), Seen::Closed(_)), "they do again");
    }
    let (hooks, seen) = holding();
    let timeouts = Timeouts { write: time, ..Timeouts::default() };
    let (server, address) = serve_conns(Over::Tcp, hooks, &brisk, &of(timeouts));
    let mut held = peer(&address);
    send(&mut held, b"hold");
    let id = opened(&seen);
    assert_eq!(next(&seen), data(b"hold"));
    let _ = server.handle().write(id, &vec![0; 20 << 20]).unwrap();
    assert_eq!(next(&seen), ended(CloseReason::TimedOut));
}

#[test]
fn holds_and_releases_of_many_threads_leave_nothing_held() {
    for count in [1, 2] {
        let (hooks, seen) = holding();
        let (server, address) = serve_over(Over::Tcp, hooks, &loops(count));
        let mut peer = peer(&address);
        let id = opened(&seen);
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..500 {
                        server.handle().hold(id).unwrap();
                        server.handle().release(id).unwrap();
                    }
                });
            }
        });
        send(&mut peer, b"read");
        assert_eq!(next(&seen), data(b"read"));
        assert_eq!(server.handle().release(id).unwrap_err().kind(), ErrorKind::WrongState);
    }
}

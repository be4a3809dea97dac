//! Ends: of one direction, at once, and with output queued or input unread (L4, L5).

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::peer::{
    everywhere, finish, peer, read_all, read_to_any_end, reset, send, serve_conns, serve_over, Over,
};
use crate::common::{eventually, loops, next, read_exactly, Random, PATIENCE};
use reactor_core::{Action, CloseReason, Closed, ConnId, ConnOptions, ErrorKind};

/// Tells ids and ends.
fn watched() -> (Hooks, Receiver<ConnId>, Receiver<Closed>) {
    let ((opened, ids), (closed, closes)) = (channel(), channel());
    let hooks = Hooks::new()
        .open(move |conn| {
            opened.send(conn.id()).unwrap();
            Action::None
        })
        .close(move |_, reason| closed.send(reason).unwrap());
    (hooks, ids, closes)
}

fn by(reason: CloseReason) -> Closed {
    // The fields are public; the constructors are not.
    Closed { reason, errno: None }
}

#[test]
fn end_sends_the_queue_then_eof_and_the_peer_still_writes() {
    everywhere(|config, over| {
        let (hooks, _ids, closes) = watched();
        let (heard, words) = channel();
        let block = Random(3).bytes(8 << 20);
        let answer = block.clone();
        let ended = AtomicBool::new(false);
        let hooks = hooks.data(move |conn, data| {
            if ended.swap(true, Ordering::SeqCst) {
                heard.send(data.to_vec()).unwrap();
                return Action::None;
            }
            let _ = conn.write(&answer).unwrap();
            conn.end().unwrap();
            assert_eq!(conn.end().unwrap_err().kind(), ErrorKind::Closed, "twice");
            assert_eq!(conn.write(b"x").unwrap_err().kind(), ErrorKind::Closed);
            assert!(conn.wake().is_ok() && conn.info().is_ok());
            Action::None
        });
        let (_server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert!(read_all(&mut peer) == block);
        send(&mut peer, b"still here");
        let mut got = next(&words);
        while got.len() < 10 {
            got.extend(next(&words));
        }
        assert_eq!(got, b"still here");
        assert!(closes.try_recv().is_err(), "one side is still open");
        finish(&peer);
        assert_eq!(next(&closes), by(CloseReason::Eof));
    });
}

#[test]
fn by_id_end_is_behind_the_writes_before_it() {
    everywhere(|config, over| {
        let (hooks, ids, closes) = watched();
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        let block = Random(4).bytes(3 << 20);
        for part in block.chunks(100_000) {
            let _ = server.handle().write(id, part).unwrap();
        }
        server.handle().end(id).unwrap();
        assert_eq!(server.handle().end(id).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
        assert!(read_all(&mut peer) == block);
        drop(peer);
        assert_eq!(next(&closes), by(CloseReason::Eof));
    });
}

#[test]
fn what_a_thread_wrote_while_the_loop_ended_or_closed_arrives_if_it_was_accepted() {
    for close in [false, true] {
        everywhere(|config, over| {
            let (hooks, ids, closes) = watched();
            let hooks = hooks.data(move |conn, _| match close {
                true => Action::Close,
                false => conn.end().map_or(Action::Close, |()| Action::None),
            });
            let (server, address) = serve_over(over, hooks, config);
            for round in 0..150 {
                let mut peer = peer(&address);
                let id = next(&ids);
                let accepted = thread::scope(|scope| {
                    let (writing, wrote) = channel();
                    let writer = scope.spawn({
                        let handle = server.handle().clone();
                        move || {
                            let mut accepted = 0usize;
                            while handle.write(id, b"x").is_ok() {
                                accepted += 1;
                                let _ = writing.send(());
                            }
                            accepted
                        }
                    });
                    next(&wrote);
                    send(&mut peer, b"go");
                    let (got, was_reset) = read_to_any_end(&mut peer);
                    (writer.join().unwrap(), got.len(), was_reset)
                });
                drop(peer);
                let expected = if close { CloseReason::LocalClose } else { CloseReason::Eof };
                assert_eq!((accepted.1, accepted.2), (accepted.0, false), "round {round}, {over:?}, {close}");
                assert_eq!(next(&closes), by(expected), "round {round}, {over:?}");
            }
        });
    }
}

#[test]
fn half_open_tells_eof_behind_the_data_and_goes_on_until_end() {
    everywhere(|config, over| {
        let (hooks, ids, closes) = watched();
        let (told, events) = channel();
        let eof = told.clone();
        let hooks = hooks
            .data(move |_, data| {
                told.send(data.len()).unwrap();
                Action::None
            })
            .eof(move |conn| {
                eof.send(0).unwrap();
                conn.write(b"not yet, ").map_or(Action::Close, |_| Action::None)
            });
        let conns = ConnOptions { half_open: true, ..ConnOptions::default() };
        let (server, address) = serve_conns(over, hooks, config, &conns);
        let mut peer = peer(&address);
        let id = next(&ids);
        send(&mut peer, &vec![7; 3 << 20]);
        finish(&peer);
        let mut received = 0;
        loop {
            match next(&events) {
                0 => break,
                len => received += len,
            }
        }
        assert_eq!(received, 3 << 20, "all data before EOF");
        assert_eq!(read_exactly(&mut peer, 9), b"not yet, ");
        assert!(closes.try_recv().is_err() && server.handle().is_open(id));
        let _ = server.handle().write(id, b"now").unwrap();
        server.handle().end(id).unwrap();
        assert_eq!(read_all(&mut peer), b"now");
        assert_eq!(next(&closes), by(CloseReason::Eof));
        assert!(events.try_recv().is_err(), "on_eof came once");
    });
}

#[test]
fn half_open_that_ended_first_still_hears_of_eof() {
    everywhere(|config, over| {
        let (hooks, ids, closes) = watched();
        let (told, eofs) = channel();
        let conns = ConnOptions { half_open: true, ..ConnOptions::default() };
        let hooks = hooks.eof(move |_| {
            told.send(()).unwrap();
            Action::None
        });
        let (server, address) = serve_conns(over, hooks, config, &conns);
        let mut peer = peer(&address);
        server.handle().end(next(&ids)).unwrap();
        assert_eq!(read_all(&mut peer), b"");
        finish(&peer);
        next(&eofs);
        assert_eq!(next(&closes), by(CloseReason::Eof));
    });
}

#[test]
fn a_paused_connection_hears_of_eof_when_it_is_resumed() {
    for half_open in [false, true] {
        everywhere(|config, over| {
            let (hooks, ids, closes) = watched();
            let (told, events) = channel();
            let eof = told.clone();
            let hooks = hooks
                .data(move |conn, data| {
                    told.send(data.to_vec()).unwrap();
                    conn.pause().map_or(Action::Close, |()| Action::None)
                })
                .eof(move |_| {
                    eof.send(b"EOF".to_vec()).unwrap();
                    Action::Close
                });
            let conns = ConnOptions { half_open, ..ConnOptions::default() };
            let (server, address) = serve_conns(over, hooks, config, &conns);
            let mut peer = peer(&address);
            let id = next(&ids);
            send(&mut peer, b"one");
            assert_eq!(next(&events), b"one");
            send(&mut peer, b"two");
            finish(&peer);
            // A turn of the loop later nothing has come.
            let (turned, turn) = channel();
            for _ in 0..3 {
                let turned = turned.clone();
                server.handle().run_on_conn(id, move |_| turned.send(()).unwrap()).unwrap();
                next(&turn);
            }
            assert!(events.try_recv().is_err() && closes.try_recv().is_err());
            server.handle().resume(id).unwrap();
            assert_eq!(next(&events), b"two");
            server.handle().resume(id).unwrap();
            if half_open {
                assert_eq!(next(&events), b"EOF");
            }
            let reason = if half_open { CloseReason::LocalClose } else { CloseReason::Eof };
            assert_eq!(next(&closes), by(reason));
        });
    }
}

#[test]
fn abort_resets_also_a_closing_connection_whose_peer_does_not_read() {
    for closing in [false, true] {
        for number in [1, 3] {
            let (hooks, ids, closes) = watched();
            let (server, address) = serve_over(Over::Tcp, hooks, &loops(number));
            let mut peer = peer(&address);
            let id = next(&ids);
            let _ = server.handle().write(id, &vec![7; 30 << 20]).unwrap();
            if closing {
                server.handle().close(id).unwrap();
            }
            server.handle().abort(id).unwrap();
            assert_eq!(next(&closes), by(CloseReason::Abort));
            assert_eq!(server.handle().abort(id).unwrap_err().kind(), ErrorKind::Closed, "it is gone");
            assert!(read_to_any_end(&mut peer).1, "a reset");
        }
    }
}

#[test]
fn close_with_unread_input_does_not_destroy_the_answer() {
    everywhere(|config, over| {
        let (hooks, _ids, closes) = watched();
        let block = Random(5).bytes(2 << 20);
        let answer = block.clone();
        let hooks = hooks.data(move |conn, _| conn.write(&answer).map_or(Action::None, |_| Action::Close));
        let (_server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let mut writer = peer.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                // More than the server ever hands to its handler.
                for _ in 0..100 {
                    writer.write_all(&[7; 60_000]).unwrap();
                }
                finish(&writer);
            });
            assert!(read_all(&mut peer) == block);
        });
        assert_eq!(next(&closes), by(CloseReason::LocalClose));
    });
}

#[test]
fn a_reset_says_its_errno_and_comes_once() {
    for number in [1, 3] {
        let (hooks, ids, closes) = watched();
        let (server, address) = serve_over(Over::Tcp, hooks, &loops(number));
        for _ in 0..20 {
            let peer = peer(&address);
            next(&ids);
            reset(peer);
            let closed = next(&closes);
            assert_eq!((closed.reason, closed.errno), (CloseReason::Reset, Some(libc::ECONNRESET)));
        }
        server.handle().stop();
        server.wait().unwrap();
        assert!(closes.try_recv().is_err());
    }
}

#[test]
fn the_first_reason_counts_and_a_closed_connection_gets_no_more_input() {
    everywhere(|config, over| {
        let (hooks, ids, closes) = watched();
        let calls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&calls);
        let hooks = hooks.data(move |conn, _| {
            *counted.lock().unwrap() += 1;
            conn.close().unwrap();
            assert_eq!(conn.close().unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(conn.fail().unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(conn.detach().unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(conn.end().unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(conn.wake().unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(conn.pause().unwrap_err().kind(), ErrorKind::Closed);
            Action::Detach
        });
        let conns = ConnOptions { framing: Some(reactor_core::Framing::line()), ..ConnOptions::default() };
        let (server, address) = serve_conns(over, hooks, config, &conns);
        let mut peer = peer(&address);
        let id = next(&ids);
        send(&mut peer, b"one\ntwo\nthree\n");
        assert_eq!(read_all(&mut peer), b"");
        send(&mut peer, b"four\n");
        finish(&peer);
        assert_eq!(next(&closes), by(CloseReason::LocalClose));
        assert_eq!(*calls.lock().unwrap(), 1);
        eventually("its id is dead", || server.handle().info(id).is_err());
    });
}

#[test]
fn beyond_the_hard_limit_the_connection_ends_with_overflow_and_not_as_if_that_were_all() {
    let (hooks, _ids, closes) = watched();
    let hooks = hooks.data(|conn, _| {
        let _ = conn.write(&[7; 1000]).unwrap();
        let error = conn.write(&[7; 2000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        assert_eq!(conn.write(b"x").unwrap_err().kind(), ErrorKind::Closed);
        Action::None
    });
    let mut config = loops(1);
    (config.high_water, config.hard_limit) = (1500, 2000);
    let (_server, address) = serve_over(Over::Tcp, hooks, &config);
    let mut peer = peer(&address);
    send(&mut peer, b"go");
    let (got, was_reset) = read_to_any_end(&mut peer);
    assert_eq!(next(&closes), by(CloseReason::Overflow));
    assert!(was_reset, "{} bytes and a clean end: the peer takes them for all there was", got.len());
}

#[test]
fn a_fault_does_not_hold_what_its_peer_never_reads() {
    everywhere(|config, over| {
        let mut config = config.clone();
        config.linger = Duration::from_millis(100);
        let (hooks, _ids, closes) = watched();
        let hooks = hooks.data(|conn, _| {
            let _ = conn.write(&vec![7; 32 << 20]).unwrap();
            panic!("a deliberate failure");
        });
        let (server, address) = serve_over(over, hooks, &config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert_eq!(next(&closes), by(CloseReason::HandlerError));
        assert_eq!(server.handle().queued_bytes(), 0);
    });
}

#[test]
fn a_fault_still_sends_everything_to_a_peer_that_reads() {
    everywhere(|config, over| {
        let mut config = config.clone();
        // However long a busy machine keeps the peer from reading: how the limit counts is proven by a clock that tests
        // move.
        config.linger = PATIENCE;
        let (hooks, _ids, closes) = watched();
        let hooks = hooks.data(|conn, _| {
            let _ = conn.write(&vec![7; 16 << 20]).unwrap();
            panic!("a deliberate failure");
        });
        let (_server, address) = serve_over(over, hooks, &config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert!(read_all(&mut peer) == vec![7; 16 << 20]);
        drop(peer);
        assert_eq!(next(&closes), by(CloseReason::HandlerError));
    });
}

#[test]
fn a_close_waits_no_longer_than_the_stall_limit_for_a_peer_that_takes_nothing() {
    everywhere(|config, over| {
        for closes_itself in [true, false] {
            let mut config = config.clone();
            // Below the mark, so that its end is read.
            (config.stall_limit, config.high_water) = (Duration::from_millis(100), 48 << 20);
            let (hooks, _ids, closes) = watched();
            let hooks = hooks.data(move |conn, _| {
                let _ = conn.write(&vec![7; 32 << 20]).unwrap();
                if closes_itself {
                    Action::Close
                } else {
                    Action::None
                }
            });
            let (server, address) = serve_over(over, hooks, &config);
            let mut peer = peer(&address);
            send(&mut peer, b"go");
            if !closes_itself {
                finish(&peer);
            }
            assert_eq!(next(&closes), by(CloseReason::TimedOut));
            assert_eq!(server.handle().queued_bytes(), 0);
            if over == Over::Tcp {
                assert!(
                    read_to_any_end(&mut peer).1,
                    "a clean end: the peer takes what it has for all there was"
                );
            }
        }
    });
}

#[test]
fn the_stall_limit_is_of_a_standstill() {
    let mut config = loops(1);
    // However long a busy machine keeps the peer from reading.
    config.stall_limit = PATIENCE;
    let (hooks, _ids, closes) = watched();
    let hooks = hooks.data(|conn, _| {
        let _ = conn.write(&vec![7; 16 << 20]).unwrap();
        Action::Close
    });
    let (_server, address) = serve_over(Over::Tcp, hooks, &config);
    let mut peer = peer(&address);
    send(&mut peer, b"go");
    assert!(read_all(&mut peer) == vec![7; 16 << 20]);
    drop(peer);
    assert_eq!(next(&closes), by(CloseReason::LocalClose));
}

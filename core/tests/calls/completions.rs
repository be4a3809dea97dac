//! Completions of writes: once each, in order, and never from inside the write (D4).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_all, reset, send, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly, Random};
use reactor_core::{Action, CloseReason, Closed, Completed, Conn, ConnId, ErrorKind, Handle, Handler};

/// What happened, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Written(usize, Completed),
    Closed(CloseReason),
}

/// Writes `answer` when input comes, with a completion; tells what became of it.
fn answers(answer: &'static [u8], action: Action) -> (Hooks, Receiver<Event>, Sender<()>) {
    let ((events, happened), (go, gate)) = (channel(), channel::<()>());
    let (closes, gate) = (events.clone(), Mutex::new(gate));
    let hooks = Hooks::new()
        .open(move |_| {
            // So that what the peer sends and its EOF are found together.
            next(&gate.lock().unwrap());
            Action::None
        })
        .data(move |conn, _| {
            let events = events.clone();
            conn.write_then(&[answer], move |completed| {
                assert!(thread::current().name().unwrap().starts_with("reactor-"));
                events.send(Event::Written(0, completed)).unwrap();
            })
            .map_or(Action::Close, |_| action)
        })
        .close(move |_, closed| closes.send(Event::Closed(closed.reason)).unwrap());
    (hooks, happened, go)
}

#[test]
fn an_answer_that_the_kernel_took_before_the_end_was_sent() {
    for (action, reason) in [(Action::None, CloseReason::Eof), (Action::Close, CloseReason::LocalClose)] {
        everywhere(|config, over| {
            let (hooks, happened, go) = answers(b"answer", action);
            let (_server, address) = serve_over(over, hooks, config);
            let mut peer = peer(&address);
            send(&mut peer, b"question");
            finish(&peer);
            go.send(()).unwrap();
            assert_eq!(read_all(&mut peer), b"answer");
            assert_eq!(next(&happened), Event::Written(0, Completed::Sent), "{over:?}, {reason:?}");
            assert_eq!(next(&happened), Event::Closed(reason));
        });
    }
}

#[test]
fn a_write_of_nothing_is_completed_in_its_turn() {
    everywhere(|config, over| {
        let (events, happened) = channel();
        let hooks = Hooks::new().data(move |conn, _| {
            for (number, bytes) in [&b""[..], b"x", b"", b"yz", b""].into_iter().enumerate() {
                let (events, inside) = (events.clone(), Arc::new(AtomicBool::new(true)));
                let still_inside = Arc::clone(&inside);
                let _ = conn
                    .write_then(&[bytes], move |completed| {
                        assert!(!still_inside.load(Ordering::SeqCst), "called from inside the write");
                        events.send((number, completed)).unwrap();
                    })
                    .unwrap();
                inside.store(false, Ordering::SeqCst);
            }
            Action::None
        });
        let (_server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert_eq!(read_exactly(&mut peer, 3), b"xyz");
        for number in 0..5 {
            assert_eq!(next(&happened), (number, Completed::Sent));
        }
    });
}

#[test]
fn ten_thousand_queued_writes_are_completed_in_order_and_the_rest_cancelled() {
    const WRITES: usize = 10_000;
    everywhere(|config, over| {
        let ((events, happened), (opened, ids)) = (channel(), channel());
        let closes = events.clone();
        let hooks = Hooks::new()
            .open(move |conn| {
                opened.send(conn.id()).unwrap();
                Action::None
            })
            .close(move |_, closed| closes.send(Event::Closed(closed.reason)).unwrap());
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        let block = Random(1).bytes(4000);
        for number in 0..WRITES {
            let events = events.clone();
            let completion = move |completed| events.send(Event::Written(number, completed)).unwrap();
            let _ = server.handle().write_then(id, &[&block], completion).unwrap();
        }
        for _ in 0..1000 {
            assert!(read_exactly(&mut peer, 4000) == block);
        }
        server.handle().abort(id).unwrap();
        let mut sent = 0;
        for number in 0..WRITES {
            match next(&happened) {
                Event::Written(this, Completed::Sent) => {
                    assert_eq!((this, sent), (number, number), "sent, in order, before any is cancelled");
                    sent += 1;
                }
                event => assert_eq!(event, Event::Written(number, Completed::Cancelled)),
            }
        }
        assert!((1000..WRITES).contains(&sent), "{sent} were sent");
        assert_eq!(next(&happened), Event::Closed(CloseReason::Abort));
    });
}

/// Counts what was accepted, and what was called.
#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    called: AtomicUsize,
    after_close: AtomicUsize,
}

fn write_for_a_while(
    handle: &Handle,
    ids: &Mutex<Vec<(ConnId, Arc<AtomicBool>)>>,
    seed: u64,
    counts: &Arc<Counts>,
) {
    let mut random = Random(seed);
    let mut accepted = 0;
    while accepted < 300 {
        for (id, gone) in ids.lock().unwrap().clone() {
            let (len, counts_then) = (random.below(3) * 700, Arc::clone(counts));
            let completion = move |_| {
                counts_then.called.fetch_add(1, Ordering::SeqCst);
                counts_then.after_close.fetch_add(usize::from(gone.load(Ordering::SeqCst)), Ordering::SeqCst);
            };
            match handle.write_then(id, &[&vec![7; len]], completion) {
                Ok(_) => accepted += 1,
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::Full)),
            }
        }
    }
    counts.accepted.fetch_add(accepted, Ordering::SeqCst);
}

#[test]
fn sixteen_threads_get_every_completion_while_connections_come_and_go() {
    everywhere(|config, over| {
        type Ids = Mutex<Vec<(ConnId, Arc<AtomicBool>)>>;
        let ids: Arc<Ids> = Arc::default();
        let (opened, closed) = (Arc::clone(&ids), Arc::clone(&ids));
        let hooks = Hooks::new()
            .open(move |conn| {
                opened.lock().unwrap().push((conn.id(), Arc::default()));
                Action::None
            })
            .close(move |conn, _| {
                let mut ids = closed.lock().unwrap();
                let at = ids.iter().position(|(id, _)| *id == conn.id()).unwrap();
                ids.swap_remove(at).1.store(true, Ordering::SeqCst);
            });
        let (server, address) = serve_over(over, hooks, config);
        let (counts, writing) = (Arc::new(Counts::default()), AtomicUsize::new(16));
        thread::scope(|scope| {
            let (ids, counts, writing) = (&ids, &counts, &writing);
            for seed in 1..=16 {
                let handle = server.handle().clone();
                scope.spawn(move || {
                    write_for_a_while(&handle, ids, seed, counts);
                    writing.fetch_sub(1, Ordering::SeqCst);
                });
            }
            let mut random = Random(99);
            while writing.load(Ordering::SeqCst) > 0 {
                let crowd: Vec<_> = (0..8).map(|_| peer(&address)).collect();
                let known = ids.lock().unwrap().clone();
                for (id, _) in known {
                    let _ = match random.below(4) {
                        0 => server.handle().close(id),
                        1 => server.handle().abort(id),
                        2 => server.handle().end(id),
                        _ => Ok(()),
                    };
                }
                for socket in crowd {
                    if random.below(2) == 0 && over == Over::Tcp {
                        reset(socket);
                    }
                }
            }
        });
        eventually("all connections are gone", || server.handle().connections() == 0);
        server.handle().stop();
        server.wait().unwrap();
        assert_eq!(counts.called.load(Ordering::SeqCst), counts.accepted.load(Ordering::SeqCst));
        assert_eq!(counts.after_close.load(Ordering::SeqCst), 0, "completions after on_close");
    });
}

/// Calls the server when it is dropped.
struct CallsOnDrop(Handle, ConnId, Sender<bool>);

impl Drop for CallsOnDrop {
    fn drop(&mut self) {
        let written = self.0.write(self.1, b"dropped");
        self.2.send(written.is_ok()).unwrap();
    }
}

#[test]
fn a_refused_completion_is_dropped_and_its_destructor_may_call_the_server() {
    let ((dead, alive), (closed, closes), (done, dropped)) = (channel(), channel(), channel());
    let alive = Mutex::new(alive);
    let hooks = Hooks::new()
        .close(move |conn, _| {
            dead.send(conn.id()).unwrap();
            closed.send(conn.id()).unwrap();
        })
        .data(move |conn, _| {
            let guard = CallsOnDrop(conn.server().clone(), conn.id(), done.clone());
            let completion = move |_| panic!("refused, and still called, of {}", guard.1);
            let gone: ConnId = next(&alive.lock().unwrap());
            let refused = conn.server().write_then(gone, &[b"x"], completion);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
            Action::None
        });
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    drop(peer(&address));
    next(&closes);
    let mut peer = peer(&address);
    send(&mut peer, b"go");
    assert!(next(&dropped), "the destructor's write is accepted");
    assert_eq!(read_exactly(&mut peer, 7), b"dropped");
}

#[test]
fn a_completion_that_panics_hurts_nobody() {
    let (events, happened) = channel();
    let hooks = Hooks::new().data(move |conn, _| {
        let _ = conn.write_then(&[b"a"], |_| panic!("told to panic")).unwrap();
        let events = events.clone();
        let _ = conn.write_then(&[b"b"], move |completed| events.send(completed).unwrap()).unwrap();
        Action::None
    });
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    for _ in 0..2 {
        send(&mut peer, b"go");
        assert_eq!(read_exactly(&mut peer, 2), b"ab");
        assert_eq!(next(&happened), Completed::Sent);
    }
}

#[test]
fn a_gathered_write_leaves_in_order_and_in_one_piece() {
    everywhere(|config, over| {
        let (opened, ids) = channel();
        let hooks = Hooks::new()
            .open(move |conn| {
                opened.send(conn.id()).unwrap();
                Action::None
            })
            .data(|conn, _| {
                let parts: Vec<Vec<u8>> = (0..200u8).map(|n| vec![n; usize::from(n) * 50]).collect();
                let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                let _ = conn.write_gathered(&slices).unwrap();
                Action::None
            });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        send(&mut peer, b"go");
        let expected: Vec<u8> = (0..200u8).flat_map(|n| vec![n; usize::from(n) * 50]).collect();
        assert!(read_exactly(&mut peer, expected.len()) == expected);
        // Of several threads: records of three slices are not torn.
        thread::scope(|scope| {
            for thread in 0..4u8 {
                let handle = server.handle().clone();
                scope.spawn(move || {
                    for _ in 0..500 {
                        let _ =
                            handle.write_gathered(id, &[&[thread], &[thread; 3000], &[thread; 2]]).unwrap();
                    }
                });
            }
            for _ in 0..2000 {
                let record = read_exactly(&mut peer, 3003);
                assert!(record.iter().all(|byte| *byte == record[0]), "a torn record");
            }
        });
    });
}

/// Has no `on_pre_write`, so that many bytes are sent at once. Answers its first input, and tells what becomes of what it
/// answers to the second, once the gate opens.
struct Late {
    len: usize,
    begun: Sender<()>,
    gate: Mutex<Receiver<()>>,
    events: Sender<Event>,
}

impl Handler for Late {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        if data == b"1" {
            let _ = conn.write(data).unwrap();
            return Action::None;
        }
        self.begun.send(()).unwrap();
        next(&self.gate.lock().unwrap());
        let (events, len) = (self.events.clone(), self.len);
        let written = conn.write_then(&[&vec![7; len]], move |completed| {
            events.send(Event::Written(len, completed)).unwrap();
        });
        assert!(written.is_ok());
        Action::None
    }

    fn on_close(&self, _: &Conn<'_>, closed: Closed) {
        self.events.send(Event::Closed(closed.reason)).unwrap();
    }
}

#[test]
fn bytes_that_a_reset_connection_never_took_are_cancelled() {
    for len in [100, 64 << 10] {
        let ((events, happened), (go, gate), (begun, begins)) = (channel(), channel(), channel());
        let late = Late { len, begun, gate: Mutex::new(gate), events };
        let (_server, address) = serve_over(Over::Tcp, late, &loops(1));
        let mut peer = peer(&address);
        send(&mut peer, b"1");
        assert_eq!(read_exactly(&mut peer, 1), b"1");
        send(&mut peer, b"2");
        next(&begins);
        // Over the loopback the reset is there when this returns.
        reset(peer);
        go.send(()).unwrap();
        assert_eq!(next(&happened), Event::Written(len, Completed::Cancelled), "{len} bytes");
        assert_eq!(next(&happened), Event::Closed(CloseReason::Reset));
    }
}

/// Answers so much that it leaves at once, and lets the connection go in the same callback. It has no `on_pre_write`, before which
/// nothing would leave.
struct LetsGo {
    how: fn(&Conn<'_>) -> Action,
    done: Mutex<Sender<Completed>>,
}

impl Handler for LetsGo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        if data == b"hello" {
            return conn.write(data).map_or(Action::Close, |_| Action::None);
        }
        let done = self.done.lock().unwrap().clone();
        let _ = conn.write_then(&[&[7; 20_000]], move |completed| done.send(completed).unwrap()).unwrap();
        (self.how)(conn)
    }
}

#[test]
fn what_left_from_within_a_callback_was_sent_whatever_that_made_of_the_connection() {
    let ways: [fn(&Conn<'_>) -> Action; 3] =
        [|conn| conn.abort().map_or(Action::None, |()| Action::None), |_| Action::Detach, |_| Action::Stop];
    for how in ways {
        everywhere(|config, over| {
            let (done, completed) = channel();
            let (_server, address) = serve_over(over, LetsGo { how, done: Mutex::new(done) }, config);
            let mut peer = peer(&address);
            // From here on it is known that nobody is told before a write.
            send(&mut peer, b"hello");
            assert_eq!(read_exactly(&mut peer, 5), b"hello");
            send(&mut peer, b"go");
            assert_eq!(next(&completed), Completed::Sent);
        });
    }
}

#[test]
fn what_was_accepted_just_before_a_stop_leaves_and_was_sent() {
    everywhere(|config, over| {
        let ((opened, ids), (done, completed)) = (channel(), channel());
        let ((go, gate), (began, begun)) = (channel::<()>(), channel());
        let hooks = Hooks::new().open(move |conn| {
            opened.send(conn.id()).unwrap();
            Action::None
        });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        let hold_up = move |_: &Conn<'_>| {
            began.send(()).unwrap();
            next(&gate);
        };
        server.handle().run_on_conn(id, hold_up).unwrap();
        next(&begun);
        let sent = move |completed| done.send(completed).unwrap();
        let _ = server.handle().write_then(id, &[b"last"], sent).unwrap();
        server.handle().stop();
        go.send(()).unwrap();
        assert_eq!(next(&completed), Completed::Sent);
        assert_eq!(read_all(&mut peer), b"last");
    });
}

//! Detaching: the descriptor leaves with what was not consumed and not sent, and nothing is lost (L6).

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common;
use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_all, send, serve_conns, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly, Random};
use reactor_core::{Action, Completed, ConnId, ConnOptions, Detached, ErrorKind, Framing};
use socket2::Socket;

/// Hands detached connections to the test; on_close must not come.
fn detaching() -> (Hooks, Receiver<(ConnId, Detached)>) {
    let (out, detached) = channel();
    let hooks = Hooks::new()
        .detach(move |conn, detached| out.send((conn.id(), detached)).unwrap())
        .close(|conn, closed| panic!("{} is detached, not closed: {closed:?}", conn.id()));
    (hooks, detached)
}

/// A detached descriptor, to be used with blocking calls.
fn blocking(detached: Detached) -> Socket {
    let socket = Socket::from(detached.descriptor);
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    socket
}

/// Bytes go both ways over the raw descriptor.
fn expect_traffic(mine: &mut Socket, peer: &mut Socket) {
    let block = Random(7).bytes(300_000);
    thread::scope(|scope| {
        scope.spawn(|| mine.write_all(&block).unwrap());
        assert!(read_exactly(peer, block.len()) == block);
    });
    send(peer, b"to the server");
    assert_eq!(read_exactly(mine, 13), b"to the server");
    finish(peer);
    assert_eq!(mine.read(&mut [0; 8]).unwrap(), 0);
}

/// Where a callback detaches, and how the peer brings it about.
type Case = (&'static str, fn(Hooks) -> Hooks);

const CASES: [Case; 5] = [
    ("on_open", |hooks| hooks.open(|_| Action::Detach)),
    ("on_data", |hooks| hooks.data(|_, _| Action::Detach)),
    ("on_wake", |hooks| {
        hooks
            .data(|conn, _| {
                conn.wake().unwrap();
                Action::None
            })
            .wake(|_| Action::Detach)
    }),
    ("on_timer", |hooks| {
        hooks
            .data(|conn, _| {
                conn.start_timer(Duration::from_millis(1), Duration::ZERO).unwrap();
                Action::None
            })
            .timer(|_, _| Action::Detach)
    }),
    ("on_drain", |hooks| {
        hooks
            .data(|conn, _| {
                let _ = conn.write(&[7; 3_000_000]).unwrap();
                Action::None
            })
            .drain(|_| Action::Detach)
    }),
];

#[test]
fn every_callback_can_detach() {
    everywhere(|config, over| {
        for (name, case) in CASES {
            let (hooks, detached) = detaching();
            let (server, address) = serve_over(over, case(hooks), config);
            let mut peer = peer(&address);
            if name != "on_open" {
                send(&mut peer, b"go");
            }
            let expected = if name == "on_drain" { 3_000_000 } else { 0 };
            let (id, mut mine) = thread::scope(|scope| {
                let got = scope.spawn(|| read_exactly(&mut peer, expected));
                let (id, detached) = next(&detached);
                let output = detached.output.clone();
                let mut mine = blocking(detached);
                mine.write_all(&output).unwrap();
                assert!(got.join().unwrap() == vec![7; expected], "{name}");
                (id, mine)
            });
            assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(server.handle().detach(id).unwrap_err().kind(), ErrorKind::Closed);
            eventually("it counts no more", || server.handle().connections() == 0);
            expect_traffic(&mut mine, &mut peer);
        }
    });
}

#[test]
fn on_eof_can_detach_and_the_writing_side_still_works() {
    everywhere(|config, over| {
        let (hooks, detached) = detaching();
        let conns = ConnOptions { half_open: true, ..ConnOptions::default() };
        let (_server, address) = serve_conns(over, hooks.eof(|_| Action::Detach), config, &conns);
        let mut peer = peer(&address);
        finish(&peer);
        let mut mine = blocking(next(&detached).1);
        mine.write_all(b"late").unwrap();
        drop(mine);
        assert_eq!(read_all(&mut peer), b"late");
    });
}

#[test]
fn what_was_kept_and_what_is_not_a_frame_yet_goes_along() {
    everywhere(|config, over| {
        let (hooks, detached) = detaching();
        let hooks = hooks.data(|conn, data| {
            conn.keep(data.len() - 2).unwrap();
            Action::Detach
        });
        let (_server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"header");
        let detached = next(&detached).1;
        let mut rest = detached.input.clone();
        let mut mine = blocking(detached);
        rest.extend(read_exactly(&mut mine, 4 - rest.len()));
        assert_eq!(rest, b"ader");
    });
    everywhere(|config, over| {
        let (hooks, detached) = detaching();
        let (hooks, id) = (hooks, Arc::new(Mutex::new(None)));
        let seen = Arc::clone(&id);
        let hooks = hooks.data(move |conn, data| {
            assert_eq!(data, b"one");
            *seen.lock().unwrap() = Some(conn.id());
            Action::None
        });
        let conns = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
        let (server, address) = serve_conns(over, hooks, config, &conns);
        let mut peer = peer(&address);
        send(&mut peer, b"one\ntw");
        eventually("the first frame", || id.lock().unwrap().is_some());
        let id = id.lock().unwrap().unwrap();
        eventually("half a frame", || server.handle().info(id).unwrap().received == 6);
        server.handle().detach(id).unwrap();
        let (same, detached) = next(&detached);
        assert_eq!((same, &*detached.input), (id, &b"tw"[..]));
        expect_traffic(&mut blocking(detached), &mut peer);
    });
}

#[test]
fn frames_behind_the_one_that_detaches_go_along() {
    everywhere(|config, over| {
        let (hooks, detached) = detaching();
        let conns = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
        let (_server, address) = serve_conns(over, hooks.data(|_, _| Action::Detach), config, &conns);
        let mut peer = peer(&address);
        send(&mut peer, b"upgrade\nbinary\n\0\x01\x02");
        assert_eq!(next(&detached).1.input, b"binary\n\0\x01\x02");
    });
}

#[test]
fn queued_output_that_the_peer_does_not_read_goes_along_and_its_completions_are_cancelled_before() {
    everywhere(|config, over| {
        let ((opened, ids), (done, completions)) = (channel(), channel());
        let (hooks, detached) = detaching();
        let hooks = hooks.open(move |conn| {
            opened.send(conn.id()).unwrap();
            Action::None
        });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        let block = Random(2).bytes(20 << 20);
        let _ = server
            .handle()
            .write_then(id, &[&block], move |completed| done.send(completed).unwrap())
            .unwrap();
        server.handle().detach(id).unwrap();
        let detached = next(&detached).1;
        assert_eq!(completions.try_recv(), Ok(Completed::Cancelled), "before on_detach");
        let unsent = detached.output.len();
        assert!(unsent > 0 && detached.output == block[block.len() - unsent..]);
        let output = detached.output.clone();
        let mut mine = blocking(detached);
        thread::scope(|scope| {
            scope.spawn(|| {
                mine.write_all(&output).unwrap();
                finish(&mine);
            });
            assert!(read_all(&mut peer) == block);
        });
    });
}

#[test]
fn bytes_that_another_thread_handed_in_before_are_not_lost() {
    everywhere(|config, over| {
        let (hooks, detached) = detaching();
        let ((inside, entered), (go, gate)) = (channel(), channel::<()>());
        let gate = Mutex::new(gate);
        let hooks = hooks.data(move |conn, _| {
            let _ = conn.write(b"first, ").unwrap();
            inside.send(conn.id()).unwrap();
            next(&gate.lock().unwrap());
            Action::Detach
        });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        let id = next(&entered);
        let (done, completions) = channel();
        let _ = server.handle().write(id, b"second, ").unwrap();
        let _ = server.handle().write_then(id, &[b"third"], move |is| done.send(is).unwrap()).unwrap();
        go.send(()).unwrap();
        let detached = next(&detached).1;
        assert_eq!(completions.recv(), Ok(Completed::Cancelled));
        let output = detached.output.clone();
        let mut mine = blocking(detached);
        mine.write_all(&output).unwrap();
        drop(mine);
        let got = read_all(&mut peer);
        assert_eq!(String::from_utf8_lossy(&got), "first, second, third");
    });
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_descriptor_is_closed_if_nobody_takes_it_and_the_context_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&drops);
    let hooks = Hooks::new()
        .open(move |conn| {
            conn.set_context(Box::new(Counted(Arc::clone(&counted))));
            Action::Detach
        })
        .detach(|conn, _| {
            assert_eq!(conn.with_context(|_: &mut Counted| ()), Some(()));
            assert!(conn.info().is_ok());
            assert_eq!(conn.write(b"x").unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(
                conn.start_timer(Duration::ZERO, Duration::ZERO).unwrap_err().kind(),
                ErrorKind::Closed
            );
        });
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    assert_eq!(read_all(&mut peer(&address)), b"");
    eventually("the context is dropped", || drops.load(Ordering::SeqCst) == 1);
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_detached_connection_outlives_its_server() {
    let (hooks, detached) = detaching();
    let (server, address) = serve_over(Over::Tcp, hooks.open(|_| Action::Detach), &loops(2));
    let mut peer = peer(&address);
    let mut mine = blocking(next(&detached).1);
    drop(server);
    expect_traffic(&mut mine, &mut peer);
}

//! Input under the handler's control: kept, paused, woken (D2, D4, D5).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_all, send, serve_conns, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly, Random};
use reactor_core::{Action, CloseReason, Conn, ConnId, ConnOptions, ErrorKind, Framing};

fn ids(hooks: Hooks) -> (Hooks, Receiver<ConnId>) {
    let (opened, ids) = channel();
    let hooks = hooks.open(move |conn| {
        opened.send(conn.id()).unwrap();
        Action::None
    });
    (hooks, ids)
}

/// Answers each message of a length byte and a payload; keeps what is not whole.
fn answer_whole_messages(conn: &Conn<'_>, mut data: &[u8]) -> Action {
    while let Some((&len, rest)) = data.split_first() {
        if rest.len() < usize::from(len) {
            break;
        }
        let (message, rest) = rest.split_at(usize::from(len));
        let _ = conn.write(message).unwrap();
        data = rest;
    }
    conn.keep(data.len()).map_or(Action::Close, |()| Action::None)
}

#[test]
fn what_is_kept_comes_again_in_front_whatever_the_split() {
    let messages: Vec<Vec<u8>> = (0..6u8).map(|n| vec![b'a' + n; usize::from(n)]).collect();
    let stream: Vec<u8> =
        messages.iter().flat_map(|message| [vec![message.len() as u8], message.clone()].concat()).collect();
    let answers = messages.concat();
    everywhere(|config, over| {
        let (hooks, ids) = ids(Hooks::new().data(answer_whole_messages));
        let (server, address) = serve_over(over, hooks, config);
        for first in 1..stream.len() {
            for second in [first + 1, first + 2, stream.len()] {
                let second = second.min(stream.len());
                let mut peer = peer(&address);
                let id = next(&ids);
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    send(&mut peer, part);
                    let so_far = part.as_ptr() as usize + part.len() - stream.as_ptr() as usize;
                    eventually("it is read", || server.handle().info(id).unwrap().received == so_far as u64);
                }
                assert_eq!(read_exactly(&mut peer, answers.len()), answers, "split at {first}, {second}");
            }
        }
    });
}

#[test]
fn all_can_be_kept_up_to_the_largest_frame_and_no_more() {
    const LARGEST: usize = 16 << 20;
    for over in [Over::Tcp, Over::Unix] {
        for (len, ends) in [(LARGEST, false), (LARGEST + 1, true)] {
            let (closed, closes) = channel();
            let most = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&most);
            let hooks = Hooks::new()
                .data(move |conn, data| {
                    let before = seen.swap(data.len(), Ordering::SeqCst);
                    assert!(data.len() > before && data[before.saturating_sub(1)] == 7);
                    conn.keep(data.len()).unwrap();
                    Action::None
                })
                .close(move |_, reason| closed.send(reason.reason).unwrap());
            let (_server, address) = serve_over(over, hooks, &loops(1));
            let mut peer = peer(&address);
            send(&mut peer, &vec![7; len]);
            eventually("all of it is shown", || most.load(Ordering::SeqCst) == len);
            finish(&peer);
            assert_eq!(read_all(&mut peer), b"");
            assert_eq!(next(&closes), if ends { CloseReason::Protocol } else { CloseReason::Eof });
        }
    }
}

#[test]
fn keep_says_what_is_wrong() {
    let (checked, checks) = channel();
    let hooks = Hooks::new()
        .open(|conn| {
            assert_eq!(conn.keep(0).unwrap_err().kind(), ErrorKind::WrongState);
            Action::None
        })
        .data(move |conn, data| {
            assert_eq!(conn.keep(data.len() + 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
            conn.keep(data.len()).unwrap();
            // The last call counts.
            conn.keep(1).unwrap();
            assert_eq!(conn.keep(usize::MAX).unwrap_err().kind(), ErrorKind::InvalidArgument);
            checked.send(data.to_vec()).unwrap();
            Action::None
        });
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    send(&mut peer, b"ab");
    assert_eq!(next(&checks), b"ab");
    send(&mut peer, b"c");
    assert_eq!(next(&checks), b"bc");
}

#[test]
fn a_paused_connection_gives_nothing_until_it_is_resumed_and_then_all() {
    everywhere(|config, over| {
        let (told, data) = channel();
        let (hooks, ids) = ids(Hooks::new().data(move |_, data| {
            told.send(data.to_vec()).unwrap();
            Action::None
        }));
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        server.handle().pause(id).unwrap();
        flush_turns(&server, id);
        send(&mut peer, b"hello");
        flush_turns(&server, id);
        assert!(data.try_recv().is_err());
        assert_eq!(server.handle().info(id).unwrap().received, 0);
        let _ = server.handle().write(id, b"writing goes on").unwrap();
        assert_eq!(read_exactly(&mut peer, 15), b"writing goes on");
        server.handle().resume(id).unwrap();
        assert_eq!(next(&data), b"hello");
    });
}

/// Waits for some turns of a connection's loop.
fn flush_turns(server: &reactor_core::Server, id: ConnId) {
    let (turned, turn) = channel();
    for _ in 0..3 {
        let turned = turned.clone();
        server.handle().run_on_conn(id, move |_| turned.send(()).unwrap()).unwrap();
        next(&turn);
    }
}

#[test]
fn frames_that_were_read_already_wait_too() {
    everywhere(|config, over| {
        let (told, data) = channel();
        let (hooks, ids) = ids(Hooks::new().data(move |conn, data| {
            conn.pause().unwrap();
            told.send(data.to_vec()).unwrap();
            Action::None
        }));
        let conns = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
        let (server, address) = serve_conns(over, hooks, config, &conns);
        let mut peer = peer(&address);
        let id = next(&ids);
        send(&mut peer, b"one\ntwo\nthree\nfo");
        for expected in [&b"one"[..], b"two", b"three"] {
            assert_eq!(next(&data), expected);
            flush_turns(&server, id);
            assert!(data.try_recv().is_err());
            server.handle().resume(id).unwrap();
        }
        send(&mut peer, b"ur\n");
        finish(&peer);
        assert_eq!(next(&data), b"four");
    });
}

#[test]
fn pausing_and_resuming_in_one_callback_changes_nothing() {
    let hooks = Hooks::new().data(|conn, data| {
        conn.pause().unwrap();
        conn.resume().unwrap();
        conn.write(data).map_or(Action::Close, |_| Action::None)
    });
    let (_server, address) = serve_over(Over::Unix, hooks, &loops(1));
    let mut peer = peer(&address);
    let block = Random(8).bytes(900_000);
    let mut writer = peer.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| send(&mut writer, &block));
        assert!(read_exactly(&mut peer, block.len()) == block);
    });
}

/// Counts wakes, and holds its loop inside `on_data` until it is told to go on.
fn gated(wakes: Sender<()>) -> (Hooks, Receiver<()>, Sender<()>) {
    let ((inside, entered), (go, gate)) = (channel(), channel::<()>());
    let gate = Mutex::new(gate);
    let hooks = Hooks::new()
        .data(move |_, _| {
            inside.send(()).unwrap();
            next(&gate.lock().unwrap());
            Action::None
        })
        .wake(move |_| {
            wakes.send(()).unwrap();
            Action::None
        });
    (hooks, entered, go)
}

#[test]
fn wakes_of_a_busy_loop_are_one_and_none_is_lost() {
    everywhere(|config, over| {
        let (woken, wakes) = channel();
        let (hooks, entered, go) = gated(woken);
        let (hooks, ids) = ids(hooks);
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let id = next(&ids);
        send(&mut peer, b"block");
        next(&entered);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| server.handle().wake(id).unwrap()));
            }
        });
        go.send(()).unwrap();
        next(&wakes);
        flush_turns(&server, id);
        assert!(wakes.try_recv().is_err(), "800 wakes are one");
        for _ in 0..500 {
            server.handle().wake(id).unwrap();
            next(&wakes);
        }
        // Paused connections are woken, too.
        server.handle().pause(id).unwrap();
        server.handle().wake(id).unwrap();
        next(&wakes);
    });
}

#[test]
fn a_wake_in_on_wake_comes_again_and_lets_others_have_their_turn() {
    let (woken, wakes) = channel();
    let hooks = Hooks::new()
        .data(|conn, data| {
            let _ = conn.write(data).unwrap();
            conn.wake().map_or(Action::Close, |()| Action::None)
        })
        .wake(move |conn| {
            let _ = woken.send(());
            // For ever.
            conn.wake().map_or(Action::Close, |()| Action::None)
        });
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let (mut busy, mut other) = (peer(&address), peer(&address));
    send(&mut busy, b"go");
    (0..100).for_each(|_| next(&wakes));
    send(&mut other, b"served");
    assert_eq!(read_exactly(&mut other, 6), b"served");
}

#[test]
fn wakes_that_race_the_close_come_before_it_or_answer_closed() {
    everywhere(|config, over| {
        let closed_ids: Arc<Mutex<Vec<ConnId>>> = Arc::default();
        let (seen, closing) = (Arc::clone(&closed_ids), Arc::clone(&closed_ids));
        let late = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&late);
        let (hooks, ids) = ids(Hooks::new()
            .wake(move |conn| {
                counted.fetch_add(usize::from(seen.lock().unwrap().contains(&conn.id())), Ordering::SeqCst);
                Action::None
            })
            .close(move |conn, _| closing.lock().unwrap().push(conn.id())));
        let (server, address) = serve_over(over, hooks, config);
        for _ in 0..100 {
            let socket = peer(&address);
            let id = next(&ids);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| while server.handle().wake(id).is_ok() {});
                }
                drop(socket);
            });
        }
        eventually("all are closed", || closed_ids.lock().unwrap().len() == 100);
        assert_eq!(late.load(Ordering::SeqCst), 0, "on_wake after on_close");
    });
}

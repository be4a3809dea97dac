//! The byte budget of a whole server: writes beyond it answer full, those who hold too much are closed, and everybody
//! else goes on (D5).

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, peer, send, serve_conns, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly, Random};
use reactor_core::{Action, CloseReason, ConnOptions, ErrorKind, Framing};
use socket2::Socket;

fn echo() -> Hooks {
    Hooks::new().data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None))
}

#[test]
fn beyond_the_budget_writes_answer_full_and_close_nothing_until_it_is_drained() {
    everywhere(|config, over| {
        let (opened, ids) = channel();
        let hooks = echo().open(move |conn| {
            opened.send(conn.id()).unwrap();
            Action::None
        });
        let mut config = config.clone();
        config.byte_budget = 12 << 20;
        let (server, address) = serve_over(over, hooks, &config);
        let mut reader = peer(&address);
        let id = next(&ids);
        let mut other = peer(&address);
        let second = next(&ids);
        let block = Random(1).bytes(6 << 20);
        let _ = server.handle().write(id, &block).unwrap();
        // The kernel's buffers take a part, at most 7 MiB of it all.
        let mut accepted = 1;
        while server.handle().write(id, &block).is_ok() {
            accepted += 1;
        }
        let much = vec![7; 11 << 20];
        let refused = server.handle().write(second, &much).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Full);
        assert!(refused.message().contains("budget"), "{}", refused.message());
        // On its own loop alike.
        let (told, written) = channel();
        let write = move |conn: &reactor_core::Conn<'_>| told.send(conn.write(&much)).unwrap();
        server.handle().run_on_conn(second, write).unwrap();
        assert_eq!(next(&written).unwrap_err(), refused);
        send(&mut other, b"hello");
        assert_eq!(read_exactly(&mut other, 5), b"hello");
        for _ in 0..accepted {
            assert!(read_exactly(&mut reader, block.len()) == block);
        }
        send(&mut other, b"hello");
        assert_eq!(read_exactly(&mut other, 5), b"hello");
        eventually("the budget is free", || server.handle().queued_bytes() == 0);
        let _ = server.handle().write(second, &block).unwrap();
        assert!(read_exactly(&mut other, block.len()) == block);
    });
}

/// Answers lines.
fn lines() -> (Hooks, ConnOptions) {
    let hooks =
        Hooks::new().data(|conn, data| conn.write_frame(data).map_or(Action::Close, |_| Action::None));
    (hooks, ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() })
}

fn expect_service(socket: &mut Socket) {
    send(socket, b"alive\n");
    assert_eq!(read_exactly(socket, 6), b"alive\n");
}

#[test]
fn peers_that_send_half_frames_do_not_stop_the_server_whether_they_stay_or_leave() {
    everywhere(|config, over| {
        let mut config = config.clone();
        config.byte_budget = 1 << 20;
        let (hooks, conns) = lines();
        let (server, address) = serve_conns(over, hooks, &config, &conns);
        let mut victim = peer(&address);
        expect_service(&mut victim);
        let mut attackers = Vec::new();
        for _ in 0..20 {
            let mut attacker = peer(&address);
            // Some of them are cut off while they send.
            let _ = attacker.write_all(&vec![b'x'; 100 << 10]);
            attackers.push(attacker);
        }
        expect_service(&mut victim);
        drop(attackers);
        eventually("they have left", || server.handle().connections() == 1);
        expect_service(&mut victim);
    });
}

#[test]
fn a_frame_that_fits_the_budget_comes_whole_in_whatever_pieces() {
    const LEN: usize = 1000 << 10;
    let mut config = loops(1);
    config.byte_budget = 1 << 20;
    let (opened, ids) = channel();
    let (hooks, conns) = lines();
    let hooks = hooks.open(move |conn| {
        opened.send(conn.id()).unwrap();
        Action::None
    });
    let (server, address) = serve_conns(Over::Unix, hooks, &config, &conns);
    for piece in [30, 40, 52, 70, 90, 110, 130] {
        let mut peer = peer(&address);
        let id = next(&ids);
        let mut sent = 0;
        while sent < LEN {
            let part = vec![b'x'; (piece << 10).min(LEN - sent)];
            send(&mut peer, &part);
            sent += part.len();
            let read = || server.handle().info(id).map_or(true, |info| info.received == sent as u64);
            eventually("it is read", read);
        }
        assert!(server.handle().info(id).is_ok(), "{piece} KiB at a time: closed");
        drop(peer);
        eventually("it has left", || server.handle().connections() == 0);
    }
}

#[test]
fn half_a_frame_on_a_loop_that_sleeps_is_closed_for_what_another_brings() {
    let mut config = loops(2);
    config.byte_budget = 1 << 20;
    let (opened, ids) = channel();
    let (hooks, conns) = lines();
    let hooks = hooks.open(move |conn| {
        opened.send((conn.id(), conn.info().unwrap().on_loop)).unwrap();
        Action::None
    });
    let (server, address) = serve_conns(Over::Unix, hooks, &config, &conns);
    let mut peers: Vec<_> = (0..4).map(|_| (peer(&address), next(&ids))).collect();
    peers.sort_by_key(|(_, (_, on_loop))| *on_loop);
    // Loop 1 has one with half a frame. Loop 0 has another, which stands still no longer than that, and who is served.
    let half = vec![b'x'; 900 << 10];
    send(&mut peers[2].0, &half);
    let id = peers[2].1 .0;
    eventually("it is read", || server.handle().info(id).unwrap().received == half.len() as u64);
    // What was moved in the last five seconds counts, and the one that is going on.
    thread::sleep(std::time::Duration::from_millis(6100));
    let mut line = vec![b'y'; 800 << 10];
    line.push(b'\n');
    send(&mut peers[1].0, &line);
    assert!(read_exactly(&mut peers[1].0, line.len()) == line);
    assert_eq!(server.handle().metrics().closed_by(CloseReason::Overflow), 1);
    assert!(server.handle().info(id).is_err(), "it was not the one that stood still");
    expect_service(&mut peers[0].0);
}

#[test]
fn a_write_that_is_refused_for_the_budget_does_not_put_a_loop_to_sleep() {
    const ROUNDS: usize = 20_000;
    let (opened, ids) = channel();
    let hooks = echo().open(move |conn| {
        opened.send(conn.id()).unwrap();
        Action::None
    });
    let mut config = loops(2);
    (config.high_water, config.hard_limit, config.byte_budget) = (4000, 8000, 2000);
    let (server, address) = serve_over(Over::Unix, hooks, &config);
    let mut steady = peer(&address);
    next(&ids);
    // Another, on the other loop.
    let _other = peer(&address);
    let id = next(&ids);
    let going = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (handle, going) = (server.handle().clone(), &going);
            scope.spawn(move || {
                while going.load(Ordering::Relaxed) {
                    let error = handle.write(id, &[7; 2001]).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Full);
                }
            });
        }
        let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..ROUNDS {
                send(&mut steady, b"hello");
                assert_eq!(read_exactly(&mut steady, 5), b"hello");
            }
        }));
        going.store(false, Ordering::Relaxed);
        answered.unwrap();
    });
}

#[test]
fn what_was_queued_for_peers_that_reset_is_given_back() {
    everywhere(|config, over| {
        let mut config = config.clone();
        // Still read while that much is queued, so that it is the reading that finds the reset.
        (config.high_water, config.byte_budget) = (10 << 20, 12 << 20);
        let ((opened, ids), (closed, closes)) = (channel(), channel());
        let hooks = Hooks::new()
            .open(move |conn| {
                opened.send(conn.id()).unwrap();
                Action::None
            })
            .data(|conn, data| match data {
                b"much" => conn.write(&vec![7; 8 << 20]).map_or(Action::Close, |_| Action::None),
                _ => conn.write(data).map_or(Action::Close, |_| Action::None),
            })
            .close(move |_, reason| closed.send(reason.reason).unwrap());
        let (server, address) = serve_over(over, hooks, &config);
        for _ in 0..10 {
            let mut peer = peer(&address);
            send(&mut peer, b"much");
            eventually("the kernel has its part", || (1..8 << 20).contains(&server.handle().queued_bytes()));
            // Over unread output, on a Unix socket too.
            drop(peer);
            next(&ids);
            next(&closes);
        }
        assert_eq!(server.handle().queued_bytes(), 0);
        let mut peer = peer(&address);
        let id = next(&ids);
        let written = server.handle().write(id, &vec![7; 8 << 20]);
        assert!(written.is_ok(), "nothing is queued, and there is no room: {written:?}");
        assert_eq!(read_exactly(&mut peer, 8 << 20), vec![7; 8 << 20]);
    });
}

#[test]
fn a_share_is_taken_beyond_the_budget_and_who_holds_much_pays_for_it() {
    for number in [1, 3] {
        let mut config = loops(number);
        config.byte_budget = 8 << 20;
        let ((opened, ids), (closed, closes)) = (channel(), channel());
        let hooks = echo()
            .open(move |conn| {
                opened.send(conn.id()).unwrap();
                Action::None
            })
            .close(move |conn, how| closed.send((conn.id(), how.reason)).unwrap());
        // The kernel takes little.
        let (server, address) = serve_over(Over::Unix, hooks, &config);
        let _still = peer(&address);
        let stuck = next(&ids);
        let written = |id, len| server.handle().write(id, &vec![7; len]);
        for _ in 0..3 {
            while written(stuck, 64 << 10).is_ok() {}
            let (ran, done) = channel();
            server.handle().run_on_conn(stuck, move |_| ran.send(()).unwrap()).unwrap();
            next(&done);
        }
        let mut others: Vec<_> = (0..4).map(|_| (peer(&address), next(&ids))).collect();
        for (_, id) in &others {
            let _ = written(*id, 500 << 10).unwrap();
        }
        assert_eq!(next(&closes), (stuck, CloseReason::Overflow));
        for (other, _) in &mut others {
            assert!(read_exactly(other, 500 << 10) == vec![7; 500 << 10]);
        }
        assert_eq!(closes.try_iter().count(), 0);
    }
}

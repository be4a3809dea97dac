//! Time-outs: idle, read and write (T3). Nothing here says that one is quick; only that none is early, and
//! which it is.

use std::net::SocketAddr;
use std::sync::mpsc::{channel, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, peer, read_all, read_to_any_end, serve_conns, Over};
use crate::common::{loops, next, read_exactly};
use reactor_core::{Action, CloseReason, Config, ConnId, ConnOptions, Timeouts};
use socket2::{Domain, Socket, Type};

const MS: Duration = Duration::from_millis(1);
const NONE: Timeouts = Timeouts { idle: Duration::ZERO, read: Duration::ZERO, write: Duration::ZERO };

type Ends = Receiver<(CloseReason, Instant)>;

/// An echo that tells ids and ends.
fn echo() -> (Hooks, Receiver<ConnId>, Ends) {
    let ((opened, ids), (closed, closes)) = (channel(), channel());
    let hooks = Hooks::new()
        .open(move |conn| {
            opened.send(conn.id()).unwrap();
            Action::None
        })
        .data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None))
        .close(move |_, reason| closed.send((reason.reason, Instant::now())).unwrap());
    (hooks, ids, closes)
}

/// Closing does not wait long for a peer that does not close.
fn brisk(config: &Config) -> Config {
    let mut config = config.clone();
    config.linger = 10 * MS;
    config
}

fn with(timeouts: Timeouts) -> ConnOptions {
    ConnOptions { timeouts, ..ConnOptions::default() }
}

#[test]
fn a_hundred_idle_connections_end_as_idle_and_a_busy_one_stays() {
    everywhere(|config, over| {
        let (hooks, _ids, closes) = echo();
        let (server, address) =
            serve_conns(over, hooks, &brisk(config), &with(Timeouts { idle: 150 * MS, ..NONE }));
        let began = Instant::now();
        let mut crowd: Vec<_> = (0..100).map(|_| peer(&address)).collect();
        let mut ended = 0;
        // The busy one talks until all the others have gone, and is connected anew if this machine was too
        // slow to talk in time.
        let mut busy = peer(&address);
        let mut late = 0;
        while ended < 100 + late {
            let talked = std::io::Write::write_all(&mut busy, b"x").is_ok()
                && std::io::Read::read(&mut busy, &mut [0; 1]).is_ok_and(|read| read == 1);
            if !talked {
                busy = peer(&address);
                late += 1;
            }
            while let Ok((reason, at)) = closes.try_recv() {
                assert_eq!(reason, CloseReason::Idle);
                assert!(at - began >= 150 * MS, "not early");
                ended += 1;
            }
        }
        crowd.iter_mut().for_each(|socket| assert_eq!(read_all(socket), b""));
        drop(server);
    });
}

#[test]
fn a_read_time_out_counts_only_while_the_connection_is_read() {
    everywhere(|config, over| {
        let (hooks, ids, closes) = echo();
        let (server, address) = serve_conns(over, hooks, &brisk(config), &with(NONE));
        let mut peer = peer(&address);
        let id = next(&ids);
        server.handle().pause(id).unwrap();
        server.handle().set_timeouts(id, Timeouts { read: 60 * MS, ..NONE }).unwrap();
        let (waited, wait) = channel();
        server
            .handle()
            .run_on_conn(id, move |conn| {
                let waited = move |_: &reactor_core::Handle| waited.send(()).unwrap();
                conn.server().start_timer(200 * MS, Duration::ZERO, waited).unwrap();
            })
            .unwrap();
        next(&wait);
        assert!(closes.try_recv().is_err(), "paused, and not waiting for anything");
        let resumed = Instant::now();
        server.handle().resume(id).unwrap();
        let (reason, at) = next(&closes);
        assert_eq!(reason, CloseReason::TimedOut);
        assert!(at - resumed >= 60 * MS, "it counts from the resume");
        read_to_any_end(&mut peer);
    });
}

#[test]
fn output_does_not_keep_a_read_time_out_away() {
    let (hooks, ids, closes) = echo();
    let (server, address) =
        serve_conns(Over::Tcp, hooks, &loops(1), &with(Timeouts { read: 100 * MS, ..NONE }));
    let mut peer = peer(&address);
    let id = next(&ids);
    let mut written = 0;
    while server.handle().write(id, b"tick").is_ok() {
        written += 4;
        let _ = read_exactly(&mut peer, 4);
    }
    assert!(written > 0);
    let _ = read_to_any_end(&mut peer);
    assert_eq!(next(&closes).0, CloseReason::TimedOut);
}

#[test]
fn a_peer_that_does_not_read_ends_by_the_write_time_out_also_while_it_is_closed() {
    everywhere(|config, over| {
        for closing in [false, true] {
            let (hooks, ids, closes) = echo();
            let (server, address) =
                serve_conns(over, hooks, &brisk(config), &with(Timeouts { write: 80 * MS, ..NONE }));
            let mut peer = peer(&address);
            let id = next(&ids);
            let began = Instant::now();
            let _ = server.handle().write(id, &vec![7; 30 << 20]).unwrap();
            if closing {
                server.handle().close(id).unwrap();
            }
            let (reason, at) = next(&closes);
            assert_eq!(reason, CloseReason::TimedOut, "closing: {closing}");
            assert!(at - began >= 80 * MS, "not early");
            let (got, was_reset) = read_to_any_end(&mut peer);
            assert!(got.len() < 30 << 20);
            assert!(was_reset || over == Over::Unix, "the peer must not take it for all there was");
        }
    });
}

#[test]
fn a_write_time_out_does_not_hurt_a_peer_that_reads() {
    let (hooks, ids, closes) = echo();
    let timeouts = Timeouts { write: 2000 * MS, ..NONE };
    let (server, address) = serve_conns(Over::Tcp, hooks, &loops(1), &with(timeouts));
    let mut peer = peer(&address);
    let id = next(&ids);
    let _ = server.handle().write(id, &vec![7; 30 << 20]).unwrap();
    assert_eq!(read_exactly(&mut peer, 30 << 20), vec![7; 30 << 20]);
    // Nothing waits any more: nothing ends.
    let (waited, wait) = channel();
    let later = move |server: &reactor_core::Handle| {
        server.start_timer(2200 * MS, Duration::ZERO, move |_| waited.send(()).unwrap()).unwrap();
    };
    server.handle().run_on(0, later).unwrap();
    next(&wait);
    assert!(closes.try_recv().is_err());
}

#[test]
fn a_peer_that_slowly_reads_what_the_kernel_holds_is_not_idle() {
    const MUCH: usize = 256 << 10;
    let (closed, closes) = channel();
    let hooks = Hooks::new()
        .open(|conn| {
            let _ = conn.write(&vec![7; MUCH]).unwrap();
            Action::None
        })
        .close(move |_, how| closed.send(how.reason).unwrap());
    let options = with(Timeouts { idle: 1000 * MS, ..NONE });
    let (_server, address) = serve_conns(Over::Tcp, hooks, &brisk(&loops(1)), &options);
    let mut peer = slow_peer(&address);
    let (mut got, mut buffer) = (0, [0; 4096]);
    while got < MUCH {
        let read = std::io::Read::read(&mut peer, &mut buffer).unwrap();
        assert!(read > 0);
        got += read;
        assert_eq!(closes.try_recv(), Err(TryRecvError::Empty), "{got} bytes were read");
        std::thread::sleep(25 * MS);
    }
}

/// With a small window, so that what it has not read stays on the other side.
fn slow_peer(address: &str) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let to: SocketAddr = address.trim_start_matches("tcp://").parse().unwrap();
    socket.connect(&to.into()).unwrap();
    socket
}

#[test]
fn a_unix_peer_that_slowly_reads_what_the_kernel_holds_is_not_idle() {
    let (closed, closes) = channel();
    let hooks = Hooks::new()
        .open(|conn| {
            // Each leaves by a call of its own: the kernel's queue shrinks by what one call has sent.
            for _ in 0..8 {
                let _ = conn.write(&[7; 16 << 10]).unwrap();
            }
            Action::None
        })
        .close(move |_, how| closed.send(how.reason).unwrap());
    let options = with(Timeouts { idle: 1000 * MS, ..NONE });
    let (_server, address) = serve_conns(Over::Unix, hooks, &brisk(&loops(1)), &options);
    let mut peer = peer(&address);
    for _ in 0..32 {
        let _ = read_exactly(&mut peer, 4 << 10);
        assert_eq!(closes.try_recv(), Err(TryRecvError::Empty));
        std::thread::sleep(40 * MS);
    }
    // Then it is.
    assert_eq!(next(&closes), CloseReason::Idle);
}

#[test]
fn a_slow_reader_is_not_cut_by_the_write_time_out_while_the_kernels_queue_shrinks() {
    let (closed, closes) = channel();
    let hooks = Hooks::new()
        .open(|conn| {
            // So much that the kernel has no room for the rest, and reports none before it is rid of a third.
            let _ = conn.write(&vec![7; 16 << 20]).unwrap();
            Action::None
        })
        .close(move |_, how| closed.send(how.reason).unwrap());
    let options = with(Timeouts { write: 1000 * MS, ..NONE });
    let (_server, address) = serve_conns(Over::Tcp, hooks, &brisk(&loops(1)), &options);
    let mut peer = slow_peer(&address);
    for _ in 0..60 {
        let _ = read_exactly(&mut peer, 4096);
        assert_eq!(closes.try_recv(), Err(TryRecvError::Empty));
        std::thread::sleep(25 * MS);
    }
    // One that stops reading is cut.
    assert_eq!(next(&closes), CloseReason::TimedOut);
}

#[test]
fn time_outs_set_or_taken_off_later_count_from_then() {
    everywhere(|config, over| {
        let (hooks, _, closes) = echo();
        let (opened, ids) = channel();
        let hooks = hooks.open(move |conn| {
            conn.set_timeouts(NONE).unwrap();
            opened.send(conn.id()).unwrap();
            Action::None
        });
        let idle = Timeouts { idle: 50 * MS, read: 20 * MS, ..NONE };
        let (server, address) = serve_conns(over, hooks, &brisk(config), &with(idle));
        let _kept = peer(&address);
        let kept = next(&ids);
        let mut ended = peer(&address);
        let id = next(&ids);
        let began = Instant::now();
        server
            .handle()
            .set_timeouts(id, Timeouts { idle: 50 * MS, read: Duration::from_secs(60), ..NONE })
            .unwrap();
        let (reason, at) = next(&closes);
        assert_eq!(reason, CloseReason::Idle);
        assert!(at - began >= 50 * MS);
        assert_eq!(read_all(&mut ended), b"");
        let (waited, wait) = channel();
        let later = move |server: &reactor_core::Handle| {
            server.start_timer(150 * MS, Duration::ZERO, move |_| waited.send(()).unwrap()).unwrap();
        };
        server.handle().run_on(0, later).unwrap();
        next(&wait);
        assert!(server.handle().is_open(kept) && closes.try_recv().is_err());
    });
}

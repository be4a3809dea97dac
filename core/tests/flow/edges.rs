//! A connection that has come to rest, at the edges of what is usual: limits to the byte, ends behind output of the same turn, a peer that
//! has gone, output that does not fit.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::{eventually, loops, next, read_exactly, serve, tcp, Random};
use reactor_core::{Action, CloseReason, Config, Conn, Pressure, Server};

/// A server whose connections answer "ping" and do `act` otherwise; and a client whose connection is at rest.
fn at_rest(
    config: &Config,
    hooks: Hooks,
    act: impl Fn(&Conn<'_>, &[u8]) -> Action + Send + Sync + 'static,
) -> (Server, String, TcpStream) {
    let hooks = hooks.data(move |conn, data| {
        if data == b"ping" {
            let _ = conn.write(b"pong").unwrap();
            return Action::None;
        }
        act(conn, data)
    });
    let (server, url) = serve(hooks, config);
    let stream = rested(&url);
    (server, url, stream)
}

fn rested(url: &str) -> TcpStream {
    let mut stream = tcp(url);
    for _ in 0..3 {
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(&mut stream, 4), b"pong");
    }
    stream
}

fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

#[test]
fn writes_around_the_size_of_the_turns_buffer_leave_whole() {
    const TURN: usize = 64 << 10;
    let sizes = [
        vec![TURN],
        vec![TURN + 1],
        vec![TURN - 1, 1, 1],
        vec![TURN - 1, 2, 3],
        vec![1, TURN],
        vec![TURN, TURN, 7],
        vec![0, 5, 0, TURN - 5, 0, 1],
        vec![16 << 10, 1],
        vec![(16 << 10) + 1, TURN],
    ];
    let (asked, sizes) = (sizes.clone(), sizes);
    let (_server, _, mut stream) = at_rest(&loops(1), Hooks::new(), move |conn, data| {
        let mut random = Random(u64::from(data[0]) + 1);
        for &size in &asked[data[0] as usize] {
            let _ = conn.write(&random.bytes(size)).unwrap();
        }
        Action::None
    });
    for (index, sizes) in sizes.iter().enumerate() {
        stream.write_all(&[index as u8]).unwrap();
        let mut random = Random(index as u64 + 1);
        let expected: Vec<u8> = sizes.iter().flat_map(|&size| random.bytes(size)).collect();
        assert!(read_exactly(&mut stream, expected.len()) == expected, "{sizes:?}");
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(&mut stream, 4), b"pong");
    }
}

#[test]
fn the_high_water_mark_is_held_to_the_byte() {
    for (size, pressure, drains) in [(1000, Pressure::Low, 0), (1001, Pressure::High, 1)] {
        for pieces in [1, 2] {
            let mut config = loops(1);
            config.high_water = 1000;
            let (tell, told) = channel();
            let tell = Mutex::new(tell);
            let drained = Arc::new(Mutex::new(0));
            let counted = Arc::clone(&drained);
            let hooks = Hooks::new().drain(move |_| {
                *counted.lock().unwrap() += 1;
                Action::None
            });
            let (_server, _, mut stream) = at_rest(&config, hooks, move |conn, _| {
                let mut last = Pressure::Low;
                if pieces == 2 {
                    last = conn.write(&[7; 400]).unwrap();
                    assert_eq!(last, Pressure::Low);
                }
                last = conn.write(&vec![8; size - 400 * (pieces - 1)]).unwrap_or(last);
                tell.lock().unwrap().send(last).unwrap();
                Action::None
            });
            stream.write_all(b"go").unwrap();
            assert_eq!(next(&told), pressure);
            assert_eq!(read_exactly(&mut stream, size).len(), size);
            stream.write_all(b"ping").unwrap();
            assert_eq!(read_exactly(&mut stream, 4), b"pong");
            eventually("on_drain", || *drained.lock().unwrap() == drains);
        }
    }
}

#[test]
fn beyond_the_hard_limit_only_that_connection_ends() {
    let mut config = loops(1);
    config.hard_limit = 1000;
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let other = Arc::new(Mutex::new(None));
    let to = Arc::clone(&other);
    let hooks = Hooks::new().close(move |_, closed| tell.lock().unwrap().send(closed.reason).unwrap());
    let (_server, url, mut stream) = at_rest(&config, hooks, move |conn, data| {
        if data == b"other" {
            *to.lock().unwrap() = Some(conn.id());
            let _ = conn.write(b"noted").unwrap();
            return Action::None;
        }
        let id = to.lock().unwrap().unwrap();
        let _ = conn.server().write(id, b"one").unwrap();
        let _ = conn.write(&[1; 999]).unwrap();
        assert_eq!(conn.write(&[2; 2]).unwrap_err().kind(), reactor_core::ErrorKind::Full);
        assert_eq!(conn.write(b"x").unwrap_err().kind(), reactor_core::ErrorKind::Closed);
        let _ = conn.server().write(id, b"two").unwrap();
        Action::None
    });
    let mut witness = rested(&url);
    witness.write_all(b"other").unwrap();
    assert_eq!(read_exactly(&mut witness, 5), b"noted");
    stream.write_all(b"go").unwrap();
    assert_eq!(next(&told), CloseReason::Overflow);
    assert_eq!(read_exactly(&mut witness, 6), b"onetwo");
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_was_written_before_an_end_of_any_kind_leaves_before_it() {
    let hooks = Hooks::new().detach(|_, detached| {
        let mut stream = TcpStream::from(detached.descriptor);
        stream.set_nonblocking(false).unwrap();
        stream.write_all(&detached.output).unwrap();
        stream.write_all(b", detached").unwrap();
    });
    let (_server, url, mut first) = at_rest(&loops(1), hooks, |conn, data| {
        let _ = conn.write(b"last words").unwrap();
        match data {
            b"close" => Action::Close,
            b"detach" => Action::Detach,
            b"end" => {
                conn.end().unwrap();
                Action::None
            }
            _ => {
                conn.abort().unwrap();
                Action::None
            }
        }
    });
    for (how, rest) in [("close", "last words"), ("detach", "last words, detached"), ("end", "last words")] {
        let mut stream = rested(&url);
        stream.write_all(how.as_bytes()).unwrap();
        assert_eq!(rest_of(&mut stream), rest.as_bytes(), "{how}");
    }
    first.write_all(b"abort").unwrap();
    assert_eq!(first.read(&mut [0; 20]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_peer_that_has_gone_is_told_once_and_harms_nobody_else() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let lost: Arc<Mutex<Option<TcpStream>>> = Arc::default();
    let gone = Arc::clone(&lost);
    let victim = Arc::new(Mutex::new(None));
    let id = Arc::clone(&victim);
    let hooks = Hooks::new()
        .close(move |conn, closed| tell.lock().unwrap().send((conn.id(), closed.reason)).unwrap());
    let (server, url, mut stream) = at_rest(&loops(1), hooks, move |conn, data| {
        if data == b"victim" {
            *id.lock().unwrap() = Some(conn.id());
            let _ = conn.write(b"noted").unwrap();
            return Action::None;
        }
        let stream = gone.lock().unwrap().take().unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(stream);
        // The reset has come when the socket is in error; the loop does not know yet.
        thread::sleep(std::time::Duration::from_millis(20));
        let _ = conn.write(b"before, ").unwrap();
        let _ = conn.server().write(id.lock().unwrap().unwrap(), b"to nobody").unwrap();
        let _ = conn.write(b"behind").unwrap();
        Action::None
    });
    let mut peer = rested(&url);
    peer.write_all(b"victim").unwrap();
    assert_eq!(read_exactly(&mut peer, 5), b"noted");
    *lost.lock().unwrap() = Some(peer);
    stream.write_all(b"go").unwrap();
    assert_eq!(read_exactly(&mut stream, 14), b"before, behind");
    assert_eq!(next(&told), (victim.lock().unwrap().unwrap(), CloseReason::Reset));
    eventually("nothing is queued", || server.handle().queued_bytes() == 0);
    assert_eq!(server.handle().connections(), 1);
    drop(stream);
    assert_eq!(next(&told).1, CloseReason::Eof);
}

#[test]
fn output_that_does_not_fit_the_socket_follows_in_order() {
    const REPLY: usize = 60_000;
    let (_server, url, first) = at_rest(&loops(1), Hooks::new(), |conn, data| {
        // Requests may come together: each has one byte.
        for &request in data {
            let mut random = Random(u64::from(request) + 1);
            for _ in 0..6 {
                let _ = conn.write(&random.bytes(REPLY / 6)).unwrap();
            }
        }
        Action::None
    });
    drop(first);
    let mut stream = rested(&url);
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || (0..200_u8).for_each(|index| writer.write_all(&[index]).unwrap()));
    // Nobody reads before everything was asked for, so that the socket is full in between.
    writing.join().unwrap();
    for index in 0..200_u64 {
        let mut random = Random(index + 1);
        let expected: Vec<u8> = (0..6).flat_map(|_| random.bytes(REPLY / 6)).collect();
        assert!(read_exactly(&mut stream, REPLY) == expected, "reply {index}");
    }
}

#[test]
fn a_paused_connection_whose_write_finds_it_reset_is_closed() {
    let ((closed, closes), (go, gate), (begun, begins)) = (channel(), channel::<()>(), channel());
    let gate = Mutex::new(gate);
    let hooks = Hooks::new()
        .data(move |conn, _| {
            conn.pause().unwrap();
            begun.send(()).unwrap();
            next(&gate.lock().unwrap());
            let _ = conn.write(b"answer").unwrap();
            Action::None
        })
        .close(move |_, how| closed.send(how.reason).unwrap());
    let (_server, url) = serve(hooks, &loops(1));
    let mut stream = tcp(&url);
    stream.write_all(b"question").unwrap();
    next(&begins);
    let stream = socket2::Socket::from(stream);
    stream.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    // Over the loopback the reset is there when this returns.
    drop(stream);
    go.send(()).unwrap();
    assert_eq!(next(&closes), CloseReason::Reset);
}

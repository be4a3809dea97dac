//! Outgoing connections that are made (D7).

use std::collections::HashSet;
use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common;
use crate::common::icmp::Router;
use crate::common::net;
use crate::common::net::{closed, next, opened, socket_path, Probe, Seen};
use crate::common::{eventually, loops, read_exactly, tcp, Echo, Random};
use reactor_core::{
    Action, Address, CloseReason, Conn, ConnId, ConnOptions, ConnectOptions, ErrorKind, Framing, Handle,
    Handler, Server,
};

fn started(probe: Probe, count: usize) -> Server {
    let server = Server::new(probe, &loops(count)).unwrap();
    server.start().unwrap();
    server
}

/// Connects, writes before it is open, and reads the echo.
fn echoes(url: &str) {
    let (probe, seen) = Probe::new();
    let server = started(probe, 2);
    let id = server.handle().connect(url, ConnectOptions::default()).unwrap();
    let block = Random(5).bytes(300_000);
    for part in block.chunks(10_000) {
        let _ = server.handle().write(id, part).unwrap();
    }
    server.handle().end(id).unwrap();
    assert_eq!(opened(&seen), id, "{url}");
    let mut answer = Vec::new();
    let how = loop {
        match next(&seen) {
            Seen::Data(_, bytes, _) => answer.extend(bytes),
            Seen::Close(_, how) => break how,
            other => assert!(matches!(other, Seen::Drain(_)), "{other:?}"),
        }
    };
    assert!(answer == block, "{url}");
    assert_eq!(how.reason, CloseReason::Eof);
    assert_eq!((server.handle().connections(), server.handle().queued_bytes()), (0, 0));
    assert_eq!(server.handle().metrics().connected, 1);
}

#[test]
fn every_kind_of_address_is_reached_and_early_writes_arrive() {
    let server = Server::new(Echo, &loops(1)).unwrap();
    let four = server.listen("tcp4://127.0.0.1:0").unwrap();
    let six = server.listen("tcp6://[::1]:0").unwrap();
    let path = format!("unix://{}", socket_path("connect"));
    let name = format!("unix://@reactor-test-{}", std::process::id());
    server.listen(&path).unwrap();
    server.listen(&name).unwrap();
    server.start().unwrap();
    let port = net::address(&four).port();
    let by_name =
        [format!("tcp://localhost:{port}"), format!("tcp4://localhost:{port}"), format!("localhost:{port}")];
    for url in [four, six, path, name].iter().chain(&by_name) {
        echoes(url);
    }
}

#[test]
fn what_the_options_say_the_connection_begins_with() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (probe, seen) = Probe::new();
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&contexts);
    let probe = probe.open(move |conn| {
        kept.lock().unwrap().extend(conn.with_context(|text: &mut String| text.clone()));
        Action::None
    });
    let server = started(probe, 3);
    for on_loop in [2, 0, 1] {
        let conn = ConnOptions { framing: Some(Framing::line()), half_open: true, ..Default::default() };
        let context = Some(Box::new(format!("loop {on_loop}")) as _);
        let options = ConnectOptions { conn, context, on_loop: Some(on_loop), ..Default::default() };
        let id = server.handle().connect(&url, options).unwrap();
        let (mut peer, from) = listener.accept().unwrap();
        assert_eq!(opened(&seen), id);
        let info = server.handle().info(id).unwrap();
        assert_eq!((info.on_loop, info.listener), (on_loop, None));
        assert_eq!(server.handle().local_address(id).unwrap(), Address::Inet(from));
        assert_eq!(
            server.handle().remote_address(id).unwrap(),
            Address::Inet(listener.local_addr().unwrap())
        );
        peer.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(next(&seen), Seen::Data(id, b"one".to_vec(), None));
        assert_eq!(next(&seen), Seen::Data(id, b"two".to_vec(), None));
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(next(&seen), Seen::Eof(id));
        assert_eq!(closed(&seen).1.reason, CloseReason::LocalClose);
    }
    assert_eq!(*contexts.lock().unwrap(), ["loop 2", "loop 0", "loop 1"]);
    let beyond = ConnectOptions { on_loop: Some(3), ..Default::default() };
    assert_eq!(server.handle().connect(&url, beyond).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn without_a_wish_loops_take_turns_and_a_loop_keeps_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (probe, seen) = Probe::new();
    let server = started(probe, 3);
    let on: Vec<usize> = (0..6)
        .map(|_| {
            let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
            assert_eq!(opened(&seen), id);
            server.handle().info(id).unwrap().on_loop
        })
        .collect();
    assert_eq!(on, [0, 1, 2, 0, 1, 2]);
    let to = url.clone();
    server.handle().run_on(1, move |server| drop(server.connect(&to, ConnectOptions::default()))).unwrap();
    let id = opened(&seen);
    assert_eq!(server.handle().info(id).unwrap().on_loop, 1);
}

/// Passes everything on to the other connection of its pair, which it dials when one comes in.
struct Proxy {
    to: String,
    open: AtomicUsize,
}

impl Handler for Proxy {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.open.fetch_add(1, Ordering::SeqCst);
        if conn.info().unwrap().listener.is_none() {
            return Action::None;
        }
        let context = Some(Box::new(conn.id()) as _);
        let out = conn.server().connect(&self.to, ConnectOptions { context, ..Default::default() }).unwrap();
        // The dialled one can be written to at once.
        let _ = conn.server().write(out, b"proxied: ").unwrap();
        drop(conn.set_context(Box::new(out)));
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let other = conn.with_context(|other: &mut ConnId| *other).unwrap();
        let _ = conn.server().write(other, data);
        Action::None
    }

    fn on_close(&self, conn: &Conn<'_>, _: reactor_core::Closed) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        let _ = conn.with_context(|other: &mut ConnId| *other).map(|other| conn.server().close(other));
    }
}

#[test]
fn a_proxy_dials_into_its_own_loop_from_on_open() {
    for count in [1, 2] {
        let server = Server::new(Echo, &loops(1)).unwrap();
        let to = server.listen("tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        let (proxy, url) = common::serve(Proxy { to, open: AtomicUsize::new(0) }, &loops(count));
        thread::scope(|scope| {
            for seed in 1..20 {
                let url = &url;
                scope.spawn(move || {
                    let block = Random(seed).bytes(50_000);
                    let mut stream = tcp(url);
                    stream.write_all(&block).unwrap();
                    assert_eq!(read_exactly(&mut stream, 9), b"proxied: ");
                    assert!(read_exactly(&mut stream, block.len()) == block);
                });
            }
        });
        eventually("pairs end together", || proxy.handle().connections() == 0);
        assert_eq!(server.handle().metrics().accepted, 19);
    }
}

#[test]
fn a_server_dials_itself() {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let both = HashSet::from([opened(&seen), opened(&seen)]);
    assert!(both.contains(&id) && both.len() == 2);
    let _ = server.handle().write(id, b"to myself").unwrap();
    assert!(matches!(next(&seen), Seen::Data(other, bytes, None) if other != id && bytes == b"to myself"));
    server.handle().close(id).unwrap();
    let reasons = HashSet::from([closed(&seen).1.reason, closed(&seen).1.reason]);
    assert_eq!(reasons, HashSet::from([CloseReason::LocalClose, CloseReason::Eof]));
}

#[test]
fn a_thousand_at_once_from_several_threads_are_all_served() {
    let echo = Server::new(Echo, &loops(2)).unwrap();
    let url = echo.listen("tcp://127.0.0.1:0").unwrap();
    echo.start().unwrap();
    let (probe, seen) = Probe::new();
    let probe = probe.open(|conn| {
        let _ = conn.write(&conn.id().to_u64().to_le_bytes()).unwrap();
        Action::None
    });
    let probe = probe.data(|conn, data| {
        assert_eq!(data, conn.id().to_u64().to_le_bytes());
        Action::Close
    });
    let server = started(probe, 2);
    let ids: HashSet<ConnId> = thread::scope(|scope| {
        let dial = |_| {
            scope.spawn(|| -> Vec<ConnId> {
                (0..250).map(|_| server.handle().connect(&url, ConnectOptions::default()).unwrap()).collect()
            })
        };
        let dialling: Vec<_> = (0..4).map(dial).collect();
        dialling.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1000);
    let mut ended = HashSet::new();
    while ended.len() < 1000 {
        match next(&seen) {
            Seen::Close(id, how) => {
                assert_eq!(how.reason, CloseReason::LocalClose);
                assert!(ended.insert(id), "{id} closed twice");
            }
            other => assert!(matches!(other, Seen::Open(_) | Seen::Data(..)), "{other:?}"),
        }
    }
    assert_eq!(ended, ids);
    eventually("none is left", || echo.handle().connections() == 0);
}

/// The error is told by SO_ERROR; the connection is made all the same.
#[test]
fn what_a_router_says_of_a_connection_does_not_keep_it_from_being_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let Some(router) = Router::new(to.port()) else { return };
    let (probe, seen) = Probe::new();
    let server = started(probe, 1);
    // The loop is kept from looking between the connect and its end.
    let keep_busy = || {
        let ((busy, is_busy), (let_go, gate)) = (channel(), channel());
        let job = move |_: &Handle| {
            busy.send(()).unwrap();
            common::next(&gate);
        };
        server.handle().run_on(0, job).unwrap();
        (is_busy, let_go)
    };
    let (is_busy, let_begin) = keep_busy();
    common::next(&is_busy);
    let id = server.handle().connect(&format!("tcp://{to}"), ConnectOptions::default()).unwrap();
    let (is_busy, let_look) = keep_busy();
    let_begin.send(()).unwrap();
    common::next(&is_busy);
    let (mut accepted, from) = listener.accept().unwrap();
    router.answer(from, to);
    let_look.send(()).unwrap();
    assert_eq!(opened(&seen), id);
    let _ = server.handle().write(id, b"made").unwrap();
    assert_eq!(read_exactly(&mut accepted, 4), b"made");
}

//! UDP endpoints: datagrams in, answers out, and what an endpoint refuses (D6).

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use crate::common;
use crate::common::net::{address, next, nothing, Probe, Seen};
use crate::common::{eventually, loops, Random, PATIENCE};
use reactor_core::{
    Action, Config, ConnId, ConnOptions, ErrorKind, Handler, ListenOptions, Listening, Pressure, Server,
};

/// A server with one UDP listener, and the listener.
fn serve(handler: impl Handler, url: &str, config: &Config) -> (Server, Listening) {
    let server = Server::new(handler, config).unwrap();
    let listening = server.listen_with(url, &ListenOptions::default(), &ConnOptions::default()).unwrap();
    server.start().unwrap();
    (server, listening)
}

fn client(bind: &str) -> UdpSocket {
    let socket = UdpSocket::bind(bind).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(len);
    (buffer, from)
}

fn datagram(seen: &Receiver<Seen>) -> (ConnId, Vec<u8>, SocketAddr) {
    match next(seen) {
        Seen::Data(id, bytes, sender) => (id, bytes, sender.unwrap()),
        other => panic!("{other:?} instead of a datagram"),
    }
}

fn echo() -> (Probe, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::None
    });
    (probe, seen)
}

#[test]
fn each_sender_gets_its_own_datagrams_back() {
    let (probe, seen) = echo();
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(2));
    let to = address(&listening.address);
    let senders: Vec<UdpSocket> = (0..8).map(|_| client("127.0.0.1:0")).collect();
    for round in 0..20_u8 {
        for (index, sender) in senders.iter().enumerate() {
            sender.send_to(&[index as u8, round], to).unwrap();
        }
        for (index, sender) in senders.iter().enumerate() {
            assert_eq!(receive(sender), (vec![index as u8, round], to));
        }
    }
    let endpoint = server.handle().endpoints(listening.id);
    assert_eq!(endpoint.len(), 1);
    for _ in 0..160 {
        let (id, bytes, from) = datagram(&seen);
        assert_eq!(id, endpoint[0]);
        assert_eq!(from, senders[usize::from(bytes[0])].local_addr().unwrap());
    }
    let metrics = server.handle().metrics();
    assert_eq!((metrics.datagrams_read, metrics.bytes_read), (160, 320));
    eventually("all are counted as sent", || server.handle().metrics().datagrams_written == 160);
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(next(&seen), Seen::Stop, "an endpoint has no on_close");
}

#[test]
fn empty_and_largest_datagrams_come_whole() {
    for (url, bind) in [("udp4://127.0.0.1:0", "127.0.0.1:0"), ("udp6://[::1]:0", "[::1]:0")] {
        let (probe, seen) = echo();
        let (_server, listening) = serve(probe, url, &loops(1));
        let socket = client(bind);
        for len in [0, 1, 1472, 1473, 65_506, 65_507] {
            let bytes = Random(len as u64 + 1).bytes(len);
            socket.send_to(&bytes, address(&listening.address)).unwrap();
            let (_, got, from) = datagram(&seen);
            assert!(got == bytes && from == socket.local_addr().unwrap(), "{len} bytes in");
            assert!(receive(&socket).0 == bytes, "{len} bytes back");
        }
    }
}

#[test]
fn senders_over_ipv4_appear_as_ipv4_on_a_dual_stack_socket() {
    let (probe, seen) = echo();
    let (server, listening) = serve(probe, "udp://:0", &loops(1));
    let port = address(&listening.address).port();
    let (four, six) = (client("127.0.0.1:0"), client("[::1]:0"));
    four.send_to(b"four", ("127.0.0.1", port)).unwrap();
    let (id, _, from) = datagram(&seen);
    assert_eq!(from, four.local_addr().unwrap());
    assert_eq!(receive(&four).0, b"four");
    six.send_to(b"six", ("::1", port)).unwrap();
    let (_, _, from) = datagram(&seen);
    assert_eq!(from, six.local_addr().unwrap());
    assert_eq!(receive(&six).0, b"six");
    // Both kinds of address reach by send_to.
    let _ = server.handle().send_to(id, four.local_addr().unwrap(), b"v4").unwrap();
    let _ = server.handle().send_to(id, six.local_addr().unwrap(), b"v6").unwrap();
    assert_eq!((receive(&four).0, receive(&six).0), (b"v4".to_vec(), b"v6".to_vec()));
}

#[test]
fn send_to_reaches_anyone_from_a_callback_a_thread_and_a_timer() {
    let other = client("127.0.0.1:0");
    let to = other.local_addr().unwrap();
    let (probe, seen) = Probe::new();
    let probe = probe
        .data(move |conn, data| {
            let _ = conn.send_to(to, data).unwrap();
            let _ = conn.start_timer(Duration::from_millis(1), Duration::ZERO).unwrap();
            Action::None
        })
        .timer(move |conn| {
            assert_eq!(conn.sender(), None);
            assert_eq!(conn.write(b"whom?").unwrap_err().kind(), ErrorKind::Unsupported);
            let _ = conn.send_to(to, b"from a timer").unwrap();
            Action::None
        });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let socket = client("127.0.0.1:0");
    socket.send_to(b"from on_data", address(&listening.address)).unwrap();
    assert_eq!(receive(&other), (b"from on_data".to_vec(), address(&listening.address)));
    assert_eq!(receive(&other).0, b"from a timer");
    let (id, _, _) = datagram(&seen);
    assert_eq!(next(&seen), Seen::Timer(id));
    thread::scope(|scope| {
        for index in 0..4_u8 {
            let handle = server.handle();
            scope.spawn(move || {
                for count in 0..50_u8 {
                    assert_eq!(handle.send_to(id, to, &[index, count]), Ok(Pressure::Low));
                }
            });
        }
        let mut expected = [0_u8; 4];
        for _ in 0..200 {
            let bytes = receive(&other).0;
            assert_eq!(bytes[1], std::mem::replace(&mut expected[usize::from(bytes[0])], bytes[1] + 1));
        }
    });
    // A function on the endpoint's loop has no sender either.
    let kind = server.handle().write(id, b"x").unwrap_err().kind();
    assert_eq!(kind, ErrorKind::Unsupported);
}

#[test]
fn what_has_no_meaning_for_an_endpoint_is_refused_and_leaves_it_alone() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| match data {
        b"close" => Action::Close,
        b"detach" => Action::Detach,
        b"panic" => panic!("on purpose"),
        b"calls" => {
            let results = [conn.close(), conn.abort(), conn.end(), conn.detach(), conn.fail()];
            let kinds = results.map(|result| result.unwrap_err().kind());
            let _ = conn
                .write(if kinds == [ErrorKind::Unsupported; 5] { b"refused" } else { b"oh no.." })
                .unwrap();
            Action::None
        }
        _ => {
            let _ = conn.write(data).unwrap();
            Action::None
        }
    });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let id = server.handle().endpoints(listening.id)[0];
    let handle = server.handle();
    let results = [handle.close(id), handle.abort(id), handle.end(id), handle.detach(id), handle.fail(id)];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let socket = client("127.0.0.1:0");
    let to = address(&listening.address);
    for bytes in [&b"close"[..], b"detach", b"panic"] {
        socket.send_to(bytes, to).unwrap();
        assert_eq!(datagram(&seen).1, bytes);
    }
    socket.send_to(b"calls", to).unwrap();
    assert_eq!(receive(&socket).0, b"refused");
    socket.send_to(b"alive", to).unwrap();
    assert_eq!(receive(&socket).0, b"alive");
    assert!(handle.is_open(id));
}

#[test]
fn beyond_the_hard_limit_a_write_is_refused_and_the_endpoint_lives() {
    let mut config = loops(1);
    config.hard_limit = 10_000;
    let (probe, _seen) = Probe::new();
    let (sender, filled) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let probe = probe.data(move |conn, data| {
        if data == b"fill" {
            let mut accepted = 0;
            let error = loop {
                match conn.write(&[7; 1000]) {
                    Ok(_) => accepted += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Full);
            sender.lock().unwrap().send(accepted).unwrap();
        } else {
            let _ = conn.write(data).unwrap();
        }
        Action::None
    });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &config);
    let socket = client("127.0.0.1:0");
    for _ in 0..3 {
        socket.send_to(b"fill", address(&listening.address)).unwrap();
        let accepted = filled.recv_timeout(PATIENCE).unwrap();
        assert!((5..=10).contains(&accepted), "{accepted} datagrams of 1,000 bytes fit 10,000");
        (0..accepted).for_each(|_| assert_eq!(receive(&socket).0, [7; 1000]));
        eventually("the queue is empty", || server.handle().queued_bytes() == 0);
    }
    socket.send_to(b"last", address(&listening.address)).unwrap();
    assert_eq!(receive(&socket).0, b"last");
    let id = server.handle().endpoints(listening.id)[0];
    let error = server.handle().send_to(id, socket.local_addr().unwrap(), &[0; 10_001]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    let error = server.handle().send_to(id, socket.local_addr().unwrap(), &[0; 65_508]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn with_reuseport_each_loop_has_an_endpoint() {
    let (probe, seen) = echo();
    let (server, listening) = serve(probe, "udp://127.0.0.1:0?reuseport=true", &loops(3));
    let endpoints = server.handle().endpoints(listening.id);
    assert_eq!(endpoints.len(), 3);
    let on: Vec<usize> = endpoints.iter().map(|id| server.handle().info(*id).unwrap().on_loop).collect();
    assert_eq!(on, [0, 1, 2]);
    let mut met = std::collections::BTreeSet::new();
    let to = address(&listening.address);
    for round in 0..200_u8 {
        let socket = client("127.0.0.1:0");
        socket.send_to(&[round], to).unwrap();
        assert_eq!(receive(&socket), (vec![round], to));
        met.insert(datagram(&seen).0);
    }
    assert_eq!(met, endpoints.iter().copied().collect());
}

#[test]
fn a_paused_endpoint_is_not_read_until_it_is_resumed() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        if data == b"pause" {
            conn.pause().unwrap();
        }
        Action::None
    });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let id = server.handle().endpoints(listening.id)[0];
    let (socket, to) = (client("127.0.0.1:0"), address(&listening.address));
    server.handle().pause(id).unwrap();
    for bytes in [&b"one"[..], b"pause", b"two", b"three"] {
        socket.send_to(bytes, to).unwrap();
    }
    nothing(&seen);
    // A wake comes all the same.
    server.handle().wake(id).unwrap();
    assert_eq!(next(&seen), Seen::Wake(id));
    server.handle().resume(id).unwrap();
    assert_eq!(datagram(&seen).1, b"one");
    assert_eq!(datagram(&seen).1, b"pause");
    // What came along with the datagram whose callback paused waits, too.
    nothing(&seen);
    server.handle().resume(id).unwrap();
    assert_eq!(datagram(&seen).1, b"two");
    assert_eq!(datagram(&seen).1, b"three");
}

#[test]
fn a_closed_listener_s_endpoint_is_gone_and_its_port_is_free() {
    let (probe, _seen) = echo();
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(2));
    let handle = server.handle();
    let id = handle.endpoints(listening.id)[0];
    let socket = client("127.0.0.1:0");
    // What is queued before is sent.
    for index in 0..100_u8 {
        let _ = handle.send_to(id, socket.local_addr().unwrap(), &[index]).unwrap();
    }
    handle.close_listener(listening.id).unwrap();
    for index in 0..100_u8 {
        assert_eq!(receive(&socket).0, [index]);
    }
    eventually("the id is dead", || {
        let error = handle.send_to(id, socket.local_addr().unwrap(), b"x").unwrap_err();
        error.kind() == ErrorKind::Closed && handle.wake(id).is_err()
    });
    assert!(handle.endpoints(listening.id).is_empty());
    eventually("the port is free", || UdpSocket::bind(address(&listening.address)).is_ok());
    assert_eq!(handle.close_listener(listening.id).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let again =
        handle.listen(&listening.address, &ListenOptions::default(), &ConnOptions::default()).unwrap();
    assert_ne!(again.id, listening.id);
    assert_ne!(handle.endpoints(again.id), [id]);
    socket.send_to(b"again", address(&again.address)).unwrap();
    assert_eq!(receive(&socket).0, b"again");
}

#[test]
fn an_endpoint_of_a_listener_that_was_closed_in_on_start_is_dead() {
    let (sender, ids) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (probe, _seen) = Probe::new();
    let probe = probe.start(move |server| {
        let listening =
            server.listen("udp://127.0.0.1:0", &ListenOptions::default(), &ConnOptions::default())?;
        let id = server.endpoints(listening.id)[0];
        server.close_listener(listening.id)?;
        sender.lock().unwrap().send(id)?;
        Ok(Action::None)
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    server.start().unwrap();
    let id = ids.recv().unwrap();
    let to = client("127.0.0.1:0").local_addr().unwrap();
    assert_eq!(server.handle().send_to(id, to, b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert!(!server.handle().is_open(id));
}

#[test]
fn a_graceful_stop_sends_what_is_queued() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, _| {
        for index in 0..200_u8 {
            let _ = conn.write(&[index; 100]).unwrap();
        }
        conn.server().stop_gracefully(Duration::ZERO);
        Action::None
    });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let socket = client("127.0.0.1:0");
    socket.send_to(b"go", address(&listening.address)).unwrap();
    for index in 0..200_u8 {
        assert_eq!(receive(&socket).0, [index; 100]);
    }
    server.wait().unwrap();
    assert!(matches!(next(&seen), Seen::Data(..)));
    assert_eq!((next(&seen), next(&seen)), (Seen::Stopping, Seen::Stop));
}

#[test]
fn a_graceful_stop_delivers_what_waits_in_the_kernel() {
    let (probe, seen) = Probe::new();
    let ((begun, begins), (go, gate)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let gate = std::sync::Mutex::new(gate);
    let probe = probe.data(move |_, bytes| {
        if bytes == b"first" {
            begun.send(()).unwrap();
            common::next(&gate.lock().unwrap());
        }
        Action::None
    });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let socket = client("127.0.0.1:0");
    socket.send_to(b"first", address(&listening.address)).unwrap();
    common::next(&begins);
    socket.send_to(b"second", address(&listening.address)).unwrap();
    server.handle().stop_gracefully(PATIENCE);
    go.send(()).unwrap();
    server.wait().unwrap();
    let data: Vec<_> = seen
        .try_iter()
        .filter_map(|seen| match seen {
            Seen::Data(_, bytes, _) => Some(String::from_utf8(bytes).unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(data, ["first", "second"]);
}

#[test]
fn a_graceful_stop_delivers_all_that_waits_and_sends_the_answers() {
    for number in [1, 3] {
        let (begun, begins) = std::sync::mpsc::channel();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (probe, _seen) = echo();
        let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(number));
        let socket = client("127.0.0.1:0");
        let busy = move |_: &reactor_core::Handle| {
            begun.send(()).unwrap();
            let _ = gate.recv();
        };
        server.handle().run_on(0, busy).unwrap();
        common::next(&begins);
        // More than one batch, with empty ones.
        for index in 0..100_u8 {
            socket.send_to(&vec![index; index.into()], address(&listening.address)).unwrap();
        }
        server.handle().stop_gracefully(PATIENCE);
        drop(go);
        server.wait().unwrap();
        for index in 0..100_u8 {
            assert_eq!(receive(&socket).0, vec![index; index.into()]);
        }
    }
}

#[test]
fn nobody_is_sent_to_at_port_0() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, _| {
        let error = conn.send_to(([127, 0, 0, 1], 0).into(), b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        Action::None
    });
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let id = server.handle().endpoints(listening.id)[0];
    let error = server.handle().send_to(id, ([127, 0, 0, 1], 0).into(), b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("port 0"), "{error}");
    client("127.0.0.1:0").send_to(b"x", address(&listening.address)).unwrap();
    datagram(&seen);
    assert_eq!(server.handle().queued_bytes(), 0);
}

#[test]
fn a_joined_group_is_received_from() {
    let (probe, seen) = echo();
    let (_server, listening) = serve(probe, "udp4://:0?join=239.7.7.7@lo", &loops(1));
    let socket = client("127.0.0.1:0");
    let group = SocketAddr::from(([239, 7, 7, 7], address(&listening.address).port()));
    // The sender, too, goes over the loopback interface.
    let options = socket2::SockRef::from(&socket);
    options.set_multicast_if_v4(&std::net::Ipv4Addr::LOCALHOST).unwrap();
    options.set_multicast_loop_v4(true).unwrap();
    socket.send_to(b"to all", group).unwrap();
    let (_, bytes, from) = datagram(&seen);
    assert_eq!((bytes, from), (b"to all".to_vec(), socket.local_addr().unwrap()));
    assert_eq!(receive(&socket).0, b"to all");
}

#[test]
fn an_idle_endpoint_makes_no_system_call() {
    let (probe, seen) = echo();
    let (server, listening) = serve(probe, "udp://127.0.0.1:0", &loops(1));
    let socket = client("127.0.0.1:0");
    let to = address(&listening.address);
    for _ in 0..10 {
        socket.send_to(b"x", to).unwrap();
        assert_eq!(receive(&socket).0, b"x");
        datagram(&seen);
    }
    let calls = || {
        let metrics = server.handle().metrics();
        (metrics.polls, metrics.reads, metrics.writes, metrics.other_calls, metrics.wakeups, metrics.turns)
    };
    eventually("it is at rest", || {
        let before = calls();
        thread::sleep(Duration::from_millis(50));
        before == calls()
    });
    let before = calls();
    nothing(&seen);
    assert_eq!(before, calls());
}

#[test]
fn a_flood_of_empty_datagrams_leaves_others_their_turns() {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::Arc;
    let (count, over) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    let counted = Arc::clone(&count);
    struct Counts(Arc<AtomicUsize>);
    impl Handler for Counts {
        fn on_data(&self, conn: &reactor_core::Conn<'_>, data: &[u8]) -> Action {
            if conn.sender().is_some() {
                self.0.fetch_add(1, Ordering::Relaxed);
                // Slower than the flood.
                let began = std::time::Instant::now();
                while began.elapsed() < Duration::from_micros(20) {}
            } else {
                let _ = conn.write(data).unwrap();
            }
            Action::None
        }
    }
    let (server, listening) = serve(Counts(counted), "udp://127.0.0.1:0", &loops(1));
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let to = address(&listening.address);
    thread::scope(|scope| {
        scope.spawn(|| {
            let socket = client("127.0.0.1:0");
            while !over.load(Ordering::Relaxed) {
                let _ = socket.send_to(b"", to);
            }
        });
        let mut stream = common::tcp(&url);
        eventually("the flood runs", || count.load(Ordering::Relaxed) > 2000);
        let before = count.load(Ordering::Relaxed);
        stream.write_all(b"hello").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let mut answer = [0; 5];
        let answered = std::io::Read::read_exact(&mut stream, &mut answer);
        let waited = count.load(Ordering::Relaxed) - before;
        over.store(true, Ordering::Relaxed);
        server.handle().stop();
        assert!(answered.is_ok(), "no answer while {waited} empty datagrams were delivered");
        assert!(waited < 20_000, "{waited} empty datagrams came first");
    });
}

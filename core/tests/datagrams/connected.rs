//! Outgoing UDP connections: a peer, an opening and an end (D6, D7).

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use crate::common::net::{closed, next, nothing, opened, Probe, Seen};
use crate::common::{eventually, loops, PATIENCE};
use reactor_core::{
    Action, CloseReason, Completed, ConnId, ConnOptions, ConnectOptions, ErrorKind, Framing, Server,
};

fn started(probe: Probe) -> Server {
    let server = Server::new(probe, &loops(1)).unwrap();
    server.start().unwrap();
    server
}

fn peer() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    (socket, url)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(len);
    (buffer, from)
}

/// A server with one connection to a peer.
fn connected(probe: Probe, seen: &Receiver<Seen>) -> (Server, UdpSocket, ConnId) {
    let server = started(probe);
    let (socket, url) = peer();
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    assert_eq!(opened(seen), id);
    (server, socket, id)
}

#[test]
fn datagrams_go_both_ways_and_the_close_comes_once() {
    let (probe, seen) = Probe::new();
    let probe = probe.open(|conn| {
        let _ = conn.write(b"").unwrap();
        let _ = conn.write_gathered(&[b"hel", b"lo"]).unwrap();
        Action::None
    });
    let (server, socket, id) = connected(probe, &seen);
    let (first, from) = receive(&socket);
    assert_eq!((first, receive(&socket).0), (b"".to_vec(), b"hello".to_vec()));
    assert_eq!(server.handle().local_address(id).unwrap().to_string(), from.to_string());
    let (sender, completed) = channel();
    let sent = move |completed| sender.send(completed).unwrap();
    let _ = server.handle().write_then(id, &[b"from a ", b"thread"], sent).unwrap();
    assert_eq!(receive(&socket).0, b"from a thread");
    assert_eq!(completed.recv_timeout(PATIENCE), Ok(Completed::Sent));
    for bytes in [&b"one"[..], b"", b"three"] {
        socket.send_to(bytes, from).unwrap();
        let sender = socket.local_addr().unwrap();
        assert_eq!(next(&seen), Seen::Data(id, bytes.to_vec(), Some(sender)));
    }
    let _ = server.handle().write(id, b"last").unwrap();
    server.handle().close(id).unwrap();
    assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(receive(&socket).0, b"last");
    let (ended, how) = closed(&seen);
    assert_eq!((ended, how.reason), (id, CloseReason::LocalClose));
    nothing(&seen);
    assert_eq!(server.handle().connections(), 0);
    let metrics = server.handle().metrics();
    assert_eq!((metrics.connected, metrics.closed_total(), metrics.queued_bytes), (1, 1, 0));
}

#[test]
fn detach_is_an_error_and_leaves_the_connection_alone() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|_, data| if data == b"detach" { Action::Detach } else { Action::None });
    let (server, socket, id) = connected(probe, &seen);
    let to = address_of(&server, id);
    socket.send_to(b"detach", to).unwrap();
    assert!(matches!(next(&seen), Seen::Data(..)));
    socket.send_to(b"alive", to).unwrap();
    assert_eq!(next(&seen), Seen::Data(id, b"alive".to_vec(), Some(socket.local_addr().unwrap())));
    assert_eq!(server.handle().detach(id).unwrap_err().kind(), ErrorKind::Unsupported);
    let framed = server.handle().set_framing(id, Some(Framing::fixed(3)));
    assert_eq!(framed.unwrap_err().kind(), ErrorKind::Unsupported);
    let _ = server.handle().write(id, b"still there").unwrap();
    assert_eq!(receive(&socket).0, b"still there");
    server.handle().abort(id).unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::Abort);
}

fn address_of(server: &Server, id: ConnId) -> SocketAddr {
    server.handle().local_address(id).unwrap().to_string().parse().unwrap()
}

#[test]
fn a_refused_port_does_not_end_it() {
    let (probe, seen) = Probe::new();
    let (server, socket, id) = connected(probe, &seen);
    let (address, to) = (socket.local_addr().unwrap(), address_of(&server, id));
    drop(socket);
    for _ in 0..10 {
        let _ = server.handle().write(id, b"nobody").unwrap();
    }
    eventually("they are gone", || server.handle().queued_bytes() == 0);
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = server.handle().write(id, b"somebody").unwrap();
    while receive(&socket).0 != b"somebody" {}
    socket.send_to(b"answer", to).unwrap();
    assert_eq!(next(&seen), Seen::Data(id, b"answer".to_vec(), Some(address)));
}

#[test]
fn what_is_asked_before_the_name_is_known_is_done() {
    let (probe, seen) = Probe::new();
    let server = started(probe);
    let (socket, _) = peer();
    let url = format!("udp4://localhost:{}", socket.local_addr().unwrap().port());
    for _ in 0..10 {
        let context = Some(Box::new(7_u8) as _);
        let id = server.handle().connect(&url, ConnectOptions { context, ..Default::default() }).unwrap();
        server.handle().wake(id).unwrap();
        server.handle().pause(id).unwrap();
        assert_eq!(opened(&seen), id);
        assert_eq!(next(&seen), Seen::Wake(id));
        let (sender, context) = channel();
        let run =
            move |conn: &reactor_core::Conn<'_>| sender.send(conn.with_context(|seven: &mut u8| *seven));
        server.handle().run_on_conn(id, move |conn| run(conn).unwrap()).unwrap();
        assert_eq!(context.recv_timeout(PATIENCE), Ok(Some(7)));
        socket.send_to(b"paused", address_of(&server, id)).unwrap();
        nothing(&seen);
        server.handle().resume(id).unwrap();
        assert!(matches!(next(&seen), Seen::Data(..)));
        server.handle().close(id).unwrap();
        assert_eq!(closed(&seen).0, id);
    }
}

#[test]
fn what_is_written_before_the_name_is_known_arrives_or_is_refused() {
    let (probe, seen) = Probe::new();
    let server = started(probe);
    let (socket, _) = peer();
    let url = format!("udp4://localhost:{}", socket.local_addr().unwrap().port());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    match server.handle().write(id, b"early") {
        Ok(_) => assert_eq!(receive(&socket).0, b"early"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
    }
    assert_eq!(opened(&seen), id);
    eventually("nothing is counted any more", || server.handle().queued_bytes() == 0);
}

#[test]
fn what_is_for_streams_is_refused() {
    let (probe, seen) = Probe::new();
    let (server, _socket, id) = connected(probe, &seen);
    let (_other, url) = peer();
    let mut idle = ConnOptions::default();
    idle.timeouts.idle = Duration::from_secs(1);
    let framed = ConnOptions { framing: Some(Framing::line()), ..Default::default() };
    for conn in [idle.clone(), framed] {
        let error = server.handle().connect(&url, ConnectOptions { conn, ..Default::default() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let error = server.handle().set_timeouts(id, idle.timeouts).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(server.handle().connections(), 1, "nothing is left of those that were refused");
}

#[test]
fn stop_and_graceful_stop_close_it() {
    let (probe, seen) = Probe::new();
    let (server, socket, id) = connected(probe, &seen);
    let _ = server.handle().write(id, b"bye").unwrap();
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(receive(&socket).0, b"bye");
    assert_eq!(closed(&seen).1.reason, CloseReason::Shutdown);
    assert_eq!(next(&seen), Seen::Stop);

    let (probe, seen) = Probe::new();
    let (server, _socket, id) = connected(probe, &seen);
    server.handle().stop_gracefully(PATIENCE);
    assert_eq!(next(&seen), Seen::Stopping);
    // It may finish; when it has, the server ends.
    server.handle().close(id).unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::LocalClose);
    server.wait().unwrap();
}

#[test]
fn a_datagram_that_the_kernel_refused_is_cancelled() {
    let (probe, seen) = Probe::new();
    let server = started(probe);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    // Longer than one packet of the loopback interface, and its parts are more than this buffer takes.
    let url = format!("udp6://{}?sndbuf=1", socket.local_addr().unwrap());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    let (done, completed) = channel();
    let write = move |completed| done.send(completed).unwrap();
    let _ = server.handle().write_then(id, &[&[7; 65_527]], write).unwrap();
    let completed = completed.recv_timeout(PATIENCE).unwrap();
    assert_eq!(server.handle().metrics().datagrams_dropped, 1);
    assert_eq!(completed, Completed::Cancelled);
}

#[test]
fn a_refused_datagram_is_cancelled_alone() {
    let (probe, seen) = Probe::new();
    let (tell, told) = channel();
    let probe = probe.wake(move |conn| {
        for len in [10, 65_527, 20, 65_527, 30] {
            let tell = tell.clone();
            let done = move |completed| tell.send((len, completed)).unwrap();
            let _ = conn.write_then(&[&vec![7; len]], done).unwrap();
        }
        Action::None
    });
    let server = started(probe);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    let url = format!("udp6://{}?sndbuf=1", socket.local_addr().unwrap());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    server.handle().wake(id).unwrap();
    let (sent, cancelled) = (Completed::Sent, Completed::Cancelled);
    let expected = [(10, sent), (65_527, cancelled), (20, sent), (65_527, cancelled), (30, sent)];
    for one in expected {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(one));
    }
}

#[test]
fn a_broadcast_address_is_reached_if_that_is_asked_for() {
    let (probe, seen) = Probe::new();
    let server = started(probe);
    // Everybody on the loopback interface.
    let all = UdpSocket::bind("0.0.0.0:0").unwrap();
    all.set_read_timeout(Some(PATIENCE)).unwrap();
    let url = format!("udp://127.255.255.255:{}", all.local_addr().unwrap().port());
    let refused = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let (id, how) = closed(&seen);
    assert_eq!((id, how.reason, how.errno), (refused, CloseReason::ConnectFailed, Some(libc::EACCES)));
    let id = server.handle().connect(&format!("{url}?broadcast=true"), ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    let _ = server.handle().write(id, b"to all").unwrap();
    assert_eq!(receive(&all).0, b"to all");
}

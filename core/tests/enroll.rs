//! Descriptors of the user's that are given to the engine (D8). A program of its own, because it counts the process's
//! descriptors, and looks whether a number is free again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::mpsc::Receiver;

use common::net::{closed, next, nothing, opened, Probe, Seen};
use common::{descriptors, eventually, loops, read_exactly, Random};
use reactor_core::{
    Action, Address, CloseReason, ConnOptions, ConnectOptions, ErrorKind, Framing, ListenOptions, Server,
};

fn started(count: usize) -> (Server, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let server = Server::new(probe, &loops(count)).unwrap();
    server.start().unwrap();
    (server, seen)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// One after the other: they count the process's descriptors.
#[test]
fn streams_are_taken_over_and_anything_else_is_refused() {
    both_kinds_of_streams_are_served();
    data_that_waits_already_is_delivered();
    a_peer_that_is_gone_already_is_noticed();
    what_is_no_connected_stream_is_refused();
    after_the_stop_it_is_refused();
}

fn both_kinds_of_streams_are_served() {
    let before = descriptors();
    {
        let (server, seen) = started(2);
        let (mut near, far) = UnixStream::pair().unwrap();
        // Blocking and inheritable until now.
        let unix = server.handle().enroll(OwnedFd::from(far), ConnectOptions::default()).unwrap();
        assert_eq!(opened(&seen), unix);
        assert_eq!(server.handle().remote_address(unix).unwrap(), Address::Unnamed);
        let pid = server.handle().peer_credentials(unix).unwrap().pid;
        assert_eq!(pid, i32::try_from(std::process::id()).ok());
        let block = Random(9).bytes(100_000);
        let mut writer = near.try_clone().unwrap();
        let sent = block.clone();
        let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        assert!(read_exactly(&mut near, block.len()) == block);
        writing.join().unwrap();

        let (mut client, accepted) = tcp_pair();
        let conn = ConnOptions { framing: Some(Framing::line()), ..Default::default() };
        let options = ConnectOptions { conn, on_loop: Some(1), ..Default::default() };
        let tcp = server.handle().enroll(OwnedFd::from(accepted), options).unwrap();
        client.write_all(b"a line\nhalf").unwrap();
        assert_eq!(read_exactly(&mut client, 6), b"a line");
        let peer = Address::Inet(client.local_addr().unwrap());
        assert_eq!(server.handle().remote_address(tcp).unwrap(), peer);
        assert_eq!(server.handle().info(tcp).unwrap().on_loop, 1);
        drop((near, client));
        eventually("both end", || server.handle().connections() == 0);
        assert_eq!(server.handle().metrics().enrolled, 2);
    }
    assert_eq!(descriptors(), before);
}

fn data_that_waits_already_is_delivered() {
    let (server, seen) = started(1);
    let (mut client, accepted) = tcp_pair();
    client.write_all(b"early").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let id = server.handle().enroll(OwnedFd::from(accepted), ConnectOptions::default()).unwrap();
    // From any thread, before on_open.
    let _ = server.handle().write(id, b"greeting ").unwrap();
    assert_eq!(opened(&seen), id);
    assert_eq!(next(&seen), Seen::Data(id, b"early".to_vec(), None));
    assert_eq!(closed(&seen).1.reason, CloseReason::Eof);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "greeting early");
}

fn a_peer_that_is_gone_already_is_noticed() {
    let (server, seen) = started(1);
    let (near, far) = UnixStream::pair().unwrap();
    drop(near);
    let id = server.handle().enroll(OwnedFd::from(far), ConnectOptions::default());
    // The kernel may say so at once; otherwise it opens and ends.
    if let Ok(id) = id {
        assert_eq!(opened(&seen), id);
        assert_eq!(closed(&seen).0, id);
    }
    let (client, accepted) = tcp_pair();
    drop(client);
    let id = server.handle().enroll(OwnedFd::from(accepted), ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    assert_eq!(closed(&seen), (id, reactor_core::Closed { reason: CloseReason::Eof, errno: None }));
    nothing(&seen);
}

fn what_is_no_connected_stream_is_refused() {
    let before = descriptors();
    let (server, seen) = started(1);
    let held = descriptors();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let (dgram, _other) = UnixDatagram::pair().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let fresh = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let wrong: [OwnedFd; 6] = [
        TcpListener::bind("127.0.0.1:0").unwrap().into(),
        udp.into(),
        pipe.into(),
        dgram.into(),
        fresh.into(),
        std::fs::File::open("/dev/null").unwrap().into(),
    ];
    for (index, descriptor) in wrong.into_iter().enumerate() {
        let number = descriptor.as_raw_fd();
        let error = server.handle().enroll(descriptor, ConnectOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{index}: {error}");
        // SAFETY: the call takes no pointer.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1, "{index} is closed");
    }
    let (_near, far) = UnixStream::pair().unwrap();
    let options = ConnectOptions { on_loop: Some(1), ..Default::default() };
    assert_eq!(
        server.handle().enroll(far.into(), options).unwrap_err().kind(),
        ErrorKind::InvalidArgument,
        "there is no such loop"
    );
    drop((_writer, _other, _near));
    assert_eq!(descriptors(), held);
    assert_eq!(next_after_stop(&server, &seen), Seen::Stop);
    drop(server);
    assert_eq!(descriptors(), before);
}

fn next_after_stop(server: &Server, seen: &Receiver<Seen>) -> Seen {
    server.handle().stop();
    server.wait().unwrap();
    next(seen)
}

fn after_the_stop_it_is_refused() {
    let (server, seen) = started(1);
    assert_eq!(next_after_stop(&server, &seen), Seen::Stop);
    let (mut near, far) = UnixStream::pair().unwrap();
    let error = server.handle().enroll(far.into(), ConnectOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState);
    assert_eq!(near.read(&mut [0]).unwrap(), 0, "it was closed");
    let listen =
        server.handle().listen("tcp://127.0.0.1:0", &ListenOptions::default(), &ConnOptions::default());
    assert_eq!(listen.unwrap_err().kind(), ErrorKind::WrongState);
}

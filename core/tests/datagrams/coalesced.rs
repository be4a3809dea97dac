//! Datagrams that arrive as one packet, because their sender handed them over together (UDP_SEGMENT): each is delivered by
//! itself, as if it had come alone (D4, D6).

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;

use crate::common::net::{address, closed, next, nothing, opened, Probe, Seen};
use crate::common::{eventually, loops, PATIENCE};
use reactor_core::{
    Action, CloseReason, Config, ConnId, ConnOptions, ConnectOptions, ListenOptions, Listening, Server,
};

/// A server with one UDP listener that its loops have taken in: what comes earlier is not coalesced.
fn serve(probe: Probe, seen: &Receiver<Seen>, url: &str, config: &Config) -> (Server, Listening) {
    let server = Server::new(probe, config).unwrap();
    let listening = server.listen_with(url, &ListenOptions::default(), &ConnOptions::default()).unwrap();
    server.start().unwrap();
    for id in server.handle().endpoints(listening.id) {
        server.handle().wake(id).unwrap();
        assert_eq!(next(seen), Seen::Wake(id));
    }
    (server, listening)
}

/// Sends in datagrams of `segment` bytes whatever it is told to send, with one call.
fn client(bind: &str, segment: libc::c_int) -> UdpSocket {
    let socket = UdpSocket::bind(bind).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (value, len) = (std::ptr::from_ref(&segment).cast(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: value and length describe an int, which outlives the call.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, len) };
    assert_eq!(set, 0, "Linux 4.18 has UDP_SEGMENT");
    socket
}

/// Different bytes for each datagram of each sender, the number in front.
fn numbered(sender: u8, number: usize, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|index| (index * 7 + number * 31) as u8 ^ sender).collect();
    bytes[..2].copy_from_slice(&[sender, number as u8]);
    bytes
}

/// So many full datagrams, and one shorter.
fn train(sender: u8, first: usize, full: usize, len: usize, last: usize) -> Vec<Vec<u8>> {
    let datagram = |number| numbered(sender, first + number, if number == full { last } else { len });
    (0..=full).map(datagram).collect()
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let len = socket.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn datagram(seen: &Receiver<Seen>) -> (ConnId, Vec<u8>, SocketAddr) {
    match next(seen) {
        Seen::Data(id, bytes, sender) => (id, bytes, sender.unwrap()),
        other => panic!("{other:?} instead of a datagram"),
    }
}

fn expect(seen: &Receiver<Seen>, datagrams: &[Vec<u8>]) {
    for (number, expected) in datagrams.iter().enumerate() {
        let (_, bytes, _) = datagram(seen);
        assert!(bytes == *expected, "datagram {number}: {} bytes, {:?}", bytes.len(), &bytes[..2]);
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

/// Pauses with each datagram that has such a number.
fn pausing(at: &'static [u8]) -> (Probe, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let probe = probe.data(move |conn, data| {
        if at.contains(&data[1]) {
            conn.pause().unwrap();
        }
        Action::None
    });
    (probe, seen)
}

#[test]
fn every_datagram_comes_whole_in_order_and_from_its_sender() {
    for (url, to, bind) in [
        ("udp4://127.0.0.1:0", "127.0.0.1", "127.0.0.1:0"),
        ("udp6://[::1]:0", "::1", "[::1]:0"),
        ("udp://:0", "127.0.0.1", "127.0.0.1:0"),
        ("udp://:0", "::1", "[::1]:0"),
        ("udp://127.0.0.1:0?reuseport=true", "127.0.0.1", "127.0.0.1:0"),
    ] {
        let (probe, seen) = echo();
        let (server, listening) = serve(probe, &seen, url, &loops(2));
        let to = (to, address(&listening.address).port());
        let mut sent = 0;
        // Few enough for a receive buffer of the default size, 208 KiB.
        for (count, len, full, last) in
            [(4, 100, 40, 60), (4, 1400, 15, 1399), (1, 1400, 45, 2), (4, 2, 50, 2), (1, 30_000, 1, 29_999)]
        {
            let senders: Vec<UdpSocket> = (0..count).map(|_| client(bind, len as libc::c_int)).collect();
            let trains: Vec<_> = (0..count).map(|sender| train(sender, 0, full, len, last)).collect();
            for (socket, train) in senders.iter().zip(&trains) {
                socket.send_to(&train.concat(), to).unwrap();
            }
            let mut numbers = [0; 4];
            for _ in 0..trains.concat().len() {
                let (_, bytes, from) = datagram(&seen);
                let (sender, number) = (usize::from(bytes[0]), usize::from(bytes[1]));
                assert_eq!(number, numbers[sender], "{url}: in order, and once");
                numbers[sender] += 1;
                assert!(bytes == trains[sender][number], "{url}: {number} of {len} bytes");
                assert_eq!(from, senders[sender].local_addr().unwrap());
            }
            for (socket, train) in senders.iter().zip(&trains) {
                train.iter().for_each(|datagram| assert!(receive(socket) == *datagram, "{url}: sent back"));
            }
            sent += trains.concat().len();
        }
        nothing(&seen);
        let metrics = server.handle().metrics();
        assert_eq!((metrics.datagrams_read, metrics.datagrams_truncated), (sent as u64, 0));
    }
}

#[test]
fn what_comes_alone_or_empty_keeps_its_place() {
    let (probe, seen) = Probe::new();
    let (server, listening) = serve(probe, &seen, "udp://127.0.0.1:0", &loops(1));
    let (id, to) = (server.handle().endpoints(listening.id)[0], address(&listening.address));
    let socket = client("127.0.0.1:0", 100);
    // All of it is there before the first is read.
    server.handle().pause(id).unwrap();
    let (first, second) = (train(1, 0, 40, 100, 60), train(1, 50, 3, 100, 100));
    socket.send_to(&first.concat(), to).unwrap();
    for alone in [&b""[..], b"alone", b""] {
        socket.send_to(alone, to).unwrap();
    }
    socket.send_to(&second.concat(), to).unwrap();
    server.handle().resume(id).unwrap();
    expect(&seen, &first);
    [&b""[..], b"alone", b""].iter().for_each(|alone| assert_eq!(datagram(&seen).1, *alone));
    expect(&seen, &second);
    nothing(&seen);
    let (metrics, bytes) = (server.handle().metrics(), 4060 + 5 + 400);
    assert_eq!((metrics.datagrams_read, metrics.bytes_read), (41 + 3 + 4, bytes));
}

#[test]
fn each_datagram_is_cut_by_itself() {
    let (sender, cut) = channel();
    let sender = Mutex::new(sender);
    let (probe, seen) = Probe::new();
    let probe = probe.data(move |conn, data| {
        sender.lock().unwrap().send((data.to_vec(), conn.is_truncated())).unwrap();
        Action::None
    });
    let (server, listening) = serve(probe, &seen, "udp://127.0.0.1:0?datagram=64", &loops(1));
    let to = address(&listening.address);
    for (len, last) in [(100, 30), (64, 63), (65, 65), (63, 1), (1400, 64)] {
        let sent = train(9, 0, 10, len, last.max(2));
        client("127.0.0.1:0", len as libc::c_int).send_to(&sent.concat(), to).unwrap();
        for whole in sent {
            let (bytes, truncated) = cut.recv_timeout(PATIENCE).unwrap();
            assert_eq!((bytes, truncated), (whole[..whole.len().min(64)].to_vec(), whole.len() > 64));
        }
    }
    let metrics = server.handle().metrics();
    assert_eq!((metrics.datagrams_read, metrics.datagrams_truncated), (55, 10 + 11 + 10));
    assert_eq!(metrics.bytes_read, (640 + 30) + (640 + 63) + 11 * 64 + (630 + 2) + 11 * 64);
}

#[test]
fn a_pause_in_the_middle_keeps_the_rest() {
    let (probe, seen) = pausing(&[5, 20, 40]);
    let (server, listening) = serve(probe, &seen, "udp://127.0.0.1:0", &loops(1));
    let id = server.handle().endpoints(listening.id)[0];
    let socket = client("127.0.0.1:0", 100);
    let (first, second) = (train(1, 0, 40, 100, 60), train(1, 50, 3, 100, 7));
    for sent in [&first, &second] {
        socket.send_to(&sent.concat(), address(&listening.address)).unwrap();
    }
    for part in [&first[..6], &first[6..21], &first[21..]] {
        expect(&seen, part);
        nothing(&seen);
        server.handle().resume(id).unwrap();
    }
    expect(&seen, &second);
    nothing(&seen);
    assert_eq!(server.handle().metrics().datagrams_read, 45);
}

#[test]
fn what_was_kept_leaves_others_their_turns() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        match data[1] {
            0 => conn.pause().unwrap(),
            1 => conn.wake().unwrap(),
            _ => {}
        }
        Action::None
    });
    let mut config = loops(1);
    config.read_budget = 1000;
    let (server, listening) = serve(probe, &seen, "udp://127.0.0.1:0", &config);
    let id = server.handle().endpoints(listening.id)[0];
    let sent = train(1, 0, 40, 100, 60);
    client("127.0.0.1:0", 100).send_to(&sent.concat(), address(&listening.address)).unwrap();
    expect(&seen, &sent[..1]);
    nothing(&seen);
    server.handle().resume(id).unwrap();
    // Ten of 100 bytes use the budget up; what each costs on top makes it fewer.
    let mut before = 0;
    while let Seen::Data(_, bytes, _) = next(&seen) {
        before += 1;
        assert_eq!(bytes, sent[before]);
    }
    assert!((1..10).contains(&before), "the wake came behind {before}");
    expect(&seen, &sent[before + 1..]);
    nothing(&seen);
}

#[test]
fn output_above_the_high_water_mark_in_the_middle_keeps_the_rest() {
    let (probe, seen) = echo();
    let mut config = loops(1);
    (config.high_water, config.low_water) = (5000, 1000);
    let (server, listening) = serve(probe, &seen, "udp://127.0.0.1:0", &config);
    let sent = train(3, 0, 40, 1000, 10);
    let socket = client("127.0.0.1:0", 1000);
    socket.send_to(&sent.concat(), address(&listening.address)).unwrap();
    sent.iter().for_each(|datagram| assert!(receive(&socket) == *datagram));
    let (mut data, mut drains) = (0, 0);
    while data < 41 {
        match next(&seen) {
            Seen::Data(_, bytes, _) => data += usize::from(bytes == sent[data]),
            Seen::Drain(_) => drains += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(drains > 0, "it was above the mark");
    assert_eq!(server.handle().metrics().datagrams_read, 41);
}

/// A connection to a peer that sends in datagrams of 100 bytes, and its id.
fn connected(probe: Probe, seen: &Receiver<Seen>) -> (Server, UdpSocket, ConnId) {
    let server = Server::new(probe, &loops(1)).unwrap();
    server.start().unwrap();
    let peer = client("127.0.0.1:0", 100);
    let url = format!("udp://{}", peer.local_addr().unwrap());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    assert_eq!(opened(seen), id);
    let local = address(&format!("udp://{}", server.handle().local_address(id).unwrap()));
    peer.connect(local).unwrap();
    (server, peer, id)
}

#[test]
fn a_connection_has_them_one_by_one_and_may_pause() {
    let (probe, seen) = pausing(&[7]);
    let (server, peer, id) = connected(probe, &seen);
    let sent = train(2, 0, 40, 100, 60);
    peer.send(&sent.concat()).unwrap();
    expect(&seen, &sent[..8]);
    nothing(&seen);
    server.handle().resume(id).unwrap();
    expect(&seen, &sent[8..]);
    nothing(&seen);
}

#[test]
fn a_connection_that_is_closed_in_the_middle_hears_no_more() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        let _ = conn.write(data).unwrap();
        if data[1] == 7 {
            Action::Close
        } else {
            Action::None
        }
    });
    let (server, peer, id) = connected(probe, &seen);
    let sent = train(2, 0, 40, 100, 60);
    peer.send(&sent.concat()).unwrap();
    expect(&seen, &sent[..8]);
    let (ended, how) = closed(&seen);
    assert_eq!((ended, how.reason), (id, CloseReason::LocalClose));
    nothing(&seen);
    sent[..8].iter().for_each(|datagram| assert_eq!(receive(&peer), *datagram));
    eventually("it is forgotten", || server.handle().connections() == 0);
    assert_eq!(server.handle().metrics().datagrams_read, 8);
}

#[test]
fn a_group_receives_them_one_by_one() {
    let (probe, seen) = Probe::new();
    let (_server, listening) = serve(probe, &seen, "udp4://:0?join=239.7.7.8@lo", &loops(1));
    let socket = client("127.0.0.1:0", 100);
    let options = socket2::SockRef::from(&socket);
    options.set_multicast_if_v4(&std::net::Ipv4Addr::LOCALHOST).unwrap();
    options.set_multicast_loop_v4(true).unwrap();
    let sent = train(4, 0, 40, 100, 60);
    let group = SocketAddr::from(([239, 7, 7, 8], address(&listening.address).port()));
    socket.send_to(&sent.concat(), group).unwrap();
    expect(&seen, &sent);
    nothing(&seen);
}

use super::super::endpoint::LONGEST_V6;
use super::*;
use crate::base::error::ErrorKind;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use socket2::{Domain, Type};

use crate::sys::datagram::MAX_BUFFER;
use crate::sys::poller::{Event, Events, Poller};

const PATIENCE: Duration = Duration::from_secs(30);

/// An endpoint on a free port of `ip`; on `::`, one of both families.
fn endpoint(ip: &str, buffer: usize) -> (Endpoint, SocketAddr) {
    let addr: SocketAddr = (ip.parse::<std::net::IpAddr>().unwrap(), 0).into();
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM.nonblocking(), None).unwrap();
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified()).unwrap();
    }
    socket.bind(&addr.into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (Endpoint::new(socket, buffer).unwrap(), addr)
}

fn peer(ip: &str) -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind((ip, 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let addr = peer.local_addr().unwrap();
    (peer, addr)
}

/// Receives one datagram on a blocking socket.
fn take(peer: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; MAX_BUFFER];
    let len = peer.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

/// Waits for an edge of readability if there is none left.
fn wait_readable(endpoint: &mut Endpoint, poller: &Poller) {
    let (mut events, start) = (Events::new(), Instant::now());
    while !endpoint.is_readable() {
        assert!(start.elapsed() < PATIENCE, "no edge came");
        poller.rearm_read(endpoint.as_fd());
        poller.poll(&mut events, Some(PATIENCE)).unwrap();
        events.iter().for_each(|event| endpoint.ready(event.readable, event.writable));
    }
}

fn poller(endpoint: &Endpoint) -> Poller {
    let poller = Poller::new().unwrap();
    poller.add(endpoint.as_fd(), 1).unwrap();
    poller
}

/// Receives `count` datagrams as a loop would, trusting edges and batches that are not full.
fn receive_by(poller: &Poller, endpoint: &mut Endpoint, count: usize) -> Vec<(Vec<u8>, SocketAddr, bool)> {
    let (mut batch, mut all) = (RecvBatch::new().unwrap(), Vec::new());
    while all.len() < count {
        wait_readable(endpoint, poller);
        let received = endpoint.receive(&mut batch, usize::MAX).unwrap();
        assert_eq!(endpoint.is_readable(), received == SLOTS);
        assert!(batch.iter().count() >= received);
        all.extend(batch.iter().map(|got| (got.bytes.to_vec(), got.envelope.sender, got.envelope.truncated)));
    }
    all
}

fn receive(endpoint: &mut Endpoint, count: usize) -> Vec<(Vec<u8>, SocketAddr, bool)> {
    receive_by(&poller(endpoint), endpoint, count)
}

/// Bytes that differ along a datagram and between datagrams.
fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|index| ((index + seed * 7) % 251) as u8).collect()
}

/// Flushes all, and expects that no datagram was refused.
fn flush_all(endpoint: &mut Endpoint) -> Flushed {
    let flushed = endpoint.flush();
    assert_eq!((flushed.dropped, flushed.errno, flushed.blocked), (0, None, false));
    assert_eq!(endpoint.queued_bytes(), 0);
    flushed
}

#[test]
fn datagrams_come_with_contents_and_sender_and_are_answered() {
    for ip in ["127.0.0.1", "::1"] {
        let (mut endpoint, addr) = endpoint(ip, MAX_BUFFER);
        let (peer, peer_addr) = peer(ip);
        for bytes in [&b"one"[..], b"", b"three"] {
            peer.send_to(bytes, addr).unwrap();
        }
        let expected = [&b"one"[..], b"", b"three"].map(|bytes| (bytes.to_vec(), peer_addr, false));
        assert_eq!(receive(&mut endpoint, 3), expected);
        endpoint.queue(Some(peer_addr), None, &[b"an", b"", b"swer"]).unwrap();
        endpoint.queue(Some(peer_addr), None, &[]).unwrap();
        endpoint.queue(Some(peer_addr), None, &[b"last"]).unwrap();
        assert_eq!(endpoint.queued_bytes(), cost(6) + cost(0) + cost(4));
        let flushed = flush_all(&mut endpoint);
        assert_eq!((flushed.sent, flushed.sent_bytes, flushed.system_calls), (3, 10, 1));
        assert_eq!([take(&peer), take(&peer), take(&peer)], [&b"answer"[..], b"", b"last"]);
    }
}

#[test]
fn a_dual_stack_socket_speaks_plain_ipv4_too() {
    let (mut endpoint, addr) = endpoint("::", MAX_BUFFER);
    for ip in ["127.0.0.1", "::1"] {
        let (peer, peer_addr) = peer(ip);
        peer.send_to(ip.as_bytes(), (ip, addr.port())).unwrap();
        assert_eq!(receive(&mut endpoint, 1), [(ip.as_bytes().to_vec(), peer_addr, false)]);
        endpoint.queue(Some(peer_addr), None, &[b"answer"]).unwrap();
        flush_all(&mut endpoint);
        assert_eq!(take(&peer), b"answer");
    }
}

#[test]
fn the_longest_datagrams_pass_whole_and_longer_ones_are_refused() {
    for (ip, longest) in [("127.0.0.1", 65_507), ("::1", 65_527)] {
        let (mut sender, sender_addr) = endpoint(ip, MAX_BUFFER);
        let (mut receiver, addr) = endpoint(ip, MAX_BUFFER);
        let bytes = pattern(longest + 1, 1);
        let error = sender.queue(Some(addr), None, &[&bytes]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let message = format!("the datagram has {} bytes, the longest possible is {longest}", longest + 1);
        assert_eq!((error.message(), sender.queued_bytes()), (&*message, 0));
        sender.queue(Some(addr), None, &[&bytes[..longest]]).unwrap();
        assert_eq!(flush_all(&mut sender).sent_bytes, longest);
        assert!(receive(&mut receiver, 1) == [(bytes[..longest].to_vec(), sender_addr, false)]);
    }
}

#[test]
fn the_longest_depends_on_the_way_it_takes() {
    let (mut dual, _) = endpoint("::", MAX_BUFFER);
    let bytes = vec![0; 65_508];
    dual.queue(Some("[::1]:1".parse().unwrap()), None, &[&bytes]).unwrap();
    for over_ipv4 in ["127.0.0.1:1", "[::ffff:127.0.0.1]:1"] {
        dual.queue(Some(over_ipv4.parse().unwrap()), None, &[&bytes]).unwrap_err();
    }
    let (peer, peer_addr) = peer("127.0.0.1");
    dual.socket
        .connect(&SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), peer_addr.port()).into())
        .unwrap();
    let mut connected = Endpoint::new(dual.socket.try_clone().unwrap(), MAX_BUFFER).unwrap();
    connected.queue(None, None, &[&bytes]).unwrap_err();
    connected.queue(None, None, &[&bytes[1..]]).unwrap();
    flush_all(&mut connected);
    assert!(take(&peer) == bytes[1..]);
}

#[test]
fn a_datagram_needs_a_destination_of_the_sockets_family() {
    let (mut endpoint, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let error = endpoint.queue(None, None, &[b"x"]).unwrap_err();
    assert_eq!(error.message(), "the datagram has no destination");
    let error = endpoint.queue(Some("[::1]:7".parse().unwrap()), None, &[b"x"]).unwrap_err();
    assert_eq!(error.message(), "[::1]:7 is not an IPv4 address, and the socket is one of IPv4");
    let (peer, addr) = peer("127.0.0.1");
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), addr.port());
    endpoint.queue(Some(mapped), None, &[b"mapped"]).unwrap();
    flush_all(&mut endpoint);
    assert_eq!(take(&peer), b"mapped");
}

#[test]
fn what_a_small_buffer_cuts_off_is_flagged() {
    let (mut endpoint, addr) = endpoint("127.0.0.1", 4);
    let (peer, peer_addr) = peer("127.0.0.1");
    for bytes in [&b"12345"[..], b"1234", b"123", b"654321"] {
        peer.send_to(bytes, addr).unwrap();
    }
    let expected = [(&b"1234"[..], true), (b"1234", false), (b"123", false), (b"6543", true)];
    let expected = expected.map(|(bytes, truncated)| (bytes.to_vec(), peer_addr, truncated));
    assert_eq!(receive(&mut endpoint, 4), expected);
}

#[test]
fn a_thousand_datagrams_arrive_in_order_by_few_calls() {
    let (mut sender, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let mut receivers: Vec<_> = (0..20).map(|_| endpoint("127.0.0.1", MAX_BUFFER)).collect();
    for index in 0..1000 {
        sender.queue(Some(receivers[index % 20].1), None, &[&pattern(index % 90, index)]).unwrap();
    }
    let flushed = flush_all(&mut sender);
    assert_eq!((flushed.sent, flushed.system_calls), (1000, 1000_usize.div_ceil(MAX_MESSAGES)));
    for (first, (receiver, _)) in receivers.iter_mut().enumerate() {
        let received = receive(receiver, 50).into_iter().map(|(bytes, ..)| bytes);
        let expected = (first..1000).step_by(20).map(|index| pattern(index % 90, index));
        assert!(received.eq(expected), "receiver {first}");
    }
}

#[test]
fn runs_of_equal_datagrams_leave_together_and_arrive_apart() {
    let (mut sender, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let mut receivers: Vec<_> = (0..2).map(|_| endpoint("127.0.0.1", MAX_BUFFER)).collect();
    let lens: Vec<usize> = (0..70).map(|index| if index == 40 { 30 } else { 100 }).collect();
    for (_, addr) in &receivers {
        for (index, &len) in lens.iter().enumerate() {
            sender.queue(Some(*addr), None, &[&pattern(len, index)]).unwrap();
        }
    }
    let flushed = flush_all(&mut sender);
    let together = datagram::can_segment(sender.as_fd());
    assert_eq!((flushed.sent, flushed.system_calls), (140, if together { 1 } else { 3 }));
    for (receiver, _) in &mut receivers {
        let received = receive(receiver, 70).into_iter().map(|(bytes, ..)| bytes);
        assert!(received.eq(lens.iter().enumerate().map(|(index, &len)| pattern(len, index))));
    }
}

/// What leaves as one packet comes as one. Were it not so, all else would pass, slowly.
#[test]
fn a_run_arrives_as_one_message() {
    for ip in ["127.0.0.1", "::1", "::"] {
        let (mut sender, _) = endpoint(ip, MAX_BUFFER);
        let (mut receiver, addr) = endpoint(ip, 64);
        let addr = if ip == "::" { ([127, 0, 0, 1], addr.port()).into() } else { addr };
        for (index, len) in [100, 100, 100, 30].into_iter().enumerate() {
            sender.queue(Some(addr), None, &[&pattern(len, index)]).unwrap();
        }
        flush_all(&mut sender);
        let (poller, mut batch) = (poller(&receiver), RecvBatch::new().unwrap());
        wait_readable(&mut receiver, &poller);
        assert_eq!(receiver.receive(&mut batch, usize::MAX).unwrap(), 1, "Linux 5.0 has UDP_GRO");
        let received = batch.iter().map(|got| (got.bytes.to_vec(), got.envelope.truncated));
        let expected = [(64, true), (64, true), (64, true), (30, false)].into_iter().enumerate();
        assert!(received.eq(expected.map(|(index, (len, truncated))| (pattern(len, index), truncated))));
    }
}

#[test]
fn a_batch_is_no_larger_than_the_budget_judged_by_the_one_before() {
    let (mut sender, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let (mut receiver, addr) = endpoint("127.0.0.1", MAX_BUFFER);
    let (poller, mut batch) = (poller(&receiver), RecvBatch::new().unwrap());
    let mut receive = |count, budget| {
        (0..count).for_each(|seed| sender.queue(Some(addr), None, &[&pattern(10_000, seed)]).unwrap());
        flush_all(&mut sender);
        let (mut bytes, mut whole) = (Vec::new(), 0);
        while whole < count {
            wait_readable(&mut receiver, &poller);
            receiver.receive(&mut batch, budget).unwrap();
            whole += batch.iter().count();
            bytes.push(batch.iter().map(|got| got.bytes.len()).sum::<usize>());
        }
        (bytes, receiver.is_readable())
    };
    // Nothing is known yet.
    assert_eq!(receive(18, 200_000), (vec![180_000], false));
    let (batches, _) = receive(18, 60_000);
    assert!(batches.len() >= 3 && batches.iter().all(|bytes| *bytes <= 60_000), "{batches:?}");
}

#[test]
fn runs_pass_whatever_the_route_can_segment() {
    let (mut sender, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let (mut receiver, addr) = endpoint("127.0.0.1", MAX_BUFFER);
    for len in [1, 1200, 4000, 20_000] {
        for _ in 0..2 {
            (0..4).for_each(|seed| sender.queue(Some(addr), None, &[&pattern(len, seed)]).unwrap());
            assert_eq!(flush_all(&mut sender).sent, 4);
            let received = receive(&mut receiver, 4).into_iter().map(|(bytes, ..)| bytes);
            assert!(received.eq((0..4).map(|seed| pattern(len, seed))), "{len} bytes");
        }
    }
}

#[test]
fn what_the_kernel_refuses_is_dropped_between_what_it_takes() {
    let (mut sender, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let (peer, addr) = peer("127.0.0.1");
    // A broadcast by a socket that may not.
    let refused = "127.255.255.255:9".parse().unwrap();
    for bytes in [b"a", b"b"] {
        sender.queue(Some(addr), None, &[bytes]).unwrap();
    }
    // Alone, and as a run.
    for (bytes, to) in [(b"c", refused), (b"d", addr), (b"e", refused), (b"f", refused)] {
        sender.queue(Some(to), None, &[bytes]).unwrap();
    }
    sender.queue(Some(addr), None, &[b"g"]).unwrap();
    let flushed = sender.flush();
    assert_eq!((flushed.sent, flushed.sent_bytes, flushed.dropped), (4, 4, 3));
    assert_eq!((flushed.errno, flushed.blocked, sender.queued_bytes()), (Some(libc::EACCES), false, 0));
    assert_eq!([take(&peer), take(&peer), take(&peer), take(&peer)], [b"a", b"b", b"d", b"g"]);
}

#[test]
fn nobody_is_queued_for_port_0() {
    let (mut sender, _) = endpoint("127.0.0.1", MAX_BUFFER);
    let error = sender.queue(Some("127.0.0.1:0".parse().unwrap()), None, &[b"x"]).unwrap_err();
    assert_eq!((error.kind(), sender.queued_bytes()), (ErrorKind::InvalidArgument, 0));
}

#[test]
fn a_datagram_whose_fragments_exceed_the_send_buffer_does_not_block_the_queue() {
    let (mut sender, _) = endpoint("::1", MAX_BUFFER);
    let (peer, addr) = peer("::1");
    // The kernel makes the least possible of it, and answers ENOBUFS to a second fragment beyond it.
    sender.socket.set_send_buffer_size(1).unwrap();
    for bytes in [&b"before"[..], &[0; LONGEST_V6], b"behind"] {
        sender.queue(Some(addr), None, &[bytes]).unwrap();
    }
    let flushed = sender.flush();
    assert_eq!((flushed.sent, flushed.dropped, flushed.blocked), (2, 1, false));
    assert_eq!(flushed.errno, Some(libc::ENOBUFS));
    assert_eq!([take(&peer), take(&peer)], [b"before", b"behind"]);
}

/// A connected endpoint whose peer has a datagram for it under way and refuses what it sends: the peer is
/// connected elsewhere, so that its port is taken, but not for the endpoint.
fn refused() -> (Endpoint, UdpSocket) {
    let (endpoint, addr) = endpoint("127.0.0.1", MAX_BUFFER);
    let (peer, peer_addr) = peer("127.0.0.1");
    endpoint.socket.connect(&peer_addr.into()).unwrap();
    peer.send_to(b"before", addr).unwrap();
    wait_for(&endpoint, |event| event.readable);
    peer.connect("127.0.0.1:9").unwrap();
    let mut endpoint = Endpoint::new(endpoint.socket.try_clone().unwrap(), MAX_BUFFER).unwrap();
    endpoint.queue(None, None, &[b"lost"]).unwrap();
    flush_all(&mut endpoint);
    (endpoint, peer)
}

fn wait_for(endpoint: &Endpoint, expected: impl Fn(Event) -> bool) {
    let (poller, mut events, start) = (poller(endpoint), Events::new(), Instant::now());
    while !events.iter().any(&expected) {
        assert!(start.elapsed() < PATIENCE, "it did not come");
        poller.poll(&mut events, Some(PATIENCE)).unwrap();
    }
}

#[test]
fn a_refusal_from_the_network_is_an_error_in_front_of_what_waits() {
    let (mut endpoint, _peer) = refused();
    wait_for(&endpoint, |event| event.read_on);
    endpoint.ready(true, true);
    let mut batch = RecvBatch::new().unwrap();
    let error = endpoint.receive(&mut batch, usize::MAX).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    assert_eq!((batch.iter().count(), endpoint.is_readable()), (0, true));
    assert_eq!(endpoint.receive(&mut batch, usize::MAX).unwrap(), 1);
    assert_eq!(batch.iter().next().unwrap().bytes, b"before");
    assert!(!endpoint.is_readable());
}

#[test]
fn a_refusal_from_the_network_costs_no_later_datagram() {
    let (mut endpoint, peer) = refused();
    wait_for(&endpoint, |event| event.read_on);
    let addr = endpoint.socket.local_addr().unwrap().as_socket().unwrap();
    peer.connect(addr).unwrap();
    endpoint.queue(None, None, &[b"arrives"]).unwrap();
    let flushed = endpoint.flush();
    assert_eq!((flushed.sent, flushed.dropped, flushed.system_calls), (1, 0, 2));
    assert_eq!(flushed.errno, Some(libc::ECONNREFUSED));
    assert_eq!(take(&peer), b"arrives");
}

#[test]
fn an_error_that_does_not_go_away_waits_for_an_edge() {
    // A stream that is not connected answers EINVAL whenever it is read.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let mut endpoint = Endpoint::new(socket, MAX_BUFFER).unwrap();
    endpoint.ready(true, true);
    let mut batch = RecvBatch::new().unwrap();
    endpoint.receive(&mut batch, usize::MAX).unwrap_err();
    assert!(endpoint.is_readable());
    endpoint.receive(&mut batch, usize::MAX).unwrap_err();
    assert!(!endpoint.is_readable());
}

/// Loopback takes UDP without end. A pair of Unix datagram sockets has room for a few only, and says so by
/// the same means.
#[test]
fn without_room_the_rest_waits_in_order() {
    let (near, far) = Socket::pair(Domain::UNIX, Type::DGRAM.nonblocking(), None).unwrap();
    let mut sender = Endpoint::new(near, MAX_BUFFER).unwrap();
    let mut receiver = Endpoint::new(far, MAX_BUFFER).unwrap();
    let (mut batch, mut received, mut blocked) = (RecvBatch::new().unwrap(), Vec::new(), 0);
    for index in 0..5000 {
        sender.queue(None, None, &[&pattern(index % 300, index)]).unwrap();
    }
    while received.len() < 5000 {
        let (before, flushed) = (sender.queued_bytes(), sender.flush());
        assert_eq!(before - sender.queued_bytes(), flushed.sent_bytes + flushed.sent * cost(0));
        assert_eq!((flushed.dropped, flushed.errno, flushed.blocked), (0, None, sender.wants_write()));
        assert_eq!(flushed.blocked, sender.queued_bytes() > 0);
        blocked += usize::from(flushed.blocked);
        assert_eq!(sender.flush().system_calls, 0);
        while receiver.receive(&mut batch, usize::MAX).unwrap() > 0 {
            received.extend(batch.iter().map(|got| got.bytes.to_vec()));
        }
        sender.ready(false, true);
    }
    assert!(blocked > 0);
    assert!(received.into_iter().eq((0..5000).map(|index| pattern(index % 300, index))));
    assert!(!sender.wants_write());
}

#[test]
fn no_edge_is_lost_between_batches_that_are_not_full() {
    const ROUNDS: usize = 1000;
    let (mut endpoint, addr) = endpoint("127.0.0.1", MAX_BUFFER);
    let (peer, peer_addr) = peer("127.0.0.1");
    let sender = std::thread::spawn(move || {
        for round in 0..ROUNDS {
            for index in 0..1 + round % 40 {
                peer.send_to(&pattern(9, index), addr).unwrap();
            }
            assert_eq!(take(&peer), round.to_ne_bytes());
        }
    });
    let poller = poller(&endpoint);
    for round in 0..ROUNDS {
        let received =
            receive_by(&poller, &mut endpoint, 1 + round % 40).into_iter().map(|(bytes, ..)| bytes);
        assert!(received.eq((0..1 + round % 40).map(|index| pattern(9, index))), "round {round}");
        endpoint.queue(Some(peer_addr), None, &[&round.to_ne_bytes()]).unwrap();
        flush_all(&mut endpoint);
    }
    sender.join().unwrap();
}

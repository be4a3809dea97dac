//! Whether there is room in a Unix socket is asked only while output waits for it: a request costs one poll, and a
//! connection that was blocked goes on each time that its peer reads (D1, D3, D5, T4).

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{channel, Receiver};

use crate::common;
use crate::common::net::{closed, opened, socket_path, Probe, Seen};
use crate::common::peer::{finish, peer, read_all, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly, Random, PATIENCE};
use reactor_core::{Action, CloseReason, ConnId, ConnectOptions, Server};
use socket2::Socket;

/// More than a Unix socket takes.
const MUCH: usize = 2 << 20;

/// A server that sends back what comes, and one connection of each kind: accepted, connected, enrolled.
fn connections(name: &str) -> (Server, Receiver<Seen>, [(ConnId, Socket); 3]) {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None));
    let (server, url) = serve_over(Over::Unix, probe, &loops(1));
    let client = peer(&url);
    let accepted = (opened(&seen), client);
    let path = socket_path(name);
    let listener = UnixListener::bind(&path).unwrap();
    let id = server.handle().connect(&format!("unix://{path}"), ConnectOptions::default()).unwrap();
    let connected = (id, Socket::from(listener.accept().unwrap().0));
    assert_eq!(opened(&seen), id);
    let (near, far) = UnixStream::pair().unwrap();
    let id = server.handle().enroll(OwnedFd::from(far), ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    let all = [accepted, connected, (id, Socket::from(near))];
    all.iter().for_each(|(_, peer)| peer.set_read_timeout(Some(PATIENCE)).unwrap());
    (server, seen, all)
}

fn exchange(peer: &mut Socket, request: &[u8]) {
    peer.write_all(request).unwrap();
    assert_eq!(read_exactly(peer, request.len()), request);
}

/// Each of many requests finds the loop waiting, which turns once for it: and once more, if it was not waiting yet before
/// the first. Turns are counted, because a loop that is busy may poll several times before it sleeps.
fn requests_cost_one_turn_each(server: &Server, peer: &mut Socket) {
    const REQUESTS: u64 = 50;
    let (polls, turns) = (|| server.handle().metrics().polls, || server.handle().metrics().turns);
    // What was to be done before has been done when this is answered.
    exchange(peer, b"the first");
    let before = turns();
    for request in 0..REQUESTS {
        let then = polls();
        exchange(peer, &request.to_le_bytes());
        eventually("it polls again", || polls() > then);
    }
    let cost = turns() - before;
    assert!((REQUESTS..=REQUESTS + 1).contains(&cost), "{cost} turns for {REQUESTS} requests");
}

/// Writes more than the peer's socket takes, and waits until it has taken what it does.
fn block(server: &Server, id: ConnId, bytes: &[u8]) {
    let info = || server.handle().info(id).unwrap();
    let before = info().sent;
    let _ = server.handle().write(id, bytes).unwrap();
    eventually("it has taken some", || info().sent > before);
    assert!(info().queued > 0);
}

/// Reads what must come, a piece of any size at a time.
fn read_on(peer: &mut Socket, expected: &[u8], random: &mut Random) {
    let mut read = 0;
    while read < expected.len() {
        let piece = (1 + random.below(200_000)).min(expected.len() - read);
        assert!(read_exactly(peer, piece) == expected[read..read + piece], "from {read} on");
        read += piece;
    }
}

#[test]
fn a_request_costs_one_turn_also_once_output_had_to_wait() {
    let (server, _seen, mut all) = connections("room-cost");
    let mut random = Random(11);
    for index in 0..all.len() {
        requests_cost_one_turn_each(&server, &mut all[index].1);
        for _ in 0..2 {
            let bytes = random.bytes(MUCH);
            block(&server, all[index].0, &bytes);
            requests_cost_one_turn_each(&server, &mut all[(index + 1) % 3].1);
            read_on(&mut all[index].1, &bytes, &mut random);
            requests_cost_one_turn_each(&server, &mut all[index].1);
        }
    }
}

#[test]
fn one_that_is_blocked_goes_on_each_time_its_peer_reads() {
    let (server, _seen, all) = connections("room-blocked");
    let mut random = Random(12);
    for (id, mut peer) in all {
        for _ in 0..20 {
            let bytes = random.bytes(MUCH);
            block(&server, id, &bytes);
            read_on(&mut peer, &bytes, &mut random);
        }
        eventually("nothing is queued", || server.handle().queued_bytes() == 0);
    }
}

/// Writes from the loop, by the short way, as long as everything leaves within its turn; returns what was written.
fn block_flowing(server: &Server, id: ConnId, random: &mut Random) -> Vec<u8> {
    let mut written = Vec::new();
    loop {
        let (bytes, (tell, went)) = (random.bytes(8 << 10), channel());
        written.extend_from_slice(&bytes);
        let write = move |server: &reactor_core::Handle| {
            let goes = server.info(id).unwrap().queued == 0;
            tell.send(goes && server.write_flowing(id.to_u64(), &bytes)).unwrap();
        };
        server.handle().run_on(0, write).unwrap();
        if !next(&went) {
            written.truncate(written.len() - (8 << 10));
            return written;
        }
    }
}

#[test]
fn one_that_flows_is_blocked_and_goes_on_as_well() {
    let (server, _seen, all) = connections("room-flows");
    let mut random = Random(13);
    for (id, mut peer) in all {
        for _ in 0..3 {
            exchange(&mut peer, b"it flows from here on");
            eventually("it is at rest", || server.handle().queued_bytes() == 0);
            let written = block_flowing(&server, id, &mut random);
            assert!(server.handle().info(id).unwrap().queued > 0, "{} bytes", written.len());
            read_on(&mut peer, &written, &mut random);
        }
    }
}

#[test]
fn a_blocked_one_that_is_closed_from_either_side_still_sends_everything() {
    for by_peer in [true, false] {
        let (server, seen, all) = connections(&format!("room-close-{by_peer}"));
        for (id, mut peer) in all {
            let bytes = Random(14).bytes(MUCH);
            block(&server, id, &bytes);
            match by_peer {
                true => finish(&peer),
                false => server.handle().close(id).unwrap(),
            }
            assert!(read_all(&mut peer) == bytes);
            drop(peer);
            let (ended, how) = std::iter::repeat_with(|| common::net::next(&seen))
                .find_map(|seen| match seen {
                    Seen::Close(id, how) => Some((id, how)),
                    _ => None,
                })
                .unwrap();
            let reason = if by_peer { CloseReason::Eof } else { CloseReason::LocalClose };
            assert_eq!((ended, how.reason), (id, reason));
        }
    }
}

#[test]
fn a_blocked_one_whose_peer_vanishes_ends() {
    let (server, seen, all) = connections("room-vanish");
    for (id, peer) in all {
        block(&server, id, &[7; MUCH]);
        drop(peer);
        let (ended, how) = closed(&seen);
        assert_eq!((ended, how.reason), (id, CloseReason::Reset));
    }
    assert_eq!((server.handle().connections(), server.handle().queued_bytes()), (0, 0));
}

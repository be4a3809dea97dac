use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use super::*;
use crate::conn::shared::{ConnKind, ConnShared};
use crate::conn::stream::machine::{Reading, Step};
use crate::contract::action::{CloseReason, Closed};
use crate::contract::config::Config;

/// An open connection over this socket, with what its calls need.
struct Open {
    entry: StreamEntry,
    pool: BlockPool,
    poller: Poller,
    metrics: LoopMetrics,
}

impl Open {
    fn new(socket: impl Into<OwnedFd>, unix: bool) -> Self {
        let socket = socket.into();
        let _ = socket::set_nonblocking(socket.as_fd());
        let poller = Poller::new().unwrap();
        let machine = Machine::new(ConnShared::new(ConnKind::Stream, 1, 0, None), false);
        let mut entry = StreamEntry::new(Wire::new(unix), machine);
        entry.wire.attach(socket, 1, &poller).unwrap();
        entry.machine.opened();
        Open { entry, pool: BlockPool::default(), poller, metrics: LoopMetrics::default() }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<(usize, bool)> {
        let got = self.entry.read(buffer, &mut self.pool, &self.poller, &self.metrics);
        got.map(|got| (got.len, got.more))
    }

    fn write(&mut self, bytes: &[u8]) {
        let config = Config { hard_limit: 1 << 30, ..Config::default() }.resolved().unwrap();
        let _ = self.entry.machine.reserve(bytes.len(), &config, &mut self.pool, |_| true).unwrap();
        self.entry.machine.queue(&[bytes], 0, &mut self.pool);
    }

    fn flush(&mut self) -> usize {
        self.entry.flush(&mut self.pool, &self.metrics)
    }

    fn step(&self) -> Step {
        self.entry.machine.next_step(false)
    }
}

fn tcp() -> (Open, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Open::new(listener.accept().unwrap().0, false), peer)
}

fn broken(errno: i32) -> Step {
    Step::Close { closed: Closed::reset(errno), all_sent: false }
}

#[test]
fn a_short_read_empties_a_tcp_socket_unless_more_was_reported() {
    let (mut it, mut peer) = tcp();
    peer.write_all(b"abc").unwrap();
    while it.entry.machine.reading() == Reading::No {
        it.entry.ready(true, false, false, false);
    }
    assert_eq!(it.read(&mut [0; 2]), Some((2, true)), "it filled the buffer");
    assert_eq!(it.read(&mut [0; 9]), Some((1, false)));
    assert_eq!(it.entry.machine.reading(), Reading::No);
    peer.write_all(b"d").unwrap();
    it.entry.ready(true, false, true, false);
    assert_eq!(it.read(&mut [0; 9]), Some((1, true)), "more was reported");
    assert_eq!(
        (it.read(&mut [0; 9]), it.entry.machine.reading()),
        (None, Reading::No),
        "until it would block"
    );
    peer.write_all(b"e").unwrap();
    it.entry.ready(true, false, false, false);
    assert_eq!(it.read(&mut [0; 9]), Some((1, false)));
}

#[test]
fn a_unix_socket_is_read_until_it_would_block() {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut it = Open::new(ours, true);
    peer.write_all(b"abc").unwrap();
    assert_eq!(it.read(&mut [0; 9]), Some((3, true)));
    assert_eq!((it.read(&mut [0; 9]), it.entry.machine.reading()), (None, Reading::No));
    peer.write_all(b"d").unwrap();
    assert_eq!(it.read(&mut [0; 9]), Some((1, true)));
}

#[test]
fn what_the_kernel_takes_a_part_of_is_offered_until_it_would_block() {
    let (mut it, mut peer) = tcp();
    let much = vec![7; 16 << 20];
    it.write(&much);
    let sent = it.flush();
    assert!(sent > 0 && sent < much.len());
    assert_eq!(
        it.step(),
        Step::Flush,
        "no room has to be reported before the kernel has said that there is none"
    );
    let mut total = sent;
    while it.step() == Step::Flush {
        total += it.flush();
    }
    assert_eq!((it.step(), it.entry.machine.is_stuck()), (Step::Wait, true));
    let mut received = vec![0; total];
    peer.read_exact(&mut received).unwrap();
    assert!(received.iter().all(|byte| *byte == 7));
}

#[test]
fn the_last_attempt_before_it_is_handed_out_loses_nothing() {
    // A pipe is no socket: sending fails.
    let (_reader, writer) = io::pipe().unwrap();
    let mut it = Open::new(writer, false);
    it.write(b"handed out");
    it.entry.send_last(&mut it.pool, &it.metrics);
    assert!(!it.entry.machine.is_broken());
    assert_eq!(it.entry.machine.take_output(&mut it.pool), b"handed out");
    let (mut it, mut peer) = tcp();
    it.write(b"sent");
    it.entry.send_last(&mut it.pool, &it.metrics);
    assert!(it.entry.machine.out().is_empty());
    peer.read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn a_shutdown_that_fails_breaks_the_connection() {
    // A pipe can be polled and written to, and has no sides to shut down.
    let (_reader, writer) = io::pipe().unwrap();
    let mut it = Open::new(writer, false);
    it.entry.machine.end();
    assert_eq!(it.step(), Step::ShutdownWrite);
    assert!(!it.entry.shut_down_write(&mut it.pool));
    assert_eq!(it.step(), Step::Wait, "what came before is still read");
    it.entry.machine.received_eof();
    assert_eq!(it.step(), broken(libc::ENOTSOCK));
}

#[test]
fn a_shutdown_of_what_the_peer_has_reset_is_left_to_the_read() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let mut it = Open::new(socket, false);
    it.entry.machine.close(CloseReason::LocalClose, &mut it.pool);
    assert!(it.entry.shut_down_write(&mut it.pool));
}

#[test]
#[cfg(reactor_poller = "epoll")]
fn an_interest_that_cannot_be_changed_breaks_the_connection() {
    let (ours, _peer) = UnixStream::pair().unwrap();
    let mut it = Open::new(ours, true);
    it.write(&vec![7; 16 << 20]);
    while it.step() == Step::Flush {
        it.flush();
    }
    // It knows nothing of the socket.
    it.entry.poll_room(1, &mut it.pool, &Poller::new().unwrap(), &it.metrics);
    it.entry.machine.received_eof();
    assert_eq!(it.step(), broken(libc::ENOENT));
}

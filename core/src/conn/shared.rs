//! What other threads may know and change of a connection.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::contract::action::Pressure;
use crate::contract::config::Config;
use crate::framing::Framing;

/// What kind of socket an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnKind {
    /// A TCP or Unix stream.
    Stream,
    /// A bound UDP socket.
    Endpoint,
    /// A UDP socket that was connected: it has a peer, an opening and an end.
    ConnectedDatagram,
}

/// What calls a connection takes.
const OPEN: u8 = 0;
/// Its writing side was ended.
const ENDED: u8 = 1;
/// It is closed or closing.
const CLOSED: u8 = 2;

/// The part of a connection that any thread may look at, found through the mailbox of its loop.
#[derive(Debug)]
pub(crate) struct ConnShared {
    pub(crate) kind: ConnKind,
    /// The listener it came from; 0 for outgoing and enrolled ones.
    pub(crate) listener: u32,
    /// Milliseconds of the server's clock.
    pub(crate) opened_at: u64,
    state: AtomicU8,
    /// It has left its loop, and its id is about to be free. Changes with the mailbox locked.
    gone: AtomicBool,
    /// A UDP socket of IPv4, which reaches no IPv6 address.
    ipv4: AtomicBool,
    /// The high-water mark was crossed, and `on_drain` is owed.
    above: AtomicBool,
    /// `on_wake` is owed.
    woken: AtomicBool,
    /// The descriptor, for calls that the mailbox makes with its lock held; -1 without one.
    descriptor: AtomicI32,
    /// Bytes written and not taken by the kernel: those in the queue of a stream, which its loop alone counts, and
    /// those that other threads have handed in and that are on their way. All of a UDP socket's count as on their way.
    queued: AtomicUsize,
    handed_in: AtomicUsize,
    /// Completions that other threads have handed in and that the loop has not taken yet.
    awaited: AtomicU32,
    /// Bytes of all reads and of all that the kernel took. Only the loop writes them.
    received: AtomicU64,
    sent: AtomicU64,
    peer: OnceLock<SocketAddr>,
    framing: Mutex<Option<Arc<Framing>>>,
}

impl ConnShared {
    pub(crate) fn new(kind: ConnKind, listener: u32, opened_at: u64, peer: Option<SocketAddr>) -> Arc<Self> {
        Arc::new(ConnShared {
            kind,
            listener,
            opened_at,
            // A datagram that was not connected yet could not keep its borders in a queue.
            state: AtomicU8::new(if kind == ConnKind::ConnectedDatagram { ENDED } else { OPEN }),
            gone: AtomicBool::new(false),
            ipv4: AtomicBool::new(false),
            above: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            descriptor: AtomicI32::new(-1),
            queued: AtomicUsize::new(0),
            handed_in: AtomicUsize::new(0),
            awaited: AtomicU32::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            peer: peer.map_or_else(OnceLock::new, OnceLock::from),
            framing: Mutex::default(),
        })
    }

    /// Writes are accepted.
    pub(crate) fn takes_writes(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// Not closed or closing.
    pub(crate) fn is_live(&self) -> bool {
        self.state.load(Ordering::Acquire) != CLOSED
    }

    /// Nobody finds it any more; says whether somebody would have.
    pub(crate) fn leave(&self) -> bool {
        self.close();
        self.set_descriptor(None);
        !self.gone.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(crate) fn set_ipv4(&self, ipv4: bool) {
        self.ipv4.store(ipv4, Ordering::Release);
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.ipv4.load(Ordering::Acquire)
    }

    /// Accepts writes from now on, unless it was closed before.
    pub(crate) fn open(&self) {
        let _ = self.state.compare_exchange(ENDED, OPEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Refuses writes from now on; says whether they were accepted before.
    pub(crate) fn end(&self) -> bool {
        self.state.compare_exchange(OPEN, ENDED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Refuses every call from now on; says whether it was live before.
    pub(crate) fn close(&self) -> bool {
        self.state.swap(CLOSED, Ordering::AcqRel) != CLOSED
    }

    /// Unsent bytes, wherever they wait.
    pub(crate) fn unsent(&self) -> usize {
        self.queued.load(Ordering::Acquire).saturating_add(self.handed_in())
    }

    /// Bytes that other threads have handed in, and that the loop has not taken yet.
    pub(crate) fn handed_in(&self) -> usize {
        self.handed_in.load(Ordering::Acquire)
    }

    /// So many bytes are in the queue now. On the loop's thread.
    pub(crate) fn set_queued(&self, len: usize) {
        self.queued.store(len, Ordering::Release);
    }

    /// Counts `len` more bytes as on their way; `None` if they would exceed the hard limit. Other threads call it with
    /// the mailbox locked, so that the bytes are on their way before anybody else looks.
    pub(crate) fn reserve(&self, len: usize, config: &Config) -> Option<Pressure> {
        let pressure = self.pressure_with(len, config)?;
        self.handed_in.fetch_add(len, Ordering::AcqRel);
        if pressure == Pressure::High {
            self.owe_drain();
        }
        Some(pressure)
    }

    /// The pressure that `len` more bytes would make; `None` if they would exceed the hard limit.
    pub(crate) fn pressure_with(&self, len: usize, config: &Config) -> Option<Pressure> {
        match self.unsent().saturating_add(len) {
            unsent if unsent > config.hard_limit => None,
            unsent if unsent > config.high_water => Some(Pressure::High),
            _ => Some(Pressure::Low),
        }
    }

    /// Takes `len` bytes off the count of those on their way: they were queued, sent or dropped.
    pub(crate) fn settle(&self, len: usize) {
        self.handed_in.fetch_sub(len, Ordering::AcqRel);
    }

    /// A completion is on its way to the loop. With the mailbox locked.
    pub(crate) fn await_completion(&self) {
        self.awaited.fetch_add(1, Ordering::AcqRel);
    }

    /// The loop has taken a completion.
    pub(crate) fn completion_arrived(&self) {
        self.awaited.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn awaits_completions(&self) -> bool {
        self.awaited.load(Ordering::Acquire) > 0
    }

    pub(crate) fn owe_drain(&self) {
        self.above.store(true, Ordering::Release);
    }

    pub(crate) fn owes_drain(&self) -> bool {
        self.above.load(Ordering::Acquire)
    }

    /// Whether `on_drain` or `on_wake` is owed.
    pub(crate) fn owes_any(&self) -> bool {
        self.owes_drain() | self.is_woken()
    }

    pub(crate) fn pay_drain(&self) {
        self.above.store(false, Ordering::Release);
    }

    /// Owes `on_wake`; says whether it was not owed before.
    pub(crate) fn wake(&self) -> bool {
        !self.woken.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    pub(crate) fn take_woken(&self) -> bool {
        self.is_woken() && self.woken.swap(false, Ordering::AcqRel)
    }

    /// Counts input. On the loop's thread.
    pub(crate) fn count_received(&self, len: usize) {
        add(&self.received, len);
    }

    /// Counts output that the kernel took. On the loop's thread.
    pub(crate) fn count_sent(&self, len: usize) {
        add(&self.sent, len);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Remembers the descriptor. It must be forgotten, with the mailbox locked, before it is closed.
    pub(crate) fn set_descriptor(&self, descriptor: Option<RawFd>) {
        self.descriptor.store(descriptor.unwrap_or(-1), Ordering::Release);
    }

    /// The descriptor; valid as long as the mailbox stays locked.
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        Some(self.descriptor.load(Ordering::Acquire)).filter(|&descriptor| descriptor >= 0)
    }

    /// Remembers the peer's address; the first counts.
    pub(crate) fn set_peer(&self, peer: SocketAddr) {
        let _ = self.peer.set(peer);
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer.get().copied()
    }

    pub(crate) fn set_framing(&self, framing: Option<Arc<Framing>>) {
        let mut slot = self.framing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slot, framing);
        drop(slot);
        // Outside the lock: a function of the user's may go with it.
        drop(before);
    }

    pub(crate) fn framing(&self) -> Option<Arc<Framing>> {
        self.framing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Adds to a count that one thread writes.
fn add(count: &AtomicU64, len: usize) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(len as u64), Ordering::Relaxed);
}

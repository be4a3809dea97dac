//! What other threads may know and change of a connection.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU16, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::address::Address;
use crate::contract::action::Pressure;
use crate::contract::config::Config;
use crate::framing::Framing;
use crate::sys::once_box::OnceBox;

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
/// It has left its loop, and its id is about to be free.
const GONE: u8 = 3;

/// As often as a connection may be held at once: as far as its loop's own count goes.
const MAX_HOLDS: u32 = i32::MAX as u32;

/// The part of a connection that any thread may look at, found through the mailbox of its loop.
#[derive(Debug)]
pub(crate) struct ConnShared {
    pub(crate) kind: ConnKind,
    /// The listener it came from; 0 for outgoing and enrolled ones.
    pub(crate) listener: u32,
    /// Milliseconds of the server's clock, the lower 32 bits and the upper: 9,000 years. Apart, as together they would be
    /// padded.
    opened_at: u32,
    opened_at_upper: u16,
    /// Becomes [`GONE`] with the mailbox locked.
    state: AtomicU8,
    /// The high-water mark was crossed, and `on_drain` is owed.
    above: AtomicBool,
    /// `on_wake` is owed.
    woken: AtomicBool,
    /// The descriptor, for calls that the mailbox makes with its lock held; -1 without one.
    descriptor: AtomicI32,
    /// Bytes written and not taken by the kernel, in the queue or on their way to it, are those that other threads have
    /// ever handed in, and what the loop adds to that: for what it writes itself, and less what was sent or dropped. The
    /// sum is exact, as nothing ever moves from one to the other. It may wrap, and so may this.
    own: AtomicUsize,
    /// Bytes of all reads and of all that the kernel took. Only the loop writes them.
    received: AtomicU64,
    sent: AtomicU64,
    /// The peer's address and port, if it is one of IPv4; without one, the port is 0.
    peer: AtomicU32,
    port: AtomicU16,
    more: OnceBox<More>,
}

/// What few connections have.
#[derive(Debug, Default)]
struct More {
    /// The peer's address, if it is one of IPv6.
    peer: OnceLock<SocketAddrV6>,
    /// The peer's address, if it is a Unix socket that has one.
    unix_peer: OnceLock<Address>,
    framing: Mutex<Option<Arc<Framing>>>,
    /// A UDP socket of IPv4, which reaches no IPv6 address.
    ipv4: AtomicBool,
    handed_in: AtomicUsize,
    /// Memory of completions that other threads have handed in and that the loop has not taken yet.
    awaited: AtomicUsize,
    /// Memory of completions that wait on the loop. Only the loop writes it.
    completions: AtomicUsize,
    /// How many more times the user has held the connection than released it, whether its loop has heard of it or not.
    holds: AtomicU32,
}

impl ConnShared {
    pub(crate) fn new(kind: ConnKind, listener: u32, opened_at: u64, peer: Option<SocketAddr>) -> Arc<Self> {
        let shared = ConnShared {
            kind,
            listener,
            opened_at: opened_at as u32,
            opened_at_upper: (opened_at >> 32) as u16,
            // A datagram that was not connected yet could not keep its borders in a queue.
            state: AtomicU8::new(if kind == ConnKind::ConnectedDatagram { ENDED } else { OPEN }),
            above: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            descriptor: AtomicI32::new(-1),
            own: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            peer: AtomicU32::new(0),
            port: AtomicU16::new(0),
            more: OnceBox::new(),
        };
        peer.into_iter().for_each(|peer| shared.set_peer(peer));
        Arc::new(shared)
    }

    /// Writes are accepted.
    pub(crate) fn takes_writes(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// Not closed or closing.
    pub(crate) fn is_live(&self) -> bool {
        self.state.load(Ordering::Acquire) < CLOSED
    }

    /// Nobody finds it any more; says whether somebody would have.
    pub(crate) fn leave(&self) -> bool {
        self.set_descriptor(None);
        self.state.swap(GONE, Ordering::AcqRel) != GONE
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state.load(Ordering::Acquire) == GONE
    }

    pub(crate) fn set_ipv4(&self, ipv4: bool) {
        self.more().ipv4.store(ipv4, Ordering::Release);
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.more.get().is_some_and(|more| more.ipv4.load(Ordering::Acquire))
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
        self.state.fetch_max(CLOSED, Ordering::AcqRel) < CLOSED
    }

    /// Unsent bytes, wherever they wait.
    pub(crate) fn unsent(&self) -> usize {
        // In this order: whatever the loop has taken off was handed in before.
        let own = self.own.load(Ordering::Acquire);
        match self.more.get() {
            None => own,
            Some(more) => own.wrapping_add(more.handed_in.load(Ordering::Acquire)),
        }
    }

    /// Counts `len` more bytes, that no limit stands against. On the loop's thread.
    pub(crate) fn count_own(&self, len: usize) {
        self.own.store(self.own.load(Ordering::Relaxed).wrapping_add(len), Ordering::Release);
    }

    /// Takes `len` bytes off the count: they were sent, or dropped. On the loop's thread, or when there is none.
    pub(crate) fn settle(&self, len: usize) {
        self.own.store(self.own.load(Ordering::Relaxed).wrapping_sub(len), Ordering::Release);
    }

    /// Counts `len` more bytes as on their way; `None` if they would exceed the hard limit. Other threads call it with
    /// the mailbox locked, so that the bytes are on their way before anybody else looks.
    pub(crate) fn reserve(&self, len: usize, config: &Config) -> Option<Pressure> {
        let pressure = self.pressure_with(len, config)?;
        self.more().handed_in.fetch_add(len, Ordering::AcqRel);
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

    /// A completion that takes so much memory is on its way to the loop. With the mailbox locked.
    pub(crate) fn await_completion(&self, memory: usize) {
        self.more().awaited.fetch_add(memory, Ordering::AcqRel);
    }

    /// The loop has taken a completion.
    pub(crate) fn completion_arrived(&self, memory: usize) {
        self.more().awaited.fetch_sub(memory, Ordering::AcqRel);
    }

    /// So much memory is taken by the completions that wait on the loop.
    pub(crate) fn note_completions(&self, memory: usize) {
        if memory > 0 || self.more.get().is_some() {
            self.more().completions.store(memory, Ordering::Release);
        }
    }

    /// Bytes that it holds by its writes, as far as any thread can tell: what is unsent, and completions.
    pub(crate) fn held_by_writes(&self) -> usize {
        let completions =
            |more: &More| more.awaited.load(Ordering::Acquire) + more.completions.load(Ordering::Acquire);
        self.unsent() + self.more.get().map_or(0, completions)
    }

    pub(crate) fn awaits_completions(&self) -> bool {
        self.more.get().is_some_and(|more| more.awaited.load(Ordering::Acquire) > 0)
    }

    /// Holds it once more; says whether the count goes so far.
    pub(crate) fn hold(&self) -> bool {
        let one_more = |holds: u32| (holds < MAX_HOLDS).then_some(holds + 1);
        self.more().holds.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// Holds it once less; says whether it was held.
    pub(crate) fn release(&self) -> bool {
        let one_less = |holds: u32| holds.checked_sub(1);
        let holds = self.more.get().map(|more| &more.holds);
        holds.is_some_and(|holds| holds.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok())
    }

    pub(crate) fn holds(&self) -> u32 {
        self.more.get().map_or(0, |more| more.holds.load(Ordering::Acquire))
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
        if self.peer().is_some() {
            return;
        }
        match peer {
            SocketAddr::V4(peer) => {
                self.peer.store(peer.ip().to_bits(), Ordering::Relaxed);
                self.port.store(peer.port(), Ordering::Release);
            }
            SocketAddr::V6(peer) => drop(self.more().peer.set(peer)),
        }
    }

    /// The same, whatever it is. Most peers over a Unix socket have none, which takes no memory.
    pub(crate) fn note_peer(&self, peer: Address) {
        match peer {
            Address::Inet(peer) => self.set_peer(peer),
            Address::Unnamed => {}
            named => drop(self.more().unix_peer.set(named)),
        }
    }

    /// The peer's address, as far as it is remembered: not that of an unnamed Unix socket.
    pub(crate) fn known_peer(&self) -> Option<Address> {
        let unix = || self.more.get()?.unix_peer.get().cloned();
        self.peer().map(Address::Inet).or_else(unix)
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self.port.load(Ordering::Acquire) {
            0 => self.more.get()?.peer.get().copied().map(SocketAddr::V6),
            port => {
                let ip = Ipv4Addr::from_bits(self.peer.load(Ordering::Relaxed));
                Some(SocketAddr::from((ip, port)))
            }
        }
    }

    /// Milliseconds of the server's clock.
    pub(crate) fn opened_at(&self) -> u64 {
        u64::from(self.opened_at_upper) << 32 | u64::from(self.opened_at)
    }

    pub(crate) fn set_framing(&self, framing: Option<Arc<Framing>>) {
        if framing.is_none() && self.more.get().is_none() {
            return;
        }
        let mut slot = self.more().framing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slot, framing);
        drop(slot);
        // Outside the lock: a function of the user's may go with it.
        drop(before);
    }

    pub(crate) fn framing(&self) -> Option<Arc<Framing>> {
        self.more.get()?.framing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn more(&self) -> &More {
        self.more.get_or_make(More::default)
    }
}

/// Adds to a count that one thread writes.
fn add(count: &AtomicU64, len: usize) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(len as u64), Ordering::Relaxed);
}

#[cfg(test)]
mod tests;

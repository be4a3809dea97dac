//! Sockets of datagrams, each with several on their way.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::clients::Clients;
use crate::clock::{nanoseconds, Nanoseconds};
use crate::connection::Shared;
use crate::failure::Failure;
use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::pattern::{Cycle, Random};
use crate::plan::Plan;
use crate::poll::Ready;
use crate::tally::Tally;

/// A datagram without an answer for so long is lost.
const LOST: Duration = Duration::from_millis(200);

/// Sequence numbers stand in front of the pattern.
pub(crate) const SEQUENCE: usize = 8;

/// The largest datagram.
pub(crate) const LARGEST: usize = 65_507;

/// The lower bits of a sequence number are the number of its slot.
const SLOT_BITS: u32 = 16;

/// One datagram that may be on its way.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// Zero in a slot that is free.
    sequence: u64,
    asked: Nanoseconds,
    /// The last one that was given up here: its answer may still come, late.
    given_up: u64,
}

/// One socket.
struct Endpoint {
    socket: OwnedFd,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Asked, but not sent.
    queued: VecDeque<Nanoseconds>,
}

/// Sockets that are connected to the server, each with its index as token.
pub(crate) struct Datagrams {
    endpoints: Vec<Endpoint>,
    outgoing: Outgoing,
    incoming: Incoming,
    pattern: Cycle,
    size: usize,
    /// Datagrams sent so far.
    sent: u64,
    outstanding: u64,
    /// Whether a lost one is asked again: in a closed loop.
    replace: bool,
    timeout: Duration,
    begun: Nanoseconds,
}

impl Datagrams {
    /// Connects as many sockets as planned. In a closed loop a lost datagram is replaced by another.
    pub(crate) fn dial(plan: &Plan, replace: bool, shared: &Shared) -> Result<Self, Failure> {
        let mut dialler = plan.dialler();
        let mut endpoints = Vec::new();
        for token in 0..plan.connections {
            let socket = dialler.datagrams().map_err(Failure::system("cannot make a socket"))?;
            shared.poll.add(&socket, token).map_err(Failure::system("epoll_ctl"))?;
            endpoints.push(Endpoint { socket, slots: Vec::new(), free: Vec::new(), queued: VecDeque::new() });
        }
        let offload = plan.offload && prepare(&endpoints, plan.size);
        // A prime: a datagram's part of the pattern depends on its sequence number.
        let pattern = Cycle::new(Random::new(4).bytes(65_521), plan.size);
        Ok(Self {
            endpoints,
            outgoing: Outgoing::new(plan.size, offload),
            incoming: Incoming::new(plan.size, offload),
            pattern,
            size: plan.size,
            sent: 0,
            outstanding: 0,
            replace,
            timeout: plan.timeout,
            begun: shared.clock.now(),
        })
    }

    /// Sends a batch of what is queued on socket `index`. Returns how many the kernel took.
    fn send(&mut self, index: usize) -> Result<usize, Errno> {
        let count = self.write(index);
        if count == 0 {
            return Ok(0);
        }
        match self.outgoing.send(&self.endpoints[index].socket, count) {
            Ok(taken) => {
                self.note_sent(index, taken);
                Ok(taken)
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => Ok(0),
            // What a path says that cannot take datagrams apart (udp(7)); no single datagram is refused so.
            Err(errno @ (Errno::INVAL | Errno::IO | Errno::MSGSIZE)) if self.outgoing.segmented() => {
                refused(errno);
                self.outgoing.stop_segmenting();
                unprepare(&self.endpoints)?;
                self.send(index)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Writes the next batch of socket `index`: datagram number n will take the n-th free slot from behind. Returns
    /// its length.
    fn write(&mut self, index: usize) -> usize {
        let endpoint = &mut self.endpoints[index];
        let count = endpoint.make_free(endpoint.queued.len().min(self.outgoing.most()));
        let slots = endpoint.free.iter().rev().take(count);
        for (position, slot) in slots.enumerate() {
            let sequence = (self.sent + 1 + position as u64) << SLOT_BITS | *slot as u64;
            let body = self.pattern.slice(self.pattern.position(sequence), self.size - SEQUENCE);
            let datagram = self.outgoing.datagram(position);
            datagram[..SEQUENCE].copy_from_slice(&sequence.to_be_bytes());
            datagram[SEQUENCE..].copy_from_slice(body);
        }
        count
    }

    /// The first `count` of the batch are on their way.
    fn note_sent(&mut self, index: usize, count: usize) {
        let endpoint = &mut self.endpoints[index];
        let free = endpoint.free.len() - count;
        let asked = endpoint.queued.drain(..count);
        for (slot, asked) in endpoint.free.drain(free..).rev().zip(asked) {
            self.sent += 1;
            endpoint.slots[slot].sequence = self.sent << SLOT_BITS | slot as u64;
            endpoint.slots[slot].asked = asked;
        }
    }

    /// Looks at what was received. Returns how many requests it answered.
    fn check(&mut self, index: usize, shared: &mut Shared) -> u64 {
        let now = shared.clock.now();
        let endpoint = &mut self.endpoints[index];
        let mut answers = 0;
        for datagram in self.incoming.datagrams() {
            answers += u64::from(endpoint.check(datagram, &self.pattern, self.size, now, &mut shared.tally));
        }
        self.outstanding -= answers;
        answers
    }

    /// Gives up what has had no answer for too long. Returns how many on socket `index`.
    fn give_up(&mut self, index: usize, now: Nanoseconds) -> u64 {
        let endpoint = &mut self.endpoints[index];
        let mut lost = 0;
        for (number, slot) in endpoint.slots.iter_mut().enumerate() {
            if slot.sequence != 0 && now.saturating_sub(slot.asked) > nanoseconds(LOST) {
                slot.given_up = slot.sequence;
                slot.sequence = 0;
                endpoint.free.push(number);
                lost += 1;
            }
        }
        self.outstanding -= lost;
        lost
    }
}

impl Endpoint {
    /// Makes slots until `count` are free, as long as there are numbers for them. Returns how many of them are.
    fn make_free(&mut self, count: usize) -> usize {
        while self.free.len() < count && self.slots.len() < 1 << SLOT_BITS {
            self.free.push(self.slots.len());
            self.slots.push(Slot::default());
        }
        self.free.len().min(count)
    }

    /// Looks at one received datagram, and says whether it answers a request. An answer to one that was given up is
    /// late, and counts as lost already; any other that was not asked for is wrong, and leaves what was asked without
    /// an answer.
    fn check(
        &mut self,
        received: &[u8],
        pattern: &Cycle,
        size: usize,
        now: Nanoseconds,
        tally: &mut Tally,
    ) -> bool {
        let sequence = received.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let number = (sequence & ((1 << SLOT_BITS) - 1)) as usize;
        let body = pattern.slice(pattern.position(sequence), size - SEQUENCE);
        let Some(slot) = self.slots.get_mut(number).filter(|_| received.get(SEQUENCE..) == Some(body)) else {
            tally.wrong(now);
            return false;
        };
        if slot.sequence == sequence && sequence != 0 {
            tally.right(slot.asked, now, received.len());
            slot.sequence = 0;
            self.free.push(number);
            return true;
        }
        if slot.given_up != sequence {
            tally.wrong(now);
        }
        false
    }
}

impl Clients for Datagrams {
    fn count(&self) -> usize {
        self.endpoints.len()
    }

    fn outstanding(&self) -> u64 {
        self.outstanding
    }

    fn queue(&mut self, index: usize, count: u64, at: Nanoseconds, _shared: &mut Shared) {
        self.outstanding += count;
        self.endpoints[index].queued.extend((0..count).map(|_| at));
    }

    fn flush(&mut self, index: usize, _shared: &mut Shared) -> Result<(), Failure> {
        while !self.endpoints[index].queued.is_empty() && self.send(index).map_err(unreachable)? > 0 {}
        Ok(())
    }

    /// Takes one batch: what else is there is reported again.
    fn ready(&mut self, ready: Ready, shared: &mut Shared) -> Result<u64, Failure> {
        let index = ready.token as usize;
        let endpoint = &self.endpoints[index];
        // Read even if nothing is outstanding: what was not asked for must not stay there.
        let expected = endpoint.slots.len() - endpoint.free.len();
        match self.incoming.receive(&endpoint.socket, expected) {
            Ok(()) => Ok(self.check(index, shared)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(errno) => Err(unreachable(errno)),
        }
    }

    fn tick(&mut self, draining: bool, shared: &mut Shared) -> Result<Nanoseconds, Failure> {
        let now = shared.clock.now();
        for index in 0..self.endpoints.len() {
            let lost = self.give_up(index, now);
            for _ in 0..lost {
                shared.tally.lost();
            }
            if self.replace && !draining {
                self.queue(index, lost, now, shared);
            }
            self.flush(index, shared)?;
        }
        let heard = shared.tally.last_answer.max(self.begun);
        if !draining && now.saturating_sub(heard) > nanoseconds(self.timeout) {
            let seconds = self.timeout.as_secs_f64();
            return Err(Failure::measurement(format!("no answer for {seconds} s")));
        }
        Ok(now)
    }
}

/// Prepares all sockets for batches that leave and arrive as one. Returns false where the kernel does not know that.
fn prepare(endpoints: &[Endpoint], size: usize) -> bool {
    for endpoint in endpoints {
        let socket = &endpoint.socket;
        // Merging comes last: once it is on, what arrives must be taken apart.
        if let Err(errno) = Outgoing::prepare(socket, size).and_then(|()| Incoming::prepare(socket)) {
            refused(errno);
            // Where it is the first that is refused, so is this, and there is nothing to take back.
            let _ = unprepare(endpoints);
            return false;
        }
    }
    true
}

/// What is sent is not taken apart any more.
fn unprepare(endpoints: &[Endpoint]) -> Result<(), Errno> {
    endpoints.iter().try_for_each(|endpoint| Outgoing::prepare(&endpoint.socket, 0))
}

/// Says so: the figures are those of another way.
fn refused(errno: Errno) {
    eprintln!("load: the kernel refuses --offload on ({errno}), so it is off");
}

/// On a connected socket the system tells that there is no server.
fn unreachable(errno: Errno) -> Failure {
    Failure::measurement(format!("the server cannot be reached: {errno}"))
}

//! Sockets of datagrams, each with several on their way.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{recv, send, RecvFlags, SendFlags};

use crate::clients::Clients;
use crate::clock::{nanoseconds, Nanoseconds};
use crate::connection::Shared;
use crate::failure::Failure;
use crate::pattern::{Cycle, Random};
use crate::plan::Plan;
use crate::poll::Ready;

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
    pattern: Cycle,
    size: usize,
    /// Datagrams sent so far.
    sent: u64,
    outstanding: u64,
    /// Whether a lost one is asked again: in a closed loop.
    replace: bool,
    timeout: Duration,
    begun: Nanoseconds,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
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
        // A prime: a datagram's part of the pattern depends on its sequence number.
        let pattern = Cycle::new(Random::new(4).bytes(65_521), plan.size);
        Ok(Self {
            endpoints,
            pattern,
            size: plan.size,
            sent: 0,
            outstanding: 0,
            replace,
            timeout: plan.timeout,
            begun: shared.clock.now(),
            outgoing: Vec::new(),
            incoming: vec![0; LARGEST],
        })
    }

    /// Sends one that was asked at `asked`. Returns whether the kernel took it.
    fn send(&mut self, index: usize, asked: Nanoseconds) -> Result<bool, Errno> {
        let endpoint = &mut self.endpoints[index];
        let Some(slot) = endpoint.free.pop().or_else(|| endpoint.grow()) else { return Ok(false) };
        let sequence = (self.sent + 1) << SLOT_BITS | slot as u64;
        let body = self.pattern.slice(self.pattern.position(sequence), self.size - SEQUENCE);
        self.outgoing.clear();
        self.outgoing.extend_from_slice(&sequence.to_be_bytes());
        self.outgoing.extend_from_slice(body);
        match send(&endpoint.socket, &self.outgoing, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => {
                self.sent += 1;
                endpoint.slots[slot].sequence = sequence;
                endpoint.slots[slot].asked = asked;
                Ok(true)
            }
            Err(errno) => {
                endpoint.free.push(slot);
                if matches!(errno, Errno::AGAIN | Errno::INTR | Errno::NOBUFS) {
                    return Ok(false);
                }
                Err(errno)
            }
        }
    }

    /// Receives one datagram. Returns None when there is none, or whether it answered a request.
    fn receive(&mut self, index: usize, shared: &mut Shared) -> Result<Option<bool>, Failure> {
        match recv(&self.endpoints[index].socket, &mut self.incoming[..], RecvFlags::DONTWAIT) {
            Ok((count, _)) => Ok(Some(self.check(index, count, shared))),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(unreachable(errno)),
        }
    }

    /// Looks at a received datagram of `count` bytes. An answer to one that was given up is late, and counts as lost
    /// already; any other that was not asked for is wrong, and leaves what was asked without an answer.
    fn check(&mut self, index: usize, count: usize, shared: &mut Shared) -> bool {
        let now = shared.clock.now();
        let received = &self.incoming[..count];
        let endpoint = &mut self.endpoints[index];
        let sequence = received.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let number = (sequence & ((1 << SLOT_BITS) - 1)) as usize;
        let body = self.pattern.slice(self.pattern.position(sequence), self.size - SEQUENCE);
        let Some(slot) = endpoint.slots.get_mut(number).filter(|_| received.get(SEQUENCE..) == Some(body))
        else {
            shared.tally.wrong(now);
            return false;
        };
        if slot.sequence == sequence && sequence != 0 {
            shared.tally.right(slot.asked, now, count);
            slot.sequence = 0;
            endpoint.free.push(number);
            self.outstanding -= 1;
            return true;
        }
        if slot.given_up != sequence {
            shared.tally.wrong(now);
        }
        false
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
    /// One slot more, as long as there are numbers for them.
    fn grow(&mut self) -> Option<usize> {
        let number = self.slots.len();
        if number >> SLOT_BITS > 0 {
            return None;
        }
        self.slots.push(Slot::default());
        Some(number)
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
        while let Some(asked) = self.endpoints[index].queued.pop_front() {
            if !self.send(index, asked).map_err(unreachable)? {
                self.endpoints[index].queued.push_front(asked);
                break;
            }
        }
        Ok(())
    }

    /// Takes as many datagrams as may be there.
    fn ready(&mut self, ready: Ready, shared: &mut Shared) -> Result<u64, Failure> {
        let index = ready.token as usize;
        let mut answers = 0;
        // Read at least once: what was not asked for must not stay there.
        let endpoint = &self.endpoints[index];
        for _ in 0..(endpoint.slots.len() - endpoint.free.len()).max(1) {
            match self.receive(index, shared)? {
                Some(right) => answers += u64::from(right),
                None => break,
            }
        }
        Ok(answers)
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

/// On a connected socket the system tells that there is no server.
fn unreachable(errno: Errno) -> Failure {
    Failure::measurement(format!("the server cannot be reached: {errno}"))
}

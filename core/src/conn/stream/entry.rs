//! A stream connection as its loop holds it: the socket, the state machine, unfinished input, the user's
//! context, timers and time-outs.

use std::os::fd::{AsFd, OwnedFd};

use crate::base::limits::Admission;
use crate::base::slab::Flow;
use crate::base::timer::TimerId;
use crate::conn::stream::machine::Machine;
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::{CloseReason, Closed};
use crate::contract::config::Timeouts;
use crate::contract::options::Context;
use crate::dial::Dial;
use crate::framing::Framer;
use crate::sys::socket::take_error;

/// A connection and its socket.
pub(crate) struct Entry {
    /// `None` while an outgoing connection's name is looked up, and once it was closed.
    pub(crate) socket: Option<OwnedFd>,
    pub(crate) machine: Machine,
    /// Cuts the input, if the connection has a framing.
    pub(crate) framer: Option<Box<Framer>>,
    /// Input that was read and is not consumed: half a frame, what was kept, or what waits for a handler that
    /// takes none now. Counted in the pool's `change`.
    /// Behind one pointer: few carry something at a time.
    #[allow(clippy::box_collection, reason = "in place it is two pointers larger, in every connection")]
    carry: Option<Box<Vec<u8>>>,
    /// Another framing was set since this was last cleared.
    pub(crate) reframed: bool,
    /// What is carried waits to be delivered, without anything being read first.
    pub(crate) backlog: bool,
    pub(crate) context: Option<Context>,
    /// Its place among the connections admitted.
    pub(crate) admission: Option<Box<Admission>>,
    /// What most connections do not have.
    pub(crate) extra: Option<Box<Extra>>,
    /// Room in this Unix socket is asked for: only while output waits for it.
    pub(crate) polls_writable: bool,
    /// Stands in the list of connections to serve, to drain of input, to settle.
    pub(crate) in_ready: bool,
    pub(crate) in_discard: bool,
    pub(crate) in_dirty: bool,
    /// Nothing is to be done with it but to hand its input on and send its output.
    flows: bool,
}

impl Flow for Entry {
    #[inline]
    fn flows(&self) -> bool {
        self.flows
    }

    #[inline]
    fn interrupt(&mut self) {
        self.flows = false;
    }
}

/// What few connections have.
#[derive(Default)]
pub(crate) struct Extra {
    /// The user's timers. May name some that are over.
    pub(crate) timers: Vec<TimerId>,
    pub(crate) timing: Option<Timing>,
    /// The end of connecting, of lingering, or of waiting for a peer that was given up and takes nothing.
    pub(crate) deadline: Option<TimerId>,
    /// Bytes that were sent when that wait began.
    pub(crate) sent_then: u64,
    pub(crate) dial: Option<Box<Dial>>,
}

impl Extra {
    /// Every timer of the connection.
    pub(crate) fn take_timers(&mut self) -> Vec<TimerId> {
        let mut timers = std::mem::take(&mut self.timers);
        timers.extend(self.timing.as_mut().and_then(|timing| timing.timer.take()));
        timers.extend(self.deadline.take());
        timers
    }
}

impl Entry {
    pub(crate) fn new(socket: Option<OwnedFd>, machine: Machine) -> Self {
        Entry {
            socket,
            machine,
            framer: None,
            carry: None,
            reframed: false,
            backlog: false,
            context: None,
            admission: None,
            extra: None,
            polls_writable: false,
            in_ready: false,
            in_discard: false,
            in_dirty: false,
            flows: false,
        }
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn timing(&mut self) -> Option<&mut Timing> {
        self.extra.as_mut()?.timing.as_mut()
    }

    pub(crate) fn has_deadline(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.deadline.is_some())
    }

    pub(crate) fn has_timing(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.timing.is_some())
    }

    pub(crate) fn carry(&self) -> &[u8] {
        self.carry.as_ref().map_or(&[], |carry| carry)
    }

    /// Takes what is carried.
    pub(crate) fn take_carry(&mut self, pool: &mut BlockPool) -> Vec<u8> {
        pool.count_input(self.carry().len(), 0);
        self.carry.take().map_or_else(Vec::new, |carry| *carry)
    }

    /// Carries these bytes from now on.
    pub(crate) fn set_carry(&mut self, bytes: Vec<u8>, pool: &mut BlockPool) {
        pool.count_input(self.carry().len(), bytes.len());
        self.carry = (!bytes.is_empty()).then(|| Box::new(bytes));
    }

    /// Ends it without waiting for anything.
    pub(crate) fn end_now(&mut self, closed: Closed, pool: &mut BlockPool) {
        self.machine.end_now(closed, pool);
    }

    /// The poller reported an error. A connection that is paused by hand would not learn of it by reading, and need
    /// not: nobody is there any more to be read from at leisure.
    pub(crate) fn notice_failure(&mut self) {
        let Some(socket) = self.socket.as_ref().filter(|_| self.machine.is_paused()) else { return };
        if let Ok(Some(errno)) = take_error(socket.as_fd()) {
            self.machine.read_failed(errno);
        }
    }

    /// It was brought to rest at the end of a turn: if nothing is to be done with it but to hand its input on and
    /// send its output, it flows.
    pub(crate) fn rest(&mut self) {
        self.flows = !(self.in_ready | self.in_discard | self.backlog) && self.machine.rests();
    }

    /// Whether input goes to the handler as it comes.
    pub(crate) fn has_no_input(&self) -> bool {
        self.framer.is_none() && self.carry.is_none()
    }

    /// EOF was seen and nothing waits: half a frame is an error then. Says whether that has come.
    pub(crate) fn check_end(&mut self, pool: &mut BlockPool) -> bool {
        let half =
            self.framer.is_some() && !self.carry().is_empty() && !self.backlog && self.machine.is_at_eof();
        if half {
            self.machine.close(CloseReason::Protocol, pool);
        }
        half
    }
}

/// The time-outs of a connection, in milliseconds of the server's clock. One timer looks after all of them: when
/// it is due it finds out what is, and is filed anew.
pub(crate) struct Timing {
    idle: u64,
    read: u64,
    write: u64,
    /// When something last came.
    came: u64,
    /// When something last came, or reading resumed.
    reads_from: u64,
    /// When the kernel last took something, or output began to wait.
    went: u64,
    pub(crate) timer: Option<TimerId>,
}

/// What a look at the time-outs gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Idle,
    Read,
    Write,
    /// Nothing yet: look again then.
    At(u64),
    /// There is no time-out.
    Never,
}

impl Timing {
    pub(crate) fn new(timeouts: Timeouts, now: u64) -> Self {
        let millis = crate::sys::clock::millis_up;
        let (idle, read, write) = (millis(timeouts.idle), millis(timeouts.read), millis(timeouts.write));
        Timing { idle, read, write, came: now, reads_from: now, went: now, timer: None }
    }

    pub(crate) fn came(&mut self, now: u64) {
        self.came = now;
        self.reads_from = now;
    }

    /// Reading was stopped, and resumes.
    pub(crate) fn reads_again(&mut self, now: u64) {
        self.reads_from = now;
    }

    /// Everything begins anew.
    pub(crate) fn restart(&mut self, now: u64) {
        self.came(now);
        self.went(now);
    }

    pub(crate) fn went(&mut self, now: u64) {
        self.went = now;
    }

    /// How long to wait before the next look, once a time-out was acted on: the write time-out goes on.
    pub(crate) fn recheck(&self) -> u64 {
        [self.write, self.read, self.idle].into_iter().find(|&length| length > 0).unwrap_or(1)
    }

    /// What is due at `now` for a connection that `reads`, and whose output is `stuck`.
    pub(crate) fn look(&self, now: u64, reads: bool, stuck: bool) -> Expiry {
        // A time-out whose condition does not hold is looked at again after its whole time.
        let due = |length: u64, from: u64, holds: bool| {
            (length > 0).then(|| if holds { from.saturating_add(length) } else { now.saturating_add(length) })
        };
        let write = due(self.write, self.went, stuck);
        let read = due(self.read, self.reads_from, reads);
        let idle = due(self.idle, self.came.max(self.went), true);
        let over = |at: Option<u64>| at.is_some_and(|at| at <= now);
        match (over(write), over(read), over(idle)) {
            (true, ..) => Expiry::Write,
            (_, true, _) => Expiry::Read,
            (.., true) => Expiry::Idle,
            _ => [write, read, idle].into_iter().flatten().min().map_or(Expiry::Never, Expiry::At),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timing(idle: u64, read: u64, write: u64) -> Timing {
        let ms = Duration::from_millis;
        Timing::new(Timeouts { idle: ms(idle), read: ms(read), write: ms(write) }, 1000)
    }

    #[test]
    fn each_time_out_counts_from_its_own_event() {
        let mut timing = timing(500, 100, 50);
        assert_eq!(timing.look(1000, true, true), Expiry::At(1050));
        timing.came(1040);
        timing.went(1030);
        assert_eq!(timing.look(1079, true, true), Expiry::At(1080));
        assert_eq!(timing.look(1080, true, true), Expiry::Write);
        assert_eq!(timing.look(1140, true, false), Expiry::Read);
        assert_eq!(timing.look(1540, false, false), Expiry::Idle);
    }

    #[test]
    fn what_does_not_hold_is_looked_at_again_later() {
        let read_only = timing(0, 100, 0);
        assert_eq!(read_only.look(5000, false, false), Expiry::At(5100));
        assert_eq!(read_only.look(5000, true, false), Expiry::Read);
        assert_eq!(Timing::new(Timeouts::default(), 0).look(9, true, true), Expiry::Never);
    }
}

//! One stream connection as a state machine. It does no I/O: the loop reads and writes, tells it what came of
//! that, and asks what to do next.
//!
//! ```text
//!                   close, handler error           queue sent
//!   Opening         .--------------------> Flushing ----------> Lingering ---> Over
//!        \         /                           \  EOF seen, broken              ^
//!         `--> Open --- EOF and all answered,   `-------------------------------|
//!               |       reset, overflow, abort --------------------------------'
//!               `--- detach ----> (leaves the engine)
//! ```

use std::num::NonZeroI32;
use std::sync::Arc;

use crate::conn::shared::ConnShared;
use crate::conn::stream::extra::Extra;
use crate::conn::stream::queue::OutQueue;
use crate::contract::action::{CloseReason, Closed};

mod ending;
mod flags;
mod output;
mod step;

use flags::{Flag, Flags};
pub(crate) use step::{Due, Reading, Refused, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What must happen before `on_open` has not happened; writes are queued.
    Opening,
    Open,
    /// Closed by this side: the queue is being sent, input is discarded.
    Flushing,
    /// Writing is shut down: input is discarded until EOF or the linger limit.
    Lingering,
    /// To be handed out.
    Detaching,
    /// Nothing is left to wait for.
    Over,
}

pub(crate) struct Machine {
    pub(crate) shared: Arc<ConnShared>,
    /// What few connections have.
    pub(crate) extra: Option<Box<Extra>>,
    out: OutQueue,
    /// Of a connection that is [broken](Flag::Broken), or of how it is over, where the system had a part in that.
    errno: Option<NonZeroI32>,
    flags: Flags,
    stage: Stage,
    /// While it is flushing or lingering, and when it is over: the number of the [`CloseReason`], which has one byte only.
    reason: u8,
}

impl Machine {
    /// A connection that has no socket yet.
    pub(crate) fn new(shared: Arc<ConnShared>, half_open: bool) -> Self {
        let mut flags = Flags::default();
        flags.set(Flag::HalfOpen, half_open);
        let (extra, out) = (None, OutQueue::default());
        Machine { shared, extra, out, errno: None, flags, stage: Stage::Opening, reason: 0 }
    }

    #[inline]
    fn is(&self, flag: Flag) -> bool {
        self.flags.has(flag)
    }

    #[inline]
    fn set(&mut self, flag: Flag, on: bool) {
        self.flags.set(flag, on);
    }

    /// Whether something has to happen before `on_open`.
    pub(crate) fn is_opening(&self) -> bool {
        self.stage == Stage::Opening
    }

    /// It is ready for the application.
    pub(crate) fn opened(&mut self) {
        if self.stage == Stage::Opening {
            self.stage = Stage::Open;
            self.set(Flag::Writable, true);
        }
    }

    /// The poller reported readiness.
    pub(crate) fn ready(&mut self, readable: bool, writable: bool) {
        if readable && !self.is(Flag::Eof) {
            self.set(Flag::Readable, true);
        }
        if writable {
            self.set(Flag::Writable, true);
        }
    }

    /// Whether it is open and waits for nothing but input, which anybody may have as it comes.
    pub(crate) fn rests(&self) -> bool {
        let otherwise = self.is(Flag::Eof)
            | self.is(Flag::Paused)
            | self.is(Flag::Held)
            | self.is(Flag::HeldByUser)
            | self.is(Flag::DrainDue)
            | self.is(Flag::Ended)
            | self.is(Flag::Readable);
        let at_rest = self.is_open() && !otherwise && !self.is(Flag::Broken) && !self.shared.owes_any();
        at_rest && self.is(Flag::Writable) && self.out.is_empty() && !self.has_completions()
    }

    /// Whether there is something to do before the next poll: input to take, or a callback that is due.
    /// `backlog` says that input was read and waits. Not while a batch is unanswered; but what the peer still
    /// sends to a closed connection is discarded all the same.
    pub(crate) fn wants_service(&self, backlog: bool) -> bool {
        let waits = self.is(Flag::Held) && self.stage == Stage::Open;
        let due = self.is(Flag::DrainDue) || self.owes_wake() || self.owes_eof(backlog);
        !waits && (due || self.reading() != Reading::No || (backlog && self.takes_input()))
    }

    /// Whether the handler may be given input.
    pub(crate) fn takes_input(&self) -> bool {
        let open = self.stage == Stage::Open && !self.is_stopped();
        open && (self.is(Flag::Broken) || !self.owes_drain())
    }

    /// What to do with input while the connection is served.
    pub(crate) fn reading(&self) -> Reading {
        match self.stage {
            _ if !self.is(Flag::Readable) => Reading::No,
            Stage::Open if self.takes_input() => Reading::Deliver,
            Stage::Flushing | Stage::Lingering => Reading::Discard,
            Stage::Open | Stage::Opening | Stage::Detaching | Stage::Over => Reading::No,
        }
    }

    /// A read gave bytes.
    pub(crate) fn received(&mut self, len: usize) {
        self.shared.count_received(len);
    }

    /// Whether there may be more to read.
    pub(crate) fn set_readable(&mut self, more: bool) {
        self.set(Flag::Readable, more);
    }

    /// Whether what there was to read was used up, and more may come.
    pub(crate) fn is_drained(&self) -> bool {
        !self.is(Flag::Readable) && !self.is(Flag::Eof)
    }

    pub(crate) fn read_would_block(&mut self) {
        self.set(Flag::Readable, false);
        // Writing is broken and nothing is left to read: waiting for an end of file may take for ever.
        if self.is(Flag::Broken) {
            self.set(Flag::Eof, true);
        }
    }

    pub(crate) fn received_eof(&mut self) {
        self.set(Flag::Eof, true);
        self.set(Flag::Readable, false);
    }

    pub(crate) fn read_failed(&mut self, errno: i32) {
        self.received_eof();
        self.shared.close();
        self.break_with(errno);
    }

    /// Whether EOF was seen, of an open connection that works.
    pub(crate) fn is_at_eof(&self) -> bool {
        self.is(Flag::Eof) && !self.is(Flag::Broken) && self.stage == Stage::Open
    }

    /// Whether it is open, and not closed or detached by this side.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Whether it waits to be handed out.
    pub(crate) fn is_detaching(&self) -> bool {
        self.stage == Stage::Detaching && !self.is(Flag::Broken)
    }

    /// Output waits for a peer that takes none; not if it was written in this turn and will be offered yet.
    pub(crate) fn is_stuck(&self) -> bool {
        let waits = !self.out.is_empty() && !self.is(Flag::Writable);
        waits && !matches!(self.stage, Stage::Opening | Stage::Over)
    }

    pub(crate) fn hold(&mut self) {
        self.set(Flag::Held, true);
    }

    /// Whether the end of file waits, and the idle and the read time-out: for the answer to a batch, or for the user.
    pub(crate) fn is_held(&self) -> bool {
        self.is(Flag::Held) || self.is(Flag::HeldByUser)
    }

    /// The user holds it once more, or once less. Calls of several threads may come in another order than they were made in,
    /// so the number may be below zero for a moment. Says whether the user holds it no longer.
    pub(crate) fn change_holds(&mut self, change: i32) -> bool {
        let extra = self.extra();
        extra.holds = extra.holds.wrapping_add(change);
        let held = extra.holds > 0;
        self.set(Flag::HeldByUser, held);
        !held
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is(Flag::Paused)
    }

    /// Whether it is not read, by the user's wish.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is(Flag::Paused) || self.is(Flag::HeldByUser)
    }

    pub(crate) fn release(&mut self) {
        self.set(Flag::Held, false);
    }

    /// Stops or resumes reading, by the handler's wish.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.set(Flag::Paused, paused);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is(Flag::Broken)
    }

    /// Its time-outs were set by a call: what it would begin with does not count any more.
    pub(crate) fn choose_timeouts(&mut self) {
        self.set(Flag::TimeoutsChosen, true);
    }

    pub(crate) fn has_chosen_timeouts(&self) -> bool {
        self.is(Flag::TimeoutsChosen)
    }

    /// Whether input is wanted, be there some or not.
    pub(crate) fn awaits_input(&self) -> bool {
        self.takes_input() && !self.is(Flag::Eof) && !self.is(Flag::Held)
    }

    /// What to do next; `backlog` says that input was read and waits to be delivered.
    pub(crate) fn next_step(&self, backlog: bool) -> Step {
        if self.stage == Stage::Over {
            return Step::Close { closed: self.closed(), all_sent: false };
        }
        if self.is(Flag::Eof) && self.is(Flag::Broken) {
            return Step::Close { closed: self.broken_by(), all_sent: false };
        }
        match self.stage {
            Stage::Opening => return Step::Wait,
            // What is being handled may come back, to be handed out as well.
            Stage::Detaching if self.is(Flag::Held) => return Step::Wait,
            Stage::Detaching => return Step::Detach,
            _ if self.out.is_empty() => {}
            _ if self.is(Flag::Writable) => return Step::Flush,
            _ => return Step::Wait,
        }
        let all_handed_in = !self.is(Flag::Broken) && self.shared.unsent() == 0;
        match self.stage {
            Stage::Open if self.is_finished(backlog) => {
                Step::Close { closed: Closed::by(CloseReason::Eof), all_sent: true }
            }
            Stage::Open if self.is(Flag::Ended) && all_handed_in => Step::ShutdownWrite,
            Stage::Flushing if self.is(Flag::Eof) => Step::Close { closed: self.closed(), all_sent: true },
            Stage::Flushing if all_handed_in => Step::ShutdownWrite,
            Stage::Lingering if self.is(Flag::Eof) => Step::Close { closed: self.closed(), all_sent: false },
            _ => Step::Wait,
        }
    }

    /// Whether an open connection has come to its end: EOF was seen, the handler has had everything before it,
    /// and with `half_open` has ended its side.
    fn is_finished(&self, backlog: bool) -> bool {
        let handled = !self.is_held() && !self.is(Flag::DrainDue) && !self.owes_drain() && !backlog;
        self.is(Flag::Eof)
            && handled
            && (!self.is(Flag::HalfOpen) || (self.is(Flag::EofTold) && self.is(Flag::WriteIsShut)))
    }

    fn owes_drain(&self) -> bool {
        self.shared.owes_drain()
    }

    fn owes_wake(&self) -> bool {
        self.stage == Stage::Open && self.shared.is_woken()
    }

    fn owes_eof(&self, backlog: bool) -> bool {
        let handled = !self.is(Flag::Held) && !backlog;
        let owed = self.is(Flag::HalfOpen) && !self.is(Flag::EofTold);
        owed && self.is_at_eof() && handled && self.takes_input()
    }

    /// Whether `on_drain` is owed and the queue has come to the low-water mark.
    pub(crate) fn is_relieved(&self, low_water: usize) -> bool {
        self.owes_drain() && self.shared.unsent() <= low_water
    }

    /// Ends pressure once the queue is at the low-water mark: `on_drain` is then due. Says whether it did.
    pub(crate) fn relieve(&mut self, low_water: usize) -> bool {
        let relieved = self.is_relieved(low_water);
        if relieved {
            self.shared.pay_drain();
            self.set(Flag::DrainDue, self.shared.is_live());
        }
        relieved
    }

    /// The next callback that is due apart from input; asking takes it.
    pub(crate) fn take_due(&mut self, backlog: bool) -> Option<Due> {
        if self.flags.take(Flag::DrainDue) && self.shared.is_live() {
            return Some(Due::Drain);
        }
        if self.stage == Stage::Open && self.shared.take_woken() {
            return Some(Due::Wake);
        }
        if self.owes_eof(backlog) {
            self.set(Flag::EofTold, true);
            return Some(Due::Eof);
        }
        None
    }
}

#[cfg(test)]
mod tests;

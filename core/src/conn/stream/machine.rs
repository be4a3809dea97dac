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
use crate::conn::stream::completions::Completions;
use crate::conn::stream::queue::{BlockPool, OutQueue};
use crate::contract::action::{CloseReason, Closed};

mod output;
mod step;

pub(crate) use step::{Due, Reading, Refused, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What must happen before `on_open` has not happened; writes are queued.
    Opening,
    Open,
    /// Closed by this side: the queue is being sent, input is discarded.
    Flushing(Closed),
    /// Writing is shut down: input is discarded until EOF or the linger limit.
    Lingering(Closed),
    /// To be handed out.
    Detaching,
    /// Nothing is left to wait for.
    Over(Closed),
}

pub(crate) struct Machine {
    pub(crate) shared: Arc<ConnShared>,
    out: OutQueue,
    stage: Stage,
    /// The errno of a failed write. Reading goes on: what the peer sent before it vanished is still
    /// delivered.
    broken: Option<NonZeroI32>,
    readable: bool,
    writable: bool,
    eof: bool,
    /// EOF is told to the handler, instead of ending the connection.
    half_open: bool,
    eof_told: bool,
    /// Writing is to be shut down behind the queue, by `end`; and it is.
    ended: bool,
    write_is_shut: bool,
    /// Not read, by the handler's wish.
    paused: bool,
    /// A batch with this connection's events is unanswered.
    held: bool,
    drain_due: bool,
    /// It was given up: the peer must not take what it has for all there was.
    resets: bool,
    completions: Completions,
}

impl Machine {
    /// A connection that has no socket yet.
    pub(crate) fn new(shared: Arc<ConnShared>, half_open: bool) -> Self {
        Machine {
            shared,
            out: OutQueue::default(),
            stage: Stage::Opening,
            broken: None,
            readable: false,
            writable: false,
            eof: false,
            half_open,
            eof_told: false,
            ended: false,
            write_is_shut: false,
            paused: false,
            held: false,
            drain_due: false,
            resets: false,
            completions: Completions::default(),
        }
    }

    /// Whether something has to happen before `on_open`.
    pub(crate) fn is_opening(&self) -> bool {
        self.stage == Stage::Opening
    }

    /// It is ready for the application.
    pub(crate) fn opened(&mut self) {
        if self.stage == Stage::Opening {
            self.stage = Stage::Open;
            self.writable = true;
        }
    }

    /// The poller reported readiness.
    pub(crate) fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable && !self.eof;
        self.writable |= writable;
    }

    /// Whether it is open and waits for nothing but input, which anybody may have as it comes.
    pub(crate) fn rests(&self) -> bool {
        let otherwise = self.eof | self.paused | self.held | self.drain_due | self.ended | self.readable;
        let at_rest = self.is_open() && !otherwise && self.broken.is_none() && !self.shared.owes_any();
        at_rest && self.writable && self.out.is_empty() && self.completions.is_empty()
    }

    /// Whether there is something to do before the next poll: input to take, or a callback that is due.
    /// `backlog` says that input was read and waits. Not while a batch is unanswered; but what the peer still
    /// sends to a closed connection is discarded all the same.
    pub(crate) fn wants_service(&self, backlog: bool) -> bool {
        let waits = self.held && self.stage == Stage::Open;
        let due = self.drain_due || self.owes_wake() || self.owes_eof(backlog);
        !waits && (due || self.reading() != Reading::No || (backlog && self.takes_input()))
    }

    /// Whether the handler may be given input.
    pub(crate) fn takes_input(&self) -> bool {
        self.stage == Stage::Open && !self.paused && (self.broken.is_some() || !self.owes_drain())
    }

    /// What to do with input while the connection is served.
    pub(crate) fn reading(&self) -> Reading {
        match self.stage {
            _ if !self.readable => Reading::No,
            Stage::Open if self.takes_input() => Reading::Deliver,
            Stage::Flushing(_) | Stage::Lingering(_) => Reading::Discard,
            Stage::Open | Stage::Opening | Stage::Detaching | Stage::Over(_) => Reading::No,
        }
    }

    /// A read gave bytes; `more` says that there may be more.
    pub(crate) fn received(&mut self, len: usize, more: bool) {
        self.shared.count_received(len);
        self.readable = more;
    }

    /// Whether what there was to read was used up, and more may come.
    pub(crate) fn is_drained(&self) -> bool {
        !self.readable && !self.eof
    }

    pub(crate) fn read_would_block(&mut self) {
        self.readable = false;
        // Writing is broken and nothing is left to read: waiting for an end of file may take for ever.
        self.eof |= self.broken.is_some();
    }

    pub(crate) fn received_eof(&mut self) {
        self.eof = true;
        self.readable = false;
    }

    pub(crate) fn read_failed(&mut self, errno: i32) {
        self.received_eof();
        self.shared.close();
        self.broken.get_or_insert(NonZeroI32::new(errno).unwrap_or(NonZeroI32::MAX));
    }

    /// Whether EOF was seen, of an open connection that works.
    pub(crate) fn is_at_eof(&self) -> bool {
        self.eof && self.broken.is_none() && self.stage == Stage::Open
    }

    /// Whether it is open, and not closed or detached by this side.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// This side shuts its writing down: what is queued is sent first. Reading goes on.
    pub(crate) fn end(&mut self) {
        self.shared.end();
        self.ended = true;
    }

    /// This side ends the connection: what is queued is sent first.
    pub(crate) fn close(&mut self, reason: CloseReason, pool: &mut BlockPool) {
        self.shared.close();
        match self.stage {
            Stage::Open => self.stage = Stage::Flushing(Closed::by(reason)),
            Stage::Opening => self.end_now(Closed::by(reason), pool),
            _ => {}
        }
    }

    /// A callback failed: that outdoes a close or detach that it had asked for.
    pub(crate) fn fail(&mut self, pool: &mut BlockPool) {
        let failed = Closed::by(CloseReason::HandlerError);
        match self.stage {
            Stage::Flushing(Closed { reason: CloseReason::LocalClose, .. }) | Stage::Detaching => {
                self.stage = Stage::Flushing(failed);
            }
            _ => self.close(CloseReason::HandlerError, pool),
        }
    }

    /// The connection ends without waiting for anything.
    pub(crate) fn end_now(&mut self, closed: Closed, pool: &mut BlockPool) {
        self.shared.close();
        if !matches!(self.stage, Stage::Over(_)) {
            self.stage = Stage::Over(closed);
            self.resets = !self.out.is_empty()
                || matches!(
                    closed.reason,
                    CloseReason::Abort | CloseReason::TimedOut | CloseReason::Overflow
                );
        }
        self.drop_output(pool);
    }

    /// Whether closing the descriptor resets the connection.
    pub(crate) fn resets(&self) -> bool {
        self.resets
    }

    /// The descriptor is to be handed out; not of a connection that is closed or not made yet.
    pub(crate) fn detach(&mut self) -> bool {
        let detaches = self.stage == Stage::Open && self.broken.is_none();
        if detaches {
            self.shared.close();
            self.stage = Stage::Detaching;
        }
        detaches
    }

    /// How it ends if the server stops now.
    pub(crate) fn closed_by_stop(&self) -> Closed {
        match (self.stage, self.broken) {
            (Stage::Flushing(closed) | Stage::Lingering(closed) | Stage::Over(closed), _) => closed,
            (Stage::Open | Stage::Detaching, Some(errno)) => Closed::reset(errno.get()),
            (Stage::Open | Stage::Detaching | Stage::Opening, _) => Closed::by(CloseReason::Shutdown),
        }
    }

    /// Writing was shut down; says whether the connection lingers now.
    pub(crate) fn write_shut_down(&mut self) -> bool {
        self.ended = false;
        if let Stage::Flushing(closed) = self.stage {
            self.stage = Stage::Lingering(closed);
            return true;
        }
        self.write_is_shut = true;
        false
    }

    /// The linger limit is over; says whether it mattered.
    pub(crate) fn linger_over(&mut self) -> bool {
        let Stage::Lingering(closed) = self.stage else { return false };
        self.stage = Stage::Over(closed);
        true
    }

    /// It is being closed for a fault of its own, and its output waits: the rest of it is sent as long as the peer
    /// takes some.
    pub(crate) fn flushes_a_fault(&self) -> Option<Closed> {
        match self.stage {
            Stage::Flushing(closed) if closed.reason != CloseReason::LocalClose && !self.out.is_empty() => {
                Some(closed)
            }
            _ => None,
        }
    }

    /// Output waits for a peer that takes none; not if it was written in this turn and will be offered yet.
    pub(crate) fn is_stuck(&self) -> bool {
        let waits = !self.out.is_empty() && !self.writable;
        waits && !matches!(self.stage, Stage::Opening | Stage::Over(_))
    }

    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Stops or resumes reading, by the handler's wish.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether input is wanted, be there some or not.
    pub(crate) fn awaits_input(&self) -> bool {
        self.takes_input() && !self.eof && !self.held
    }

    /// What to do next; `backlog` says that input was read and waits to be delivered.
    pub(crate) fn next_step(&self, backlog: bool) -> Step {
        if let Stage::Over(closed) = self.stage {
            return Step::Close { closed, all_sent: false };
        }
        if self.eof {
            if let Some(errno) = self.broken {
                return Step::Close { closed: self.broken_by(errno.get()), all_sent: false };
            }
        }
        match self.stage {
            Stage::Opening => return Step::Wait,
            Stage::Detaching => return Step::Detach,
            _ if self.out.is_empty() => {}
            _ if self.writable => return Step::Flush,
            _ => return Step::Wait,
        }
        let all_handed_in = self.broken.is_none() && self.shared.unsent() == 0;
        match self.stage {
            Stage::Open if self.is_finished(backlog) => {
                Step::Close { closed: Closed::by(CloseReason::Eof), all_sent: true }
            }
            Stage::Open if self.ended && all_handed_in => Step::ShutdownWrite,
            Stage::Flushing(closed) if self.eof => Step::Close { closed, all_sent: true },
            Stage::Flushing(_) if all_handed_in => Step::ShutdownWrite,
            Stage::Lingering(closed) if self.eof => Step::Close { closed, all_sent: false },
            _ => Step::Wait,
        }
    }

    fn broken_by(&self, errno: i32) -> Closed {
        match self.stage {
            Stage::Flushing(closed) | Stage::Lingering(closed) | Stage::Over(closed) => closed,
            Stage::Open | Stage::Opening | Stage::Detaching => Closed::reset(errno),
        }
    }

    /// Whether an open connection has come to its end: EOF was seen, the handler has had everything before it,
    /// and with `half_open` has ended its side.
    fn is_finished(&self, backlog: bool) -> bool {
        let handled = !self.held && !self.drain_due && !self.owes_drain() && !backlog;
        self.eof && handled && (!self.half_open || (self.eof_told && self.write_is_shut))
    }

    fn owes_drain(&self) -> bool {
        self.shared.owes_drain()
    }

    fn owes_wake(&self) -> bool {
        self.stage == Stage::Open && self.shared.is_woken()
    }

    fn owes_eof(&self, backlog: bool) -> bool {
        let handled = !self.held && !backlog;
        self.half_open && !self.eof_told && self.is_at_eof() && handled && self.takes_input()
    }

    /// Ends pressure once the queue is at the low-water mark: `on_drain` is then due. Says whether it did.
    pub(crate) fn relieve(&mut self, low_water: usize) -> bool {
        let relieved = self.owes_drain() && self.shared.unsent() <= low_water;
        if relieved {
            self.shared.pay_drain();
            self.drain_due = self.shared.is_live();
        }
        relieved
    }

    /// The next callback that is due apart from input; asking takes it.
    pub(crate) fn take_due(&mut self, backlog: bool) -> Option<Due> {
        if std::mem::take(&mut self.drain_due) && self.shared.is_live() {
            return Some(Due::Drain);
        }
        if self.stage == Stage::Open && self.shared.take_woken() {
            return Some(Due::Wake);
        }
        if self.owes_eof(backlog) {
            self.eof_told = true;
            return Some(Due::Eof);
        }
        None
    }
}

#[cfg(test)]
mod tests;

//! The end of a connection, by whichever side or fault.

use std::num::NonZeroI32;
use std::time::Duration;

use super::{Flag, Machine, Stage};
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::{CloseReason, Closed};
use crate::contract::config::Config;

impl Machine {
    pub(super) fn begin_closing(&mut self, reason: CloseReason) {
        self.stage = Stage::Flushing;
        self.reason = reason as u8;
    }

    /// Nothing is left to wait for.
    pub(super) fn be_over(&mut self, closed: Closed) {
        self.stage = Stage::Over;
        self.reason = closed.reason as u8;
        self.errno = closed.errno.and_then(NonZeroI32::new);
    }

    /// How it ends, while it does.
    pub(super) fn closed(&self) -> Closed {
        let known = CloseReason::ALL.into_iter().find(|reason| *reason as i32 == i32::from(self.reason));
        let errno = self.errno.filter(|_| self.stage == Stage::Over);
        // Every reason is one of them: the other would only hide a defect here.
        let reason = known.unwrap_or(CloseReason::HandlerError);
        Closed { reason, errno: errno.map(NonZeroI32::get) }
    }

    /// A read or a write failed; the first counts.
    pub(super) fn break_with(&mut self, errno: i32) {
        if self.stage != Stage::Over && !self.is(Flag::Broken) {
            self.errno = Some(NonZeroI32::new(errno).unwrap_or(NonZeroI32::MAX));
        }
        self.set(Flag::Broken, true);
    }

    /// This side shuts its writing down: what is queued is sent first. Reading goes on.
    pub(crate) fn end(&mut self) {
        self.shared.end();
        self.set(Flag::Ended, true);
    }

    /// This side ends the connection: what is queued is sent first.
    pub(crate) fn close(&mut self, reason: CloseReason, pool: &mut BlockPool) {
        self.shared.close();
        match self.stage {
            Stage::Open => self.begin_closing(reason),
            Stage::Opening => self.end_now(Closed::by(reason), pool),
            _ => {}
        }
    }

    /// A callback failed: that outdoes a close or detach that it had asked for.
    pub(crate) fn fail(&mut self, pool: &mut BlockPool) {
        let closes = self.stage == Stage::Flushing && self.closed().reason == CloseReason::LocalClose;
        match self.stage {
            Stage::Detaching => self.begin_closing(CloseReason::HandlerError),
            _ if closes => self.begin_closing(CloseReason::HandlerError),
            _ => self.close(CloseReason::HandlerError, pool),
        }
    }

    /// The connection ends without waiting for anything.
    pub(crate) fn end_now(&mut self, closed: Closed, pool: &mut BlockPool) {
        self.shared.close();
        if self.stage != Stage::Over {
            self.be_over(closed);
            if matches!(closed.reason, CloseReason::Abort | CloseReason::TimedOut | CloseReason::Overflow) {
                self.set(Flag::Resets, true);
            }
        }
        self.drop_output(pool);
    }

    /// Whether it was given up, or bytes were dropped that had been accepted.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is(Flag::Resets)
    }

    /// Whether closing the descriptor now resets the connection: also if that drops what is still queued.
    pub(crate) fn resets(&self) -> bool {
        self.is(Flag::Resets) || !self.out.is_empty()
    }

    /// The loop has ended: what another thread has written and not handed in yet will not come.
    pub(crate) fn lose_handed_in(&mut self) {
        if self.shared.unsent() > 0 {
            self.set(Flag::Resets, true);
        }
    }

    /// The descriptor is to be handed out; not of a connection that is closed or not made yet.
    pub(crate) fn detach(&mut self) -> bool {
        let detaches = self.stage == Stage::Open && !self.is(Flag::Broken);
        if detaches {
            self.shared.close();
            self.stage = Stage::Detaching;
        }
        detaches
    }

    /// How it ends if the server stops now.
    pub(crate) fn closed_by_stop(&self) -> Closed {
        match self.stage {
            Stage::Flushing | Stage::Lingering | Stage::Over => self.closed(),
            Stage::Open | Stage::Detaching if self.is(Flag::Broken) => self.broken_by(),
            Stage::Open | Stage::Detaching | Stage::Opening => Closed::by(CloseReason::Shutdown),
        }
    }

    /// Writing was shut down; says whether the connection lingers now.
    pub(crate) fn write_shut_down(&mut self) -> bool {
        self.set(Flag::Ended, false);
        if self.stage == Stage::Flushing {
            self.stage = Stage::Lingering;
            return true;
        }
        self.set(Flag::WriteIsShut, true);
        false
    }

    /// The linger limit is over; says whether it mattered.
    pub(crate) fn linger_over(&mut self) -> bool {
        let lingers = self.stage == Stage::Lingering;
        if lingers {
            self.be_over(self.closed());
        }
        lingers
    }

    /// It is being closed for a fault of its own.
    fn flushes_a_fault(&self) -> Option<Closed> {
        let flushes = self.stage == Stage::Flushing;
        flushes.then(|| self.closed()).filter(|closed| closed.reason != CloseReason::LocalClose)
    }

    /// It is closing, and its output waits: what becomes of it if its peer takes nothing for that long. One that is closed
    /// for a fault has no more time than to linger.
    pub(crate) fn stalled(&self, config: &Config) -> Option<(Duration, Closed)> {
        let ended = self.is(Flag::Eof) && (!self.is(Flag::HalfOpen) || self.is(Flag::Ended));
        let closing = self.stage == Stage::Flushing || (self.stage == Stage::Open && ended);
        if !closing || self.out.is_empty() {
            return None;
        }
        Some(match self.flushes_a_fault() {
            Some(closed) => (config.linger, closed),
            None => (config.stall_limit, Closed::by(CloseReason::TimedOut)),
        })
    }

    pub(super) fn broken_by(&self) -> Closed {
        match self.stage {
            Stage::Flushing | Stage::Lingering | Stage::Over => self.closed(),
            Stage::Open | Stage::Opening | Stage::Detaching => {
                Closed::reset(self.errno.map_or(0, NonZeroI32::get))
            }
        }
    }
}

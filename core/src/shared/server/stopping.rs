//! How a server comes to its end: how far the stop has come, and who waits for it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ServerState;
use crate::base::millis::deadline;
use crate::contract::config::Config;
use crate::shared::accept_box::AcceptBox;
use crate::sys::waker::Waker;

/// Nobody has asked the server to stop.
pub(super) const GOING: u8 = 0;
/// A graceful stop was asked for, and `on_stopping` is owed.
const ASKED: u8 = 1;
/// The listeners close, and connections finish.
const DRAINING: u8 = 2;
/// The loops end.
const ENDING: u8 = 3;

impl ServerState {
    /// Async-signal-safe.
    pub(crate) fn stop(&self) {
        self.stop.store(ENDING, Ordering::SeqCst);
        self.wake_all();
    }

    /// Async-signal-safe.
    pub(crate) fn stop_gracefully(&self, limit: Duration) {
        let limit = if limit.is_zero() { self.config.stop_deadline } else { limit.min(Config::MAX_LINGER) };
        self.drain_until.fetch_min(deadline(self.clock.now(), limit), Ordering::SeqCst);
        let asked = self.stop.compare_exchange(GOING, ASKED, Ordering::SeqCst, Ordering::SeqCst);
        // Before the start there is nothing to finish.
        if asked.is_ok() && !self.is_started() {
            return self.stop();
        }
        self.wake_all();
    }

    /// Wakes everybody who may have to look at the stop.
    fn wake_all(&self) {
        // After a fork the threads are the parent's, and the child must leave them alone.
        if self.is_started_here() {
            self.wake_loops();
            self.accepting.get().into_iter().for_each(AcceptBox::wake);
        }
    }

    /// `on_stopping` was called: the loops close their listeners and let the connections finish.
    pub(crate) fn begin_draining(&self) {
        // Unless it was told meanwhile to stop at once.
        let began = self.stop.compare_exchange(ASKED, DRAINING, Ordering::SeqCst, Ordering::SeqCst);
        if began.is_ok() {
            self.wake_all();
        }
    }

    /// A loop has let in who had connected, and closed its listeners.
    pub(crate) fn loop_drains(&self) {
        self.drained.fetch_add(1, Ordering::SeqCst);
        self.connection_ended();
    }

    /// A connection is gone: when the last goes, a graceful stop is over.
    pub(crate) fn connection_ended(&self) {
        let all_gone = || {
            let dealt = self.accepting().is_none_or(AcceptBox::is_done);
            let drained = self.drained.load(Ordering::SeqCst) == self.mailboxes().len();
            drained && dealt && self.mailboxes().iter().all(|mailbox| mailbox.load() == 0)
        };
        if self.is_draining() && all_gone() {
            self.stop();
        }
    }

    /// Whether a stop of either kind was asked for.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst) != GOING
    }

    pub(crate) fn is_drain_asked(&self) -> bool {
        self.stop.load(Ordering::SeqCst) == ASKED
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.stop.load(Ordering::SeqCst) == DRAINING
    }

    /// Whether nobody is to be accepted any more.
    pub(crate) fn listeners_are_closing(&self) -> bool {
        self.stop.load(Ordering::SeqCst) >= DRAINING
    }

    /// Whether the loops are to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.stop.load(Ordering::SeqCst) == ENDING
    }

    /// Whether loop `index`, which `drains` already or not, has to look at the stop before it sleeps.
    pub(crate) fn wants_attention(&self, index: usize, drains: bool) -> bool {
        match self.stop.load(Ordering::SeqCst) {
            GOING => false,
            // Loop 0 calls on_stopping, and then tells the others.
            ASKED => index == 0,
            DRAINING => !drains,
            _ => true,
        }
    }

    /// When the graceful stop is over, in milliseconds of the clock.
    pub(crate) fn drain_deadline(&self) -> Option<u64> {
        Some(self.drain_until.load(Ordering::SeqCst)).filter(|&at| at != u64::MAX)
    }

    /// A thread has ended; says whether it was the last.
    pub(crate) fn thread_ended(&self) -> bool {
        self.running.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Everything has ended: whoever waits goes on.
    pub(crate) fn has_ended(&self) {
        self.ended.get().into_iter().for_each(Waker::wake);
    }

    /// Readable when everything has ended; `None` before the start.
    pub(crate) fn ended(&self) -> Option<&Waker> {
        self.ended.get()
    }
}

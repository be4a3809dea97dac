//! What the loop's timers do, and how they are started and ended.

use std::time::Duration;

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::millis::{deadline, millis_up};
use crate::base::timer::TimerId;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::timing::Timing;
use crate::contract::config::Timeouts;
use crate::shared::handle::Handle;
use crate::shared::mailbox::closed_error;

/// What a timer of the loop's does.
pub(crate) enum Alarm {
    /// `on_tick`.
    Tick,
    /// A function of the user's, and the milliseconds of its repeat; `None` while it runs.
    Loop(Option<LoopTimer>, u64),
    /// `on_timer` of a connection, and the milliseconds of its repeat.
    Conn(ConnId, u64),
    /// Look after a connection's time-outs.
    Timeouts(ConnId),
    /// Connecting or lingering took too long.
    Deadline(ConnId),
    /// An outgoing connection tries its next address, or the same once more.
    Attempt(ConnId),
    /// The server has run for a while.
    Settled,
}

/// What a loop's timer calls.
pub(crate) type LoopTimer = Box<dyn FnMut(&Handle)>;

impl LoopState {
    pub(crate) fn set_timeouts(&self, id: ConnId, entry: &mut StreamEntry, timeouts: Timeouts) {
        let mut timers = self.timers.borrow_mut();
        let before = entry.timing().and_then(|timing| timing.timer);
        before.into_iter().for_each(|timer| drop(timers.cancel(timer)));
        let shortest =
            [timeouts.idle, timeouts.read, timeouts.write].into_iter().filter(|time| !time.is_zero());
        let Some(shortest) = shortest.min() else {
            if entry.has_timing() {
                entry.clocks().timing = None;
            }
            return;
        };
        let now = self.moment();
        let mut timing = Timing::new(timeouts, now);
        // Without an id for a timer there are 16 million of them: nothing to do but to go on without.
        timing.timer = timers.insert(deadline(now, shortest), Alarm::Timeouts(id)).ok();
        entry.clocks().timing = Some(timing);
    }

    pub(crate) fn start_conn_timer(&self, id: ConnId, delay: Duration, repeat: Duration) -> Result<TimerId> {
        if !self.shared(id)?.is_live() {
            return Err(closed_error(id));
        }
        if self.conns.borrow_mut().slab.stream_mut(id).is_some_and(|entry| entry.machine.is_opening()) {
            let message = format!("connection {id} is not made yet: start its timers in on_open");
            return Err(Error::new(ErrorKind::WrongState, message));
        }
        let timer = self.insert_timer(delay, Alarm::Conn(id, millis_up(repeat)))?;
        if let Some(entry) = self.conns.borrow_mut().slab.stream_mut(id) {
            let timers = &mut entry.clocks().timers;
            // Those that are over are forgotten before the list grows.
            if timers.len() == timers.capacity() {
                let mut wheel = self.timers.borrow_mut();
                timers.retain(|timer| wheel.get_mut(*timer).is_some());
            }
            timers.push(timer);
        }
        Ok(timer)
    }

    pub(crate) fn start_loop_timer(
        &self,
        delay: Duration,
        repeat: Duration,
        call: LoopTimer,
    ) -> Result<TimerId> {
        self.server().shared.excuses.nowhere();
        self.insert_timer(delay, Alarm::Loop(Some(call), millis_up(repeat)))
    }

    fn insert_timer(&self, delay: Duration, alarm: Alarm) -> Result<TimerId> {
        let inserted = self.timers.borrow_mut().insert(deadline(self.now.get(), delay), alarm);
        inserted.map_err(|refused| {
            drop(refused);
            Error::new(ErrorKind::InvalidArgument, "the loop has as many timers as there are ids")
        })
    }

    pub(crate) fn cancel_timer(&self, timer: TimerId) -> bool {
        let is_users = |alarm: &mut Alarm| matches!(alarm, Alarm::Loop(..) | Alarm::Conn(..));
        let users = self.timers.borrow_mut().get_mut(timer).is_some_and(is_users);
        // The function is dropped without a borrow: what it owns is the user's.
        let cancelled = if users { self.timers.borrow_mut().cancel(timer) } else { None };
        cancelled.is_some()
    }
}

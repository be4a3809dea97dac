//! What the turn does about time: ticks, timers, time-outs.

use std::time::Duration;

use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::base::millis::deadline;
use crate::base::panics::report;
use crate::base::timer::TimerId;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::timing::Expiry;
use crate::contract::action::{CloseReason, Closed};
use crate::delivery::event::Event;
use crate::loop_state::{Alarm, LoopTimer};

/// What a timer that is due asks for, taken out of the wheel.
enum Due {
    Tick,
    Loop(LoopTimer, u64),
    Conn(ConnId, u64),
    Timeouts(ConnId),
    Deadline(ConnId),
    Attempt(ConnId),
    Settled,
}

/// How long a server may run without anything to do before that is told: who starts it first listens soon.
const SETTLING: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Ticks begin with the first turn of loop 0.
    pub(crate) fn start_ticking(&mut self) {
        if self.state.index == 0 {
            self.file_tick(Duration::ZERO);
            self.look_whether_it_listens();
        }
    }

    fn look_whether_it_listens(&self) {
        if self.state.server().shared.listeners().is_empty() {
            let at = deadline(self.state.now.get(), SETTLING);
            drop(self.state.timers.borrow_mut().insert(at, Alarm::Settled));
        }
    }

    fn file_tick(&mut self, delay: Duration) {
        let at = match delay.is_zero() {
            true => self.state.now.get(),
            false => deadline(self.state.now.get(), delay),
        };
        drop(self.state.timers.borrow_mut().insert(at, Alarm::Tick));
    }

    /// Does what is due at the turn's time.
    pub(super) fn expire_timers(&mut self) {
        let now = self.state.now.get();
        while let Some((timer, due)) = self.next_due_timer(now) {
            self.state.metrics().timers_fired.add(1);
            match due {
                Due::Tick => self.tick(),
                Due::Loop(call, repeat) => self.call_loop_timer(timer, call, repeat),
                Due::Conn(id, repeat) => self.call_conn_timer(timer, id, repeat),
                Due::Timeouts(id) => self.look_at_timeouts(timer, id),
                Due::Deadline(id) => self.deadline_over(id),
                Due::Attempt(id) => self.attempt_due(id),
                Due::Settled => self.state.server().shared.tell_if_nowhere(),
            }
        }
    }

    /// The next timer that is due, and what it asks for. One that does not repeat has left the wheel.
    fn next_due_timer(&mut self, now: u64) -> Option<(TimerId, Due)> {
        let mut timers = self.state.timers.borrow_mut();
        let (timer, at) = timers.expire(now)?;
        let due = match timers.get_mut(timer)? {
            Alarm::Tick => Due::Tick,
            Alarm::Deadline(id) => Due::Deadline(*id),
            Alarm::Attempt(id) => Due::Attempt(*id),
            Alarm::Settled => Due::Settled,
            Alarm::Timeouts(id) => return Some((timer, Due::Timeouts(*id))),
            Alarm::Conn(id, repeat) => Due::Conn(*id, *repeat),
            // It has left its place while it runs; nobody but this loop runs it.
            Alarm::Loop(call, repeat) => Due::Loop(call.take()?, *repeat),
        };
        match due {
            Due::Loop(_, repeat) | Due::Conn(_, repeat) if repeat > 0 => {
                // Counted from when it was due, so that it does not drift; what was missed is left out.
                timers.reschedule(timer, at.saturating_add(repeat).max(now + 1));
            }
            _ => drop(timers.cancel(timer)),
        }
        Some((timer, due))
    }

    fn tick(&mut self) {
        let mut next = None;
        match self.call(|state, receiver| receiver.event(Event::Tick(state.server(), &mut next))) {
            Ok(_) => match next {
                None => return,
                Some(delay) => {
                    self.state.server().shared.excuses.nowhere();
                    self.tick = delay;
                }
            },
            Err(panic) => report(format_args!("on_tick panicked: {panic}")),
        }
        self.file_tick(self.tick);
    }

    fn call_loop_timer(&mut self, timer: TimerId, mut call: LoopTimer, repeat: u64) {
        if let Err(panic) = self.call(|state, _| call(state.server())) {
            report(format_args!("a timer panicked: {panic}"));
        }
        let mut call = Some(call);
        if repeat > 0 {
            // Unless it was cancelled meanwhile, it goes back to its place.
            if let Some(Alarm::Loop(place, _)) = self.state.timers.borrow_mut().get_mut(timer) {
                *place = call.take();
            }
        }
        if let Err(panic) = self.call(|_, _| drop(call)) {
            report(format_args!("a timer panicked when it was dropped: {panic}"));
        }
    }

    fn call_conn_timer(&mut self, timer: TimerId, id: ConnId, repeat: u64) {
        let open = self.state.conns.borrow_mut().slab.get_mut(id).map(|entry| entry.shared().is_live());
        match open {
            Some(true) => self.tell(id, |receiver, conn| receiver.event(Event::Timer(conn, timer))),
            // Closing, or gone: the timer has nobody to call any more.
            _ if repeat > 0 => drop(self.state.timers.borrow_mut().cancel(timer)),
            _ => {}
        }
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    /// Finds out which time-outs of a connection are over, and files the timer anew.
    fn look_at_timeouts(&mut self, timer: TimerId, id: ConnId) {
        let now = self.state.now.get();
        let conns = &mut *self.state.conns.borrow_mut();
        let mut timers = self.state.timers.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return drop(timers.cancel(timer)) };
        let (reads, stuck) = (entry.machine.awaits_input(), entry.machine.is_stuck());
        let held = entry.machine.is_held();
        let look = |entry: &mut StreamEntry| {
            entry.timing().map_or(Expiry::Never, |timing| timing.look(now, reads, stuck, held))
        };
        let mut expiry = look(entry);
        if expiry.is_over() && entry.catch_up(now) {
            expiry = look(entry);
        }
        let open = entry.machine.is_open();
        match expiry {
            Expiry::At(at) => {
                timers.reschedule(timer, at.max(now + 1));
                return;
            }
            Expiry::Never => return drop(timers.cancel(timer)),
            // A peer that reads nothing would never let it end.
            Expiry::Idle if stuck => entry.end_now(Closed::by(CloseReason::Idle), &mut conns.pool),
            Expiry::Read if stuck && open => {
                entry.end_now(Closed::by(CloseReason::TimedOut), &mut conns.pool);
            }
            Expiry::Write => entry.end_now(Closed::by(CloseReason::TimedOut), &mut conns.pool),
            Expiry::Read if open => entry.machine.close(CloseReason::TimedOut, &mut conns.pool),
            Expiry::Idle if open => entry.machine.close(CloseReason::Idle, &mut conns.pool),
            // It is being closed: the limits of that, and the write time-out, go on.
            Expiry::Read | Expiry::Idle => {}
        }
        // The write time-out holds while the rest is sent.
        timers.reschedule(timer, now.saturating_add(entry.timing().map_or(1, |timing| timing.recheck())));
        conns.mark_dirty(id);
    }

    /// The loop ends: what timers own is dropped.
    pub(super) fn drop_timers(&mut self) {
        let left = self.state.timers.borrow_mut().drain();
        if let Err(panic) = self.call(|_, _| drop(left)) {
            report(format_args!("a timer panicked when it was dropped: {panic}"));
        }
    }
}

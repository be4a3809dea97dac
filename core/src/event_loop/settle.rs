//! The end of a turn: connections that changed are brought to rest. The end of a loop: all of them are parted
//! with.

use std::cell::Cell;
use std::io;

use super::dialling::close_attempts;
use super::EventLoop;
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::base::panics::report;
use crate::base::slab::Slab;
use crate::conn::entry::Entry;
use crate::conn::stream::entry::{Ends, StreamEntry};
use crate::conn::stream::machine::Step;
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::{Action, Closed};
use crate::delivery::event::{Event, Pending};
use crate::delivery::handler::Detached;
use crate::delivery::receiver::Receiver;
use crate::loop_state::conns::Conns;

/// Connections that change in a turn that the list of them keeps room for.
const KEPT_DIRTY: usize = 512;

/// Sends in a row of one connection, after which the others have their turn: a keen reader could take for ever.
const SENDS: usize = 8;

/// How a connection leaves the loop.
enum Leaving {
    Closed { closed: Closed, all_sent: bool },
    Detached,
}

impl EventLoop {
    /// Brings every connection that changed to rest: sends, half-closes, closes, resumes. What on_close
    /// writes to others is sent in the next turn.
    pub(super) fn settle(&mut self) {
        if self.state.conns.borrow().dirty.is_empty() {
            return self.call_completions();
        }
        self.call_pre_write();
        let mut dirty = std::mem::take(&mut self.state.conns.borrow_mut().dirty);
        self.send_flowing(&mut dirty);
        for id in dirty.drain(..) {
            self.settle_one(id);
        }
        {
            let conns = &mut *self.state.conns.borrow_mut();
            if conns.dirty.is_empty() {
                conns.pool.end_turn();
            }
            if conns.dirty.is_empty() && dirty.capacity() <= KEPT_DIRTY {
                conns.dirty = dirty;
            }
        }
        self.call_completions();
    }

    /// Tells the handler that output is about to be sent, if there is some.
    fn call_pre_write(&mut self) {
        if self.state.server().shared.is_pre_write_unused() {
            return;
        }
        let writes = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Conns { slab, dirty, .. } = conns;
            dirty.iter().any(|id| slab.find_mut(*id).is_some_and(|entry| entry.has_output()))
        };
        if writes {
            if let Err(panic) = self.call(|state, receiver| receiver.event(Event::PreWrite(state.server()))) {
                report(format_args!("on_pre_write panicked: {panic}"));
            }
        }
    }

    /// Calls the completions that are due.
    #[inline]
    pub(super) fn call_completions(&mut self) {
        if !self.state.conns.borrow().done.is_empty() {
            self.call_done();
        }
    }

    #[inline(never)]
    fn call_done(&mut self) {
        let done = std::mem::take(&mut self.state.conns.borrow_mut().done);
        for (completion, completed) in done {
            let event = Event::Completed(Pending(completion), completed);
            if let Err(panic) = self.call(|_, receiver| receiver.event(event)) {
                report(format_args!("a completion panicked: {panic}"));
            }
        }
    }

    fn settle_one(&mut self, id: ConnId) {
        let is_stream = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.get_mut(id) else { return };
            *entry.in_dirty() = false;
            matches!(entry, Entry::Stream(_))
        };
        if !is_stream {
            return self.settle_endpoint(id);
        }
        match self.advance(id) {
            None => {}
            Some(Leaving::Closed { closed, all_sent }) => self.finish_one(id, closed, all_sent),
            Some(Leaving::Detached) => self.detach_one(id),
        }
    }

    /// Sends the output of the connections that flow. Those that do not, or do not when that is done, are left in the
    /// list. In a function of its own, which has the processor's registers for itself.
    #[inline(never)]
    fn send_flowing(&self, dirty: &mut Vec<ConnId>) {
        let Conns { slab, pool, .. } = &mut *self.state.conns.borrow_mut();
        let metrics = self.state.metrics();
        let ids = Cell::from_mut(&mut dirty[..]).as_slice_of_cells();
        let mut left = 0;
        for id in ids {
            let all = match slab.flowing_plainly(id.get()) {
                Some(entry) => match entry.send_turn(pool, metrics) {
                    Ok(()) => {
                        entry.in_dirty = false;
                        continue;
                    }
                    sent => self.note_sent(entry, sent, pool),
                },
                None => self.send_timed(id.get(), slab, pool),
            };
            if all {
                continue;
            }
            ids[left].set(id.get());
            left += 1;
        }
        dirty.truncate(left);
    }

    /// The same of a connection that flows and has time-outs, which are told. Says whether that was all.
    #[inline(never)]
    fn send_timed(&self, id: ConnId, slab: &mut Slab<Entry>, pool: &mut BlockPool) -> bool {
        let Some(entry) = slab.flowing(id) else { return false };
        let sent = entry.send_turn(pool, self.state.metrics());
        self.note_sent(entry, sent, pool)
    }

    /// A turn's output of a connection left, or some of it: its time-outs, if it has some, begin anew. Says whether it was
    /// all.
    #[inline(never)]
    fn note_sent(
        &self,
        entry: &mut StreamEntry,
        sent: Result<(), io::Result<usize>>,
        pool: &mut BlockPool,
    ) -> bool {
        let all = sent.is_ok();
        let some = sent.map_or_else(|other| entry.took(other, pool, self.state.metrics()) > 0, |()| true);
        if let Some(timing) = entry.timing().filter(|_| some) {
            timing.went(self.state.moment());
        }
        entry.in_dirty &= !all;
        all
    }

    /// Takes a connection's steps until it waits, or is to leave.
    fn advance(&mut self, id: ConnId) -> Option<Leaving> {
        let conns = &mut *self.state.conns.borrow_mut();
        let entry = conns.slab.stream_mut(id)?;
        let (config, metrics) = (self.state.config(), self.state.metrics());
        // What left at once, from within a callback, is sent, whatever comes of the connection now.
        entry.machine.take_completed(&mut conns.done, &mut conns.pool);
        let mut sends = 0;
        let goes_on = loop {
            match entry.machine.next_step(entry.backlog) {
                Step::Wait => break false,
                // At the low-water mark the handler is told before more is sent, so that it can fill the queue again.
                Step::Flush
                    if sends == SENDS || (sends > 0 && entry.machine.is_relieved(config.low_water)) =>
                {
                    break true;
                }
                Step::Flush => {
                    sends += 1;
                    let sent = entry.flush(&mut conns.pool, metrics);
                    if let Some(timing) = entry.timing().filter(|_| sent > 0) {
                        timing.went(self.state.moment());
                    }
                    entry.machine.take_completed(&mut conns.done, &mut conns.pool);
                }
                // A write that was accepted just before is still on its way: it comes first.
                Step::ShutdownWrite if !self.state.mailbox().has_all_of(&entry.machine.shared) => {
                    break false;
                }
                Step::ShutdownWrite => {
                    metrics.other_calls.add(1);
                    if entry.shut_down_write(&mut conns.pool) {
                        self.state.set_deadline(id, entry, config.linger);
                    }
                }
                Step::Detach => return Some(Leaving::Detached),
                Step::Close { closed, all_sent } => return Some(Leaving::Closed { closed, all_sent }),
            }
        };
        if let Some((limit, _)) = entry.machine.stalled(config).filter(|_| !entry.has_deadline()) {
            // A peer that takes nothing must not hold memory for ever.
            entry.clocks().sent_then = entry.sent_and_held();
            self.state.set_deadline(id, entry, limit);
        }
        if entry.machine.relieve(config.low_water) {
            // It is read again: the read time-out begins anew.
            entry.timing().into_iter().for_each(|timing| timing.reads_again(self.state.moment()));
        }
        entry.machine.set_output_aside(&mut conns.pool);
        self.state.note_held(id, entry, &mut conns.pool);
        entry.poll_room(id.to_u64(), &mut conns.pool, &self.state.poller, metrics);
        entry.note_stuck();
        conns.line_up(id);
        if goes_on {
            conns.mark_dirty(id);
        } else if let Some(entry) = conns.slab.peek_stream(id) {
            entry.rest();
        }
        None
    }

    /// Closes a connection's descriptor and tells the handler, unless bytes are on their way that are wanted.
    pub(super) fn finish_one(&mut self, id: ConnId, closed: Closed, all_sent: bool) {
        if !self.state.mailbox().unregister(id, all_sent) {
            return;
        }
        let Some(mut leaving) = self.take_out(id) else { return };
        let mut ends = Ends::default();
        if let Some(stream) = leaving.1.stream() {
            ends = stream.ends();
            let resets = stream.machine.resets();
            stream.wire.close(resets, &self.state.poller);
            close_attempts(stream, &self.state.poller);
        }
        self.state.metrics().count_closed(closed.reason);
        self.part(id, leaving, ends, |receiver, conn| receiver.event(Event::Closed(conn, closed)));
    }

    /// What a connection still carried and had queued is given back to the budget, before anybody hears of its end.
    fn give_back(&mut self, id: ConnId, entry: &mut StreamEntry) {
        let conns = &mut *self.state.conns.borrow_mut();
        drop(entry.take_carry(&mut conns.pool));
        entry.machine.drop_output(&mut conns.pool);
        self.state.note_held(id, entry, &mut conns.pool);
    }

    /// Hands a connection's descriptor out. Completions are cancelled first, as nobody would call them later;
    /// then one attempt is made to send what is queued.
    fn detach_one(&mut self, id: ConnId) {
        self.state.mailbox().unregister(id, false);
        let Some(mut leaving) = self.take_out(id) else { return };
        let Some(entry) = leaving.1.stream() else { return };
        let ends = entry.ends();
        let (input, output) = {
            let conns = &mut *self.state.conns.borrow_mut();
            entry.send_last(&mut conns.pool, self.state.metrics());
            (entry.take_carry(&mut conns.pool), entry.machine.take_output(&mut conns.pool))
        };
        let Some(descriptor) = entry.wire.detach(&self.state.poller) else { return };
        self.state.metrics().other_calls.add(1);
        // The budget counts it until the callback, which may keep it, has returned.
        let memory = (input.capacity() + output.capacity()) as isize;
        self.state.conns.borrow_mut().pool.change += memory;
        let detached = Detached { descriptor, input, output };
        self.part(id, leaving, ends, |receiver, conn| receiver.event(Event::Detached(conn, detached)));
        self.state.conns.borrow_mut().pool.change -= memory;
    }

    /// Takes a connection that was unregistered out of the loop: its completions are called, its timers ended.
    fn take_out(&mut self, id: ConnId) -> Option<Box<(ConnId, Entry)>> {
        let on_the_way = self.state.conns.borrow_mut().slab.stream_mut(id)?.machine.has_bytes_on_the_way();
        if on_the_way {
            // What other threads have handed in and is not obeyed yet must have its completions, too.
            self.obey_all();
        }
        {
            let Conns { slab, done, pool, .. } = &mut *self.state.conns.borrow_mut();
            slab.stream_mut(id)?.machine.cancel_completions(done, pool);
        }
        self.call_completions();
        let mut leaving = self.state.conns.borrow_mut().slab.remove(id)?;
        // Not before: what ran until here may have opened others, which must not get its slot.
        self.state.mailbox().release(id);
        let mut timers = self.state.timers.borrow_mut();
        for timer in leaving.1.stream().map_or_else(Vec::new, StreamEntry::take_timers) {
            drop(timers.cancel(timer));
        }
        drop(timers);
        Some(leaving)
    }

    /// Makes the last call of a connection, and drops what is left of it. The context's destructor is the
    /// user's: it runs when nothing is borrowed.
    fn part(
        &mut self,
        id: ConnId,
        mut leaving: Box<(ConnId, Entry)>,
        ends: Ends,
        last: impl FnOnce(&mut dyn Receiver, &Conn<'_>) -> Action,
    ) {
        debug_assert_eq!(leaving.0, id);
        leaving.1.stream().into_iter().for_each(|stream| self.give_back(id, stream));
        {
            let conns = &mut *self.state.conns.borrow_mut();
            (conns.leaving, conns.left) = (Some(leaving), ends);
        }
        self.tell(id, last);
        let leaving = self.state.conns.borrow_mut().leaving.take();
        if let Err(panic) = self.call(|_, _| drop(leaving)) {
            report(format_args!("connection {id}: its context panicked when it was dropped: {panic}"));
        }
        self.state.server().shared.connection_ended();
    }

    /// The server has stopped: one more attempt to send what is queued, then every connection is closed.
    pub(super) fn finish(&mut self) {
        // From here on by-id calls answer `closed`; what was accepted before is carried out.
        let last = self.state.mailbox().end();
        self.obey_last(last);
        self.acceptor.clear(&self.state.poller);
        self.arrivals.clear();
        let ids = self.state.conns.borrow().slab.ids();
        for id in ids {
            if self.is_detaching(id) {
                self.detach_one(id);
            } else if let Some(closed) = self.part_with(id) {
                self.finish_one(id, closed, false);
            }
        }
        self.finish_endpoints();
        self.call_completions();
        self.drop_timers();
        self.tell_turn(true, |receiver, turn| receiver.before_flush(turn));
        self.state.publish();
        self.tell_turn(true, |receiver, turn| receiver.turn_ends(turn));
    }

    fn is_detaching(&self, id: ConnId) -> bool {
        self.state.conns.borrow_mut().slab.peek_stream(id).is_some_and(|entry| entry.machine.is_detaching())
    }

    /// Sends what the kernel takes at once, and leaves no unread input behind if it can: closing over unread
    /// input resets the connection, and the peer may lose what it was sent.
    fn part_with(&mut self, id: ConnId) -> Option<Closed> {
        let conns = &mut *self.state.conns.borrow_mut();
        let entry = conns.slab.stream_mut(id)?;
        let closed = entry.machine.closed_by_stop();
        if entry.machine.is_opening() || entry.machine.is_given_up() {
            return Some(closed);
        }
        while entry.machine.next_step(false) == Step::Flush {
            entry.flush(&mut conns.pool, self.state.metrics());
        }
        entry.machine.take_completed(&mut conns.done, &mut conns.pool);
        entry.machine.lose_handed_in();
        if entry.machine.resets() {
            return Some(closed);
        }
        entry.shut_down_write(&mut conns.pool);
        entry.discard(&mut self.buffer, self.state.config().read_budget);
        Some(closed)
    }
}

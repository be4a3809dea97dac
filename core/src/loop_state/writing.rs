//! Writing on the connection's own loop.

use std::net::SocketAddr;
use std::sync::Arc;

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::base::datagram::Source;
use crate::base::error::Result;
use crate::conn::completions;
use crate::conn::datagram::endpoint::{cost, held_for};
use crate::conn::datagram::entry::UdpEntry;
use crate::conn::entry::Entry;
use crate::conn::shared::ConnShared;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::machine::Refused;
use crate::conn::stream::queue::{fill, total, BlockPool, DIRECT};
use crate::contract::action::{Completed, Completion, Pressure};
use crate::loop_state::conns::Conns;
use crate::shared::mailbox::{budget_error, closed_error, full_error, no_endpoint_error, no_sender_error};
use crate::sys::socket::MAX_SLICES;

impl LoopState {
    /// What nearly every write is: a few bytes, for a connection that flows. Says whether it was one; the
    /// pressure is low then. Otherwise nothing was done.
    pub(crate) fn write_flowing(&self, id: ConnId, slices: &[&[u8]]) -> bool {
        // C calls this where a panic could not be caught.
        let Ok(mut conns) = self.conns.try_borrow_mut() else { return false };
        let Conns { slab, pool, dirty, .. } = &mut *conns;
        slab.flowing(id).is_some_and(|entry| self.queue_flowing(entry, id, slices, pool, dirty))
    }

    /// The same for a connection without time-outs, where every instruction counts: nothing but copying the bytes is
    /// a call, so that hardly anything has to be saved for later.
    #[inline(always)]
    pub(crate) fn write_plainly(&self, id: ConnId, bytes: &[u8]) -> bool {
        let Ok(mut conns) = self.conns.try_borrow_mut() else { return false };
        let Conns { slab, pool, dirty, .. } = &mut *conns;
        let plain = slab.flowing_plainly(id);
        plain.is_some_and(|entry| self.queue_in_turn(entry, id, &[bytes], pool, dirty))
    }

    /// Queues a message for a connection that flows, if that leaves it flowing.
    #[inline(always)]
    fn queue_flowing(
        &self,
        entry: &mut StreamEntry,
        id: ConnId,
        slices: &[&[u8]],
        pool: &mut BlockPool,
        dirty: &mut Vec<ConnId>,
    ) -> bool {
        match entry.flows_plainly() {
            true => self.queue_in_turn(entry, id, slices, pool, dirty),
            false => self.queue_timed(entry, id, slices, pool, dirty),
        }
    }

    /// The same for one that has time-outs.
    #[inline(never)]
    fn queue_timed(
        &self,
        entry: &mut StreamEntry,
        id: ConnId,
        slices: &[&[u8]],
        pool: &mut BlockPool,
        dirty: &mut Vec<ConnId>,
    ) -> bool {
        let begins = !entry.in_dirty;
        let queued = self.queue_in_turn(entry, id, slices, pool, dirty);
        if let Some(timing) = entry.timing().filter(|_| queued && begins) {
            // Output begins to wait.
            timing.went(self.moment());
        }
        queued
    }

    #[inline(always)]
    fn queue_in_turn(
        &self,
        entry: &mut StreamEntry,
        id: ConnId,
        slices: &[&[u8]],
        pool: &mut BlockPool,
        dirty: &mut Vec<ConnId>,
    ) -> bool {
        match entry.in_dirty {
            false => self.queue_as::<true>(entry, id, slices, pool, dirty),
            true => self.queue_as::<false>(entry, id, slices, pool, dirty),
        }
    }

    /// Queues a message, the connection's `FIRST` in this turn or not.
    #[inline(always)]
    fn queue_as<const FIRST: bool>(
        &self,
        entry: &mut StreamEntry,
        id: ConnId,
        slices: &[&[u8]],
        pool: &mut BlockPool,
        dirty: &mut Vec<ConnId>,
    ) -> bool {
        let (len, high_water) = (total(slices), self.config().high_water);
        let Some(room) = entry.machine.room_flowing::<FIRST>(len, high_water, pool) else { return false };
        if FIRST {
            if dirty.len() == dirty.capacity() {
                // The general way makes room for more: here it would cost every write some registers.
                return false;
            }
            dirty.push(id);
            entry.in_dirty = true;
        }
        self.metrics().messages_written.add(1);
        // Last: nothing that was looked up has to outlive the copying, which is a call.
        fill(entry.machine.write_flowing(room), slices);
        true
    }

    /// One frame, as the loop cuts the connection's input now; `None` if that is not known here.
    pub(crate) fn write_frame(&self, id: ConnId, payload: &[u8]) -> Option<Result<Pressure>> {
        match self.write_frame_flowing(id, payload) {
            true => Some(Ok(Pressure::Low)),
            false => self.write_any_frame(id, payload),
        }
    }

    /// What nearly every frame is: few bytes, for a connection that flows. Says whether it was one; if not, nothing was done.
    #[inline(always)]
    pub(crate) fn write_frame_flowing(&self, id: ConnId, payload: &[u8]) -> bool {
        self.write_short_head(id, payload) || self.write_flowing_frame(id, payload)
    }

    /// As [`write_flowing`](Self::write_flowing), for a frame that is a short header and the payload.
    #[inline(always)]
    fn write_short_head(&self, id: ConnId, payload: &[u8]) -> bool {
        let Conns { slab, pool, dirty, .. } = &mut *self.conns.borrow_mut();
        let Some(entry) = slab.flowing_plainly(id) else { return false };
        let head = entry.framer.as_ref().and_then(|framer| framer.short_head(payload));
        let Some(head) = head else { return false };
        self.queue_in_turn(entry, id, &[head.as_slice(), payload], pool, dirty)
    }

    /// As [`write_flowing`](Self::write_flowing), for any other frame. None of the user's functions encodes, so
    /// nothing of theirs runs under the borrow.
    #[inline(never)]
    fn write_flowing_frame(&self, id: ConnId, payload: &[u8]) -> bool {
        let Conns { slab, pool, dirty, .. } = &mut *self.conns.borrow_mut();
        let Some(entry) = slab.flowing(id) else { return false };
        // Lent out for the call, which needs the rest of the connection.
        let Some(framer) = entry.framer.take() else { return false };
        let framing = framer.framing();
        // Many bytes do not flow, nor does what was refused before: no need to search it twice.
        let usual = payload.len() < DIRECT && framer.short_head(payload).is_none();
        let queued = usual
            && framing.encode(payload).is_ok_and(|encoded| {
                let parts = [encoded.head(), payload, encoded.tail()];
                // An empty part would cost as much as a small one.
                let filled = usize::from(parts[0].is_empty())..parts.len() - usize::from(parts[2].is_empty());
                self.queue_flowing(entry, id, &parts[filled], pool, dirty)
            });
        entry.framer = Some(framer);
        queued
    }

    /// A frame that does not flow, or that cannot be made.
    #[inline(never)]
    fn write_any_frame(&self, id: ConnId, payload: &[u8]) -> Option<Result<Pressure>> {
        let framing = {
            let conns = &mut *self.conns.borrow_mut();
            Arc::clone(conns.slab.peek_stream(id)?.framer.as_ref()?.framing())
        };
        Some(match framing.encode(payload) {
            Ok(encoded) => self.write(id, &[encoded.head(), payload, encoded.tail()], None),
            Err(error) => Err(error),
        })
    }

    pub(crate) fn write(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        mut completion: Option<Completion>,
    ) -> Result<Pressure> {
        self.expect_own_process()?;
        // One that is refused is dropped here, when nothing is borrowed: it is the user's.
        let written = self.write_borrowing(id, slices, &mut completion);
        self.publish_much();
        written
    }

    fn write_borrowing(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
    ) -> Result<Pressure> {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else {
            return self.write_datagram(conns, id, slices, completion);
        };
        let was_stuck = entry.has_timing() && entry.machine.is_stuck();
        let len = total(slices);
        let (budget, change) = (&self.server().shared.budget, conns.pool.change);
        let memory = len + completions::cost(completion.as_ref());
        let within_budget =
            |shared: &ConnShared| budget.allows_here(change, || shared.held_by_writes(), memory);
        let result = entry.machine.reserve(len, self.config(), &mut conns.pool, within_budget);
        if result.is_ok() {
            if len >= DIRECT && self.sends_at_once(entry, slices) {
                if entry.send_through(slices, &mut conns.pool, self.metrics()) {
                    entry.timing().into_iter().for_each(|timing| timing.went(self.moment()));
                }
            } else {
                entry.machine.queue(slices, 0, &mut conns.pool);
            }
        }
        match result {
            Err(Refused::Closed) => return Err(closed_error(id)),
            Err(Refused::Budget) => return Err(budget_error(id, len, budget.limit())),
            _ => {}
        }
        if !std::mem::replace(&mut entry.in_dirty, true) {
            conns.dirty.push(id);
        }
        if result.is_ok() {
            self.metrics().messages_written.add(1);
            match completion.take() {
                // It was sent at once, and that failed: what the kernel did not take is dropped.
                Some(completion) if entry.machine.is_broken() => {
                    conns.done.push((completion, Completed::Cancelled));
                }
                Some(completion) => entry.machine.complete_with(completion, &mut conns.pool),
                None => {}
            }
            if let Some(timing) = entry.timing().filter(|_| !was_stuck) {
                timing.went(self.moment());
            }
        }
        result.map_err(|_| full_error(id, len, self.config().hard_limit))
    }

    /// Whether many bytes may leave before the turn ends: not past a handler that is told before the first do, and
    /// only behind the whole queue.
    fn sends_at_once(&self, entry: &StreamEntry, slices: &[&[u8]]) -> bool {
        let fits = entry.machine.out().pieces() + slices.len() <= MAX_SLICES;
        fits && entry.machine.sends_at_once() && self.server().shared.is_pre_write_unused()
    }

    /// A write to a UDP socket: answers the sender, or goes to the peer.
    fn write_datagram(
        &self,
        conns: &mut Conns,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
    ) -> Result<Pressure> {
        let endpoint = conns.slab.udp_mut(id).ok_or_else(|| closed_error(id))?;
        let (to, from) = match endpoint.listener {
            None => (None, None),
            Some(_) => {
                let envelope = self.envelope(id).ok_or_else(|| no_sender_error(id))?;
                (Some(envelope.sender), envelope.landing.and_then(|landing| landing.source()))
            }
        };
        self.queue_datagram(conns, id, (to, from), slices, completion)
    }

    pub(crate) fn send_to(
        &self,
        id: ConnId,
        to: SocketAddr,
        from: Option<Source>,
        bytes: &[u8],
    ) -> Result<Pressure> {
        self.expect_own_process()?;
        let sent = {
            let conns = &mut *self.conns.borrow_mut();
            match conns.slab.find_mut(id) {
                Some(Entry::Udp(udp)) if udp.listener.is_some() => {
                    self.queue_datagram(conns, id, (Some(to), from), &[bytes], &mut None)
                }
                Some(_) => Err(no_endpoint_error(id)),
                None => Err(closed_error(id)),
            }
        };
        self.publish_much();
        sent
    }

    /// Queues a datagram `to` and `from` an address; without them, to the peer and as the system chooses.
    fn queue_datagram(
        &self,
        conns: &mut Conns,
        id: ConnId,
        (to, from): (Option<SocketAddr>, Option<Source>),
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
    ) -> Result<Pressure> {
        let UdpEntry { endpoint, shared, .. } = conns.slab.udp_mut(id).ok_or_else(|| closed_error(id))?;
        if !shared.takes_writes() {
            return Err(closed_error(id));
        }
        let len = cost(total(slices));
        let full = || full_error(id, len, self.config().hard_limit);
        let _ = shared.pressure_with(len, self.config()).ok_or_else(full)?;
        let memory = held_for(len) + completions::cost(completion.as_ref());
        let budget = &self.server().shared.budget;
        if !budget.allows_here(conns.pool.change, || shared.held_by_writes(), memory) {
            return Err(budget_error(id, len, budget.limit()));
        }
        let pressure = shared.reserve(len, self.config()).ok_or_else(full)?;
        let before = endpoint.output_memory();
        if let Err(error) = endpoint.queue(to, from, slices) {
            shared.settle(len);
            return Err(error);
        }
        conns.pool.change += endpoint.output_memory() as isize - before as isize;
        if let Some(completion) = completion.take() {
            let before = endpoint.completions_memory();
            endpoint.complete_with(completion);
            shared.note_completions(endpoint.completions_memory());
            conns.pool.change += endpoint.completions_memory() as isize - before as isize;
        }
        self.metrics().messages_written.add(1);
        conns.mark_dirty(id);
        Ok(pressure)
    }
}

//! Writing on the connection's own loop.

use std::net::SocketAddr;
use std::sync::Arc;

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::base::error::Result;
use crate::conn::datagram::endpoint::cost;
use crate::conn::datagram::entry::UdpEntry;
use crate::conn::stream::entry::Entry;
use crate::conn::stream::machine::Refused;
use crate::conn::stream::queue::{total, DIRECT};
use crate::contract::action::{Completion, Pressure};
use crate::loop_state::conns::Conns;
use crate::shared::mailbox::{closed_error, full_error, no_endpoint_error, no_sender_error};
use crate::sys::socket::MAX_SLICES;

impl LoopState {
    /// What nearly every write is: a few bytes, for a connection that flows. Says whether it was one; the
    /// pressure is low then. Otherwise nothing was done.
    #[inline(always)]
    pub(crate) fn write_flowing(&self, id: ConnId, slices: &[&[u8]]) -> bool {
        // C calls this where a panic could not be caught.
        let Ok(mut conns) = self.conns.try_borrow_mut() else { return false };
        let conns = &mut *conns;
        let Some(entry) = conns.slab.flowing(id) else { return false };
        if !entry.machine.write_flowing(slices, self.config(), &mut conns.pool) {
            return false;
        }
        self.went_flowing(entry, id, &mut conns.dirty);
        true
    }

    /// A message was queued for a connection that flows.
    #[inline(always)]
    fn went_flowing(&self, entry: &mut Entry, id: ConnId, dirty: &mut Vec<ConnId>) {
        self.metrics().messages_written.add(1);
        if !std::mem::replace(&mut entry.in_dirty, true) {
            dirty.push(id);
            // Output begins to wait.
            entry.timing().into_iter().for_each(|timing| timing.went(self.moment()));
        }
    }

    /// One frame, as the loop cuts the connection's input now; `None` if that is not known here.
    pub(crate) fn write_frame(&self, id: ConnId, payload: &[u8]) -> Option<Result<Pressure>> {
        match self.write_short_head(id, payload) || self.write_flowing_frame(id, payload) {
            true => Some(Ok(Pressure::Low)),
            false => self.write_any_frame(id, payload),
        }
    }

    /// As [`write_flowing`](Self::write_flowing), for a frame that is a short header and the payload.
    #[inline(always)]
    fn write_short_head(&self, id: ConnId, payload: &[u8]) -> bool {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.flowing(id) else { return false };
        let head = entry.framer.as_ref().and_then(|framer| framer.framing().short_head(payload));
        let Some(head) = head else { return false };
        let queued = entry.machine.write_flowing(&[head.as_slice(), payload], self.config(), &mut conns.pool);
        if queued {
            self.went_flowing(entry, id, &mut conns.dirty);
        }
        queued
    }

    /// As [`write_flowing`](Self::write_flowing), for any other frame. None of the user's functions encodes, so
    /// nothing of theirs runs under the borrow.
    #[inline(never)]
    fn write_flowing_frame(&self, id: ConnId, payload: &[u8]) -> bool {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.flowing(id) else { return false };
        let Some(framing) = entry.framer.as_ref().map(|framer| framer.framing()) else { return false };
        // Many bytes do not flow, nor does what was refused before: no need to search it twice.
        if payload.len() >= DIRECT || framing.short_head(payload).is_some() {
            return false;
        }
        let Ok(encoded) = framing.encode(payload) else { return false };
        let parts = [encoded.head(), payload, encoded.tail()];
        // An empty part would cost as much as a small one.
        let filled = usize::from(parts[0].is_empty())..parts.len() - usize::from(parts[2].is_empty());
        let queued = entry.machine.write_flowing(&parts[filled], self.config(), &mut conns.pool);
        if queued {
            self.went_flowing(entry, id, &mut conns.dirty);
        }
        queued
    }

    /// A frame that does not flow, or that cannot be made.
    #[inline(never)]
    fn write_any_frame(&self, id: ConnId, payload: &[u8]) -> Option<Result<Pressure>> {
        let framing = {
            let conns = &mut *self.conns.borrow_mut();
            Arc::clone(conns.slab.peek_mut(id)?.framer.as_ref()?.framing())
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
        // One that is refused is dropped here, when nothing is borrowed: it is the user's.
        self.write_borrowing(id, slices, &mut completion)
    }

    fn write_borrowing(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
    ) -> Result<Pressure> {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.get_mut(id) else {
            return self.write_datagram(conns, id, slices, completion);
        };
        let was_stuck = entry.has_timing() && entry.machine.is_stuck();
        let len = total(slices);
        let result = entry.machine.reserve(len, self.config(), &mut conns.pool);
        if result.is_ok() {
            if len >= DIRECT && self.sends_at_once(entry, slices) {
                if entry.send_through(slices, &mut conns.pool, self.metrics()) {
                    entry.timing().into_iter().for_each(|timing| timing.went(self.moment()));
                }
            } else {
                entry.machine.queue(slices, 0, &mut conns.pool);
            }
        }
        if result == Err(Refused::Closed) {
            return Err(closed_error(id));
        }
        if !std::mem::replace(&mut entry.in_dirty, true) {
            conns.dirty.push(id);
        }
        if result.is_ok() {
            self.metrics().messages_written.add(1);
            completion.take().into_iter().for_each(|completion| entry.machine.complete_with(completion));
            if let Some(timing) = entry.timing().filter(|_| !was_stuck) {
                timing.went(self.moment());
            }
        }
        result.map_err(|_| full_error(id, len, self.config().hard_limit))
    }

    /// Whether many bytes may leave before the turn ends: not past a handler that is told before the first do, and
    /// only behind the whole queue.
    fn sends_at_once(&self, entry: &Entry, slices: &[&[u8]]) -> bool {
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
        let endpoint = conns.endpoints.peek_mut(id).ok_or_else(|| closed_error(id))?;
        let to = match endpoint.listener {
            None => None,
            Some(_) => Some(self.sender(id).ok_or_else(|| no_sender_error(id))?),
        };
        let pressure = self.queue_datagram(conns, id, to, slices)?;
        // Called when the queue has been sent: datagrams are not told apart there.
        let pending = conns.endpoints.peek_mut(id).map(|entry| &mut entry.pending);
        pending.into_iter().for_each(|pending| pending.extend(completion.take()));
        Ok(pressure)
    }

    pub(crate) fn send_to(&self, id: ConnId, to: SocketAddr, bytes: &[u8]) -> Result<Pressure> {
        let conns = &mut *self.conns.borrow_mut();
        match conns.endpoints.peek_mut(id) {
            Some(UdpEntry { listener: Some(_), .. }) => self.queue_datagram(conns, id, Some(to), &[bytes]),
            None if conns.slab.get_mut(id).is_none() => Err(closed_error(id)),
            _ => Err(no_endpoint_error(id)),
        }
    }

    fn queue_datagram(
        &self,
        conns: &mut Conns,
        id: ConnId,
        to: Option<SocketAddr>,
        slices: &[&[u8]],
    ) -> Result<Pressure> {
        let UdpEntry { endpoint, shared, .. } =
            conns.endpoints.peek_mut(id).ok_or_else(|| closed_error(id))?;
        if !shared.takes_writes() {
            return Err(closed_error(id));
        }
        let len = cost(total(slices));
        let full = || full_error(id, len, self.config().hard_limit);
        let pressure = shared.reserve(len, self.config()).ok_or_else(full)?;
        if let Err(error) = endpoint.queue(to, slices) {
            shared.settle(len);
            return Err(error);
        }
        conns.pool.change += len as isize;
        self.metrics().messages_written.add(1);
        conns.mark_dirty(id);
        Ok(pressure)
    }
}

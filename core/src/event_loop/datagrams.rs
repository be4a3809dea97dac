//! UDP sockets: taken in, read in batches, flushed, closed.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::base::datagram::{Envelope, Source};
use crate::base::notice::{tell, Kind};
use crate::base::panics::report;
use crate::conn::completions;
use crate::conn::datagram::endpoint::{cost, Endpoint};
use crate::conn::datagram::entry::UdpEntry;
use crate::conn::datagram::waiting::Waiting;
use crate::conn::entry::Entry;
use crate::contract::action::{CloseReason, Closed, Completed, Completion};
use crate::delivery::event::Event;
use crate::listen::arrival::Placement;
use crate::loop_state::Input;
use crate::shared::mailbox::counted;
use crate::sys::datagram::{Datagram, RecvBatch, MAX_BUFFER};

impl EventLoop {
    /// Takes a bound UDP socket in under the id that it was given.
    pub(super) fn open_endpoint(&mut self, id: ConnId, placement: Placement) {
        let Ok(shared) = self.state.mailbox().shared(id) else { return };
        let (address, size) = (placement.listener.address().to_owned(), placement.listener.datagram_size());
        // Nobody else owns it, but who closes it just now.
        let Some(listener) = Arc::into_inner(placement.listener) else {
            return self.state.mailbox().forget(id);
        };
        let Some((socket, claim)) = listener.into_udp() else {
            return self.state.mailbox().forget(id);
        };
        let taken_in = Endpoint::new(socket, size).and_then(|endpoint| {
            let entry = UdpEntry::new(endpoint, shared, Some(placement.origin.listener));
            self.take_endpoint_in(id, UdpEntry { _claim: Some(claim), ..entry })
        });
        if let Err(error) = taken_in {
            tell(Kind::Listener, format_args!("{address}: cannot be polled: {error}"));
            self.state.mailbox().forget(id);
        }
    }

    /// An outgoing UDP socket is connected: from here on it is like any other connection.
    pub(super) fn open_connected_datagram(&mut self, id: ConnId) {
        let leaving = self.state.conns.borrow_mut().slab.remove(id).map(|leaving| leaving.1);
        let Some(Entry::Stream(mut stream)) = leaving else { return };
        let paused = stream.machine.is_paused();
        let (socket, context) = (stream.wire.detach(&self.state.poller), stream.set_context(None));
        let shared = stream.machine.shared;
        let Some(socket) = socket else { return };
        let taken_in = Endpoint::new(socket.into(), MAX_BUFFER).and_then(|endpoint| {
            let entry = UdpEntry { context, paused, ..UdpEntry::new(endpoint, Arc::clone(&shared), None) };
            self.take_endpoint_in(id, entry)
        });
        if let Err(error) = taken_in {
            self.state.mailbox().forget(id);
            let closed = Closed::connect_failed(error.raw_os_error());
            self.state.metrics().count_closed(closed.reason);
            self.tell(id, |receiver, conn| receiver.event(Event::Closed(conn, closed)));
            return self.state.server().shared.connection_ended();
        }
        shared.open();
        self.state.metrics().connected.add(1);
        self.tell(id, |receiver, conn| receiver.event(Event::Open(conn)));
        self.state.conns.borrow_mut().line_up(id);
    }

    fn take_endpoint_in(&mut self, id: ConnId, entry: UdpEntry) -> std::io::Result<()> {
        if self.datagrams.is_none() {
            self.datagrams = Some(Box::new(RecvBatch::new()?));
        }
        self.state.metrics().other_calls.add(1);
        self.state.poller.add_readable(entry.endpoint.as_fd(), id.to_u64())?;
        self.state.mailbox().set_descriptor(id, entry.endpoint.as_fd());
        let conns = &mut *self.state.conns.borrow_mut();
        conns.slab.insert(id, Entry::Udp(Box::new(entry)));
        Ok(())
    }

    /// Queues a datagram that another thread has handed in.
    pub(super) fn take_datagram(&mut self, id: ConnId, to: (SocketAddr, Option<Source>), bytes: &[u8]) {
        let conns = &mut *self.state.conns.borrow_mut();
        conns.pool.change -= counted(cost(bytes.len()), None) as isize;
        self.state.queue_handed_in(conns, id, Some(to), bytes);
    }

    /// Queues a datagram that another thread has written to a connected socket.
    pub(super) fn take_peer_datagram(&mut self, id: ConnId, bytes: &[u8], completion: Option<Completion>) {
        let conns = &mut *self.state.conns.borrow_mut();
        conns.pool.change -= counted(cost(bytes.len()), completion.as_ref()) as isize;
        if let (Some(entry), Some(_)) = (conns.slab.udp_mut(id), &completion) {
            entry.shared.completion_arrived(completions::cost(completion.as_ref()));
        }
        let queued = self.state.queue_handed_in(conns, id, None, bytes);
        match (conns.slab.udp_mut(id), completion) {
            (Some(entry), Some(completion)) if queued => {
                entry.counted(&mut conns.pool.change, |entry| entry.endpoint.complete_with(completion));
            }
            (_, Some(completion)) => conns.done.push((completion, Completed::Cancelled)),
            _ => {}
        }
    }

    /// Gives the handler what has come for a UDP socket, up to its budget.
    pub(super) fn serve_endpoint(&mut self, id: ConnId) {
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.udp_mut(id) else { return };
            entry.in_ready = false;
            if !entry.wants_service() {
                return;
            }
        }
        self.sample_delay();
        self.call_due(id);
        if self.is_last(id) {
            return self.give_last(id);
        }
        let mut budget = self.deliver_waiting(id, self.state.config().read_budget);
        let Some(mut batch) = self.datagrams.take() else { return };
        while budget > 0 {
            match self.receive(id, &mut batch, budget) {
                None => break,
                Some(read) => budget = budget.saturating_sub(read),
            }
        }
        self.datagrams = Some(batch);
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    /// Receives a batch and gives it to the handler; how much of the budget that took, `None` if nothing came.
    pub(super) fn receive(&mut self, id: ConnId, batch: &mut RecvBatch, budget: usize) -> Option<usize> {
        let metrics = self.state.metrics();
        let failed = {
            let conns = &mut *self.state.conns.borrow_mut();
            let entry =
                conns.slab.udp_mut(id).filter(|entry| entry.takes_input() && entry.endpoint.is_readable())?;
            metrics.reads.add(1);
            let received = entry.endpoint.receive(batch, budget);
            entry.endpoint.rearm(&self.state.poller);
            match received {
                Ok(0) => return None,
                Ok(_) => None,
                // An ICMP error of an earlier datagram.
                Err(error) => Some(error.raw_os_error().unwrap_or(0)),
            }
        };
        if let Some(errno) = failed {
            self.tell(id, |receiver, conn| receiver.event(Event::Undelivered(conn, errno)));
            return Some(cost(0));
        }
        let mut taken = 0;
        for Datagram { bytes, envelope } in batch.iter() {
            taken += cost(bytes.len());
            self.deliver_or_wait(id, bytes, envelope);
        }
        Some(taken)
    }

    /// A handler that has paused the socket in the middle of a batch, or of a coalesced message in it, gets the
    /// rest when it resumes.
    fn deliver_or_wait(&mut self, id: ConnId, bytes: &[u8], envelope: Envelope) {
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.udp_mut(id) else { return };
            if !entry.takes_input() || !entry.waiting.is_empty() {
                return entry.counted(&mut conns.pool.change, |entry| entry.waiting.push(bytes, envelope));
            }
        }
        self.deliver_datagram(id, bytes, envelope);
    }

    /// Gives the handler what it was spared before, up to its budget, and says what is left of that.
    pub(super) fn deliver_waiting(&mut self, id: ConnId, mut budget: usize) -> usize {
        while budget > 0 {
            let next = {
                let conns = &mut *self.state.conns.borrow_mut();
                let waits = |entry: &&mut UdpEntry| !entry.waiting.is_empty() && entry.takes_input();
                let entry = conns.slab.udp_mut(id).filter(waits);
                entry.and_then(|entry| entry.counted(&mut conns.pool.change, |entry| entry.waiting.pop()))
            };
            let Some(Waiting { bytes, envelope }) = next else { break };
            budget = budget.saturating_sub(cost(bytes.len()));
            self.deliver_datagram(id, &bytes, envelope);
        }
        budget
    }

    fn deliver_datagram(&mut self, id: ConnId, bytes: &[u8], envelope: Envelope) {
        let metrics = self.state.metrics();
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.udp_mut(id).filter(|entry| entry.closing.is_none()) else {
                return;
            };
            entry.shared.count_received(bytes.len());
        }
        metrics.datagrams_read.add(1);
        metrics.messages_read.add(1);
        metrics.bytes_read.add(bytes.len() as u64);
        metrics.datagrams_truncated.add(u64::from(envelope.truncated));
        self.state.input.set(Some(Input { id, len: bytes.len(), raw: true }));
        self.state.datagram.set(Some(envelope));
        self.tell(id, |receiver, conn| receiver.event(Event::Datagram(conn, bytes)));
        self.state.input.set(None);
        self.state.datagram.set(None);
    }

    /// Sends what a UDP socket has queued, and closes it if that is what is left to do.
    pub(super) fn settle_endpoint(&mut self, id: ConnId) {
        let (closed, drained, undelivered) = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.udp_mut(id) else { return };
            let drained = self.state.flush_endpoint(id, entry, &mut conns.pool.change, &mut conns.done);
            // A datagram that was accepted from another thread just before comes first.
            let finished = entry.endpoint.queued_bytes() == 0
                && (entry.closing.is_none() || self.state.mailbox().has_all_of(&entry.shared));
            (entry.closing.filter(|_| finished), drained, entry.undelivered.take())
        };
        if let Some(errno) = undelivered {
            self.tell(id, |receiver, conn| receiver.event(Event::Undelivered(conn, errno)));
        }
        if drained {
            self.tell(id, |receiver, conn| receiver.event(Event::Drain(conn)));
        }
        match closed {
            Some(closed) => self.finish_endpoint(id, closed),
            None => self.state.conns.borrow_mut().line_up(id),
        }
    }

    /// Forgets a UDP socket. Only one that was connected has an `on_close`.
    fn finish_endpoint(&mut self, id: ConnId, closed: Closed) {
        self.state.mailbox().unregister(id, false);
        // What other threads have handed in and is not obeyed yet must have its completions, too.
        self.obey_all();
        let connected = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.udp_mut(id) else { return };
            let (change, done) = (&mut conns.pool.change, &mut conns.done);
            entry.counted(change, |entry| entry.endpoint.cancel_completions(done));
            entry.listener.is_none()
        };
        self.call_completions();
        if connected {
            self.state.metrics().count_closed(closed.reason);
            self.tell(id, |receiver, conn| receiver.event(Event::Closed(conn, closed)));
        }
        let context = self.state.drop_endpoint(id);
        self.state.mailbox().release(id);
        if let Err(panic) = self.call(|_, _| drop(context)) {
            report(format_args!("connection {id}: its context panicked when it was dropped: {panic}"));
        }
        if connected {
            self.state.server().shared.connection_ended();
        }
    }

    /// The loop ends: one more attempt to send, then all UDP sockets are closed.
    pub(super) fn finish_endpoints(&mut self) {
        let ids = self.state.conns.borrow_mut().slab.udp_ids();
        for id in ids {
            let closed = {
                let conns = &mut *self.state.conns.borrow_mut();
                let Some(entry) = conns.slab.udp_mut(id) else { continue };
                entry.close(Closed::by(CloseReason::Shutdown));
                self.state.flush_endpoint(id, entry, &mut conns.pool.change, &mut conns.done);
                entry.closing
            };
            closed.into_iter().for_each(|closed| self.finish_endpoint(id, closed));
        }
    }
}

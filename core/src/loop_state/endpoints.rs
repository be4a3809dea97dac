//! UDP sockets: what is queued and sent for them, and their end by a call.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::base::datagram::Source;
use crate::base::panics::{catch, report};
use crate::conn::datagram::endpoint::cost;
use crate::conn::datagram::entry::UdpEntry;
use crate::conn::entry::Entry;
use crate::contract::action::{CloseReason, Closed, Completed, Completion};
use crate::contract::options::Context;
use crate::loop_state::conns::Conns;

impl LoopState {
    /// One attempt to send; says whether `on_drain` is due.
    pub(crate) fn flush_endpoint(
        &self,
        id: ConnId,
        entry: &mut UdpEntry,
        change: &mut isize,
        done: &mut Vec<(Completion, Completed)>,
    ) -> bool {
        let (before, held) = (entry.endpoint.queued_bytes(), entry.endpoint.held());
        let waited = entry.endpoint.wants_write();
        let metrics = self.metrics();
        if before > 0 && !waited {
            let flushed = entry.endpoint.flush();
            metrics.writes.add(flushed.system_calls as u64);
            metrics.datagrams_written.add(flushed.sent as u64);
            metrics.datagrams_dropped.add(flushed.dropped as u64);
            metrics.bytes_written.add(flushed.sent_bytes as u64);
            entry.shared.count_sent(flushed.sent_bytes);
            entry.undelivered = flushed.errno.or(entry.undelivered);
        }
        entry.endpoint.rearm(&self.poller);
        let gone = before - entry.endpoint.queued_bytes();
        entry.shared.settle(gone);
        entry.shared.note_completions(entry.endpoint.completions_memory());
        *change += entry.endpoint.held() as isize - held as isize;
        if entry.endpoint.wants_write() != entry.polls_writable {
            let wants = entry.endpoint.wants_write();
            metrics.other_calls.add(1);
            // What fails is tried again when more is written.
            if self.poller.poll_writable(entry.endpoint.as_fd(), id.to_u64(), wants).is_ok() {
                entry.polls_writable = wants;
            }
        }
        entry.endpoint.take_completed(done);
        let relieved = entry.shared.owes_drain() && entry.shared.unsent() <= self.config().low_water;
        if relieved {
            entry.shared.pay_drain();
        }
        relieved && entry.closing.is_none()
    }

    /// Closes the endpoint of a listener that was closed in a callback, or by a host between two turns: one attempt is made
    /// to send what is queued.
    pub(crate) fn close_endpoint(&self, id: ConnId) {
        {
            let Conns { slab, pool, done, .. } = &mut *self.conns.borrow_mut();
            let Some(entry) = slab.udp_mut(id).filter(|entry| entry.listener.is_some()) else { return };
            entry.close(Closed::by(CloseReason::LocalClose));
            self.flush_endpoint(id, entry, &mut pool.change, done);
        }
        self.mailbox.unregister(id, false);
        let context = self.drop_endpoint(id);
        self.mailbox.release(id);
        if let Err(panic) = catch(|| drop(context)) {
            report(format_args!("connection {id}: its context panicked when it was dropped: {panic}"));
        }
        if !self.conns.borrow().done.is_empty() || self.server().shared.is_draining() {
            // A host may have called: its next turn calls the completions, and sees that nothing is left to wait for.
            self.mailbox.signal();
        }
    }

    /// Closes the socket. What is still queued is dropped, and its completions are cancelled. Returns the context, whose
    /// destructor is the user's: it must not run while anything is borrowed.
    pub(crate) fn drop_endpoint(&self, id: ConnId) -> Option<Context> {
        let Conns { slab, pool, done, .. } = &mut *self.conns.borrow_mut();
        let Some((_, Entry::Udp(mut udp))) = slab.remove(id).map(|leaving| *leaving) else { return None };
        pool.change -= udp.held() as isize;
        udp.endpoint.cancel_completions(done);
        self.poller.forget(udp.endpoint.as_fd());
        udp.context
    }

    /// Queues a datagram whose cost was counted on its shared part before; says whether it was.
    pub(crate) fn queue_handed_in(
        &self,
        conns: &mut Conns,
        id: ConnId,
        to: Option<(SocketAddr, Option<Source>)>,
        bytes: &[u8],
    ) -> bool {
        let Some(entry) = conns.slab.udp_mut(id) else {
            // Not taken in: it could not be polled.
            if let Ok(shared) = self.mailbox().shared(id) {
                shared.settle(cost(bytes.len()));
            }
            return false;
        };
        // Also when it is closing: it was accepted before.
        let (to, from) = to.map_or((None, None), |(to, from)| (Some(to), from));
        let queued =
            entry.counted(&mut conns.pool.change, |entry| entry.endpoint.queue(to, from, &[bytes]).is_ok());
        if queued {
            self.metrics().messages_written.add(1);
        } else {
            entry.shared.settle(cost(bytes.len()));
            self.metrics().datagrams_dropped.add(1);
        }
        conns.mark_dirty(id);
        queued
    }
}

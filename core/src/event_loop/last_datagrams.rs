//! UDP sockets that are to end: the handler is given what waits for them, and its answers leave.

use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::contract::action::{CloseReason, Closed};
use crate::contract::options::{self, ListenerId};
use crate::shared::mailbox::command::Closing;

impl EventLoop {
    /// A listener was closed: its handler is given the datagrams that wait, unless they are refused, and its endpoints end
    /// once their queues are sent.
    pub(super) fn close_listener(&mut self, closing: &Closing) {
        self.acceptor.remove(closing.listener, &self.state.poller);
        let ids = self.endpoints_of(|listener| listener == closing.listener);
        for id in ids {
            if let Some(udp) = self.state.conns.borrow_mut().slab.udp_mut(id) {
                udp.released.clone_from(&closing.released);
            }
            match closing.waiting {
                options::Waiting::Serve => self.end_endpoint(id, CloseReason::LocalClose),
                options::Waiting::Refuse => self.close_endpoint(id, Closed::by(CloseReason::LocalClose)),
            }
        }
    }

    /// A graceful stop: the same for all endpoints.
    pub(super) fn drain_endpoints(&mut self) {
        let ids = self.endpoints_of(|_| true);
        ids.iter().for_each(|id| self.end_endpoint(*id, CloseReason::Shutdown));
        self.last_endpoints = ids;
    }

    /// Says it when a graceful stop has ended the last endpoint.
    pub(super) fn note_last_endpoints(&mut self) {
        if self.last_endpoints.is_empty() {
            return;
        }
        let conns = &mut *self.state.conns.borrow_mut();
        self.last_endpoints.retain(|id| conns.slab.udp_mut(*id).is_some());
        if self.last_endpoints.is_empty() {
            self.state.server().shared.loop_drains();
        }
    }

    /// The ids of the bound sockets whose listener fits.
    fn endpoints_of(&self, fits: impl Fn(ListenerId) -> bool) -> Vec<ConnId> {
        let slab = &mut self.state.conns.borrow_mut().slab;
        let mut ids = slab.udp_ids();
        ids.retain(|id| slab.udp_mut(*id).and_then(|udp| udp.listener).is_some_and(&fits));
        ids
    }

    fn close_endpoint(&self, id: ConnId, closed: Closed) {
        let conns = &mut *self.state.conns.borrow_mut();
        conns.slab.udp_mut(id).into_iter().for_each(|udp| udp.close(closed));
        conns.mark_dirty(id);
    }

    fn end_endpoint(&mut self, id: ConnId, reason: CloseReason) {
        {
            let conns = &mut *self.state.conns.borrow_mut();
            conns.slab.udp_mut(id).into_iter().for_each(|udp| udp.begin_last(Closed::by(reason)));
        }
        self.give_last(id);
    }

    /// Whether a socket is to end when the handler was given what waits for it.
    pub(super) fn is_last(&self, id: ConnId) -> bool {
        let conns = &mut *self.state.conns.borrow_mut();
        conns.slab.udp_mut(id).is_some_and(|udp| udp.last.is_some())
    }

    /// Gives the handler what waits for an endpoint, which is to end then. Above the high-water mark it is given nothing: this
    /// goes on when its answers have left.
    pub(super) fn give_last(&mut self, id: ConnId) {
        loop {
            self.deliver_waiting(id, usize::MAX);
            self.receive_last(id);
            let given = {
                let conns = &mut *self.state.conns.borrow_mut();
                let Some(udp) = conns.slab.udp_mut(id) else { return };
                let late = udp.last.filter(|_| self.is_late()).map(|last| last.closed);
                let given = udp.given_last().or(late);
                if given.is_none() && (!udp.takes_input() || udp.has_given_all()) {
                    // It goes on when its answers have left, or when what was handed over is answered.
                    return;
                }
                given
            };
            if let Some(closed) = given {
                return self.close_endpoint(id, closed);
            }
        }
    }

    /// Whether the server does not wait for anybody any more.
    fn is_late(&self) -> bool {
        let shared = &self.state.server().shared;
        shared.is_ending() || shared.drain_deadline().is_some_and(|at| at <= shared.clock.now())
    }

    fn receive_last(&mut self, id: ConnId) {
        let takes = {
            let conns = &mut *self.state.conns.borrow_mut();
            conns.slab.udp_mut(id).is_some_and(|udp| udp.takes_last_batch())
        };
        let Some(mut batch) = self.datagrams.take() else { return };
        if takes {
            self.receive(id, &mut batch, usize::MAX);
        }
        self.datagrams = Some(batch);
    }
}

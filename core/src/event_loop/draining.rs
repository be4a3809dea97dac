//! The graceful stop, as a loop sees it.

use super::acceptor::LAST_BATCHES;
use super::EventLoop;
use crate::base::panics::{catch, report};
use crate::contract::action::{CloseReason, Closed};
use crate::delivery::event::Event;

impl EventLoop {
    /// Begins the graceful stop when it was asked for, and ends it at its deadline.
    pub(super) fn drain_if_asked(&mut self) {
        if !self.state.server().shared.is_stopping() {
            return;
        }
        let shared = std::sync::Arc::clone(&self.state.server().shared);
        if self.state.index == 0 && shared.is_drain_asked() {
            if let Err(panic) = catch(|| self.receiver.event(Event::Stopping(self.state.server()))) {
                report(format_args!("on_stopping panicked: {panic}"));
            }
            shared.begin_draining();
        }
        if shared.is_draining() && !self.draining {
            self.draining = true;
            self.begin_draining();
        }
        if self.draining && shared.drain_deadline().is_some_and(|at| at <= self.state.now.get()) {
            shared.stop();
        }
    }

    /// Lets those in who had connected before, closes the listeners, and the endpoints once they have sent.
    fn begin_draining(&mut self) {
        self.acceptor.look_at_all();
        for _ in 0..LAST_BATCHES {
            self.accept();
            if !self.acceptor.is_busy() {
                break;
            }
        }
        self.acceptor.clear(&self.state.poller);
        let endpoints = self.state.conns.borrow_mut().slab.udp_ids();
        for id in endpoints {
            let conns = &mut *self.state.conns.borrow_mut();
            if let Some(endpoint) = conns.slab.udp_mut(id).filter(|entry| entry.listener.is_some()) {
                endpoint.close(Closed::by(CloseReason::Shutdown));
            }
            conns.mark_dirty(id);
        }
        self.state.server().shared.loop_drains();
    }
}

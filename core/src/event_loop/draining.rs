//! The graceful stop, as a loop sees it.

use super::acceptor::LAST_BATCHES;
use super::EventLoop;
use crate::base::panics::report;
use crate::delivery::event::Event;

impl EventLoop {
    /// Begins the graceful stop when it was asked for, and ends it at its deadline.
    pub(super) fn drain_if_asked(&mut self) {
        if !self.state.server().shared.is_stopping() {
            return;
        }
        let shared = std::sync::Arc::clone(&self.state.server().shared);
        if self.state.index == 0 && shared.is_drain_asked() {
            if let Err(panic) = self.call(|state, receiver| receiver.event(Event::Stopping(state.server()))) {
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

    /// Lets those in who had connected before, closes the listeners, and the endpoints once the handler was given what
    /// waits for them and its answers are sent: that may be in a later turn, for which the stop waits.
    fn begin_draining(&mut self) {
        self.acceptor.look_at_all();
        for _ in 0..LAST_BATCHES {
            self.accept();
            if !self.acceptor.is_busy() {
                break;
            }
        }
        self.acceptor.clear(&self.state.poller);
        self.drain_endpoints();
        if self.last_endpoints.is_empty() {
            self.state.server().shared.loop_drains();
        }
    }
}

//! Transports that wait for their output to become less: to resume their protocols, or to close.

use pyo3::prelude::*;

use super::shared::Shared;
use super::transport::Transport;

impl Transport {
    /// It is looked after at the end of turns from now on.
    pub(crate) fn wait(slf: &Bound<'_, Self>) {
        let this = slf.get();
        if !this.state.waits.replace(true) {
            this.shared.waiting.borrow_mut().push(slf.clone().unbind());
        }
    }

    /// Does what it waits for, if that is due; says whether there is more to wait for.
    fn look_after(slf: &Bound<'_, Self>) -> bool {
        let (this, state) = (slf.get(), &slf.get().state);
        if this.is_out() {
            return false;
        }
        let left = this.server().unsent(this.id);
        if state.protocol_paused.get() && left <= state.low.get() {
            state.protocol_paused.set(false);
            Self::tell_protocol(slf, "resume_writing");
        }
        // It may have written more, and so have been paused again.
        if !this.is_out() && state.closing.get() && this.server().send_now(this.id) == 0 {
            // Refused if it is broken, of which the end comes by itself.
            drop(this.server().close(this.id));
            Self::lose_soon(slf, None);
        }
        !this.is_out() && (state.protocol_paused.get() || state.closing.get())
    }
}

impl Shared {
    /// Looks after those that wait, when a turn may have sent something.
    pub(crate) fn look_after_waiting(&self, py: Python<'_>) -> PyResult<()> {
        if self.waiting.borrow().is_empty() {
            return Ok(());
        }
        self.with_loop(|_| {
            let waiting = self.waiting.take();
            let mut still = Vec::with_capacity(waiting.len());
            for transport in waiting {
                let bound = transport.bind(py);
                bound.get().state.waits.set(false);
                if Transport::look_after(bound) && !bound.get().state.waits.replace(true) {
                    still.push(transport);
                }
            }
            self.waiting.borrow_mut().append(&mut still);
        })
    }
}

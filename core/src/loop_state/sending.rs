//! Sending before the turn ends.

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::loop_state::conns::Conns;

impl LoopState {
    /// Sends what a stream or an endpoint has queued until the kernel takes no more, and says how many bytes are left.
    pub(crate) fn send_now(&self, id: ConnId) -> usize {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.peek_stream(id) else { return self.send_datagrams_now(id, conns) };
        if !entry.machine.has_output_to_send() {
            return entry.machine.shared.unsent();
        }
        let Some(entry) = conns.slab.stream_mut(id) else { return 0 };
        while entry.machine.has_output_to_send() {
            let sent = entry.flush(&mut conns.pool, self.metrics());
            if let Some(timing) = entry.timing().filter(|_| sent > 0) {
                timing.went(self.moment());
            }
        }
        let left = entry.machine.shared.unsent();
        conns.mark_dirty(id);
        left
    }

    fn send_datagrams_now(&self, id: ConnId, conns: &mut Conns) -> usize {
        let Some(entry) = conns.slab.udp_mut(id) else { return 0 };
        self.flush_endpoint(id, entry, &mut conns.pool.change, &mut conns.done);
        let left = entry.shared.unsent();
        conns.mark_dirty(id);
        left
    }

    /// Bytes of a connection that the kernel has not taken.
    pub(crate) fn unsent(&self, id: ConnId) -> usize {
        let conns = &mut *self.conns.borrow_mut();
        conns.slab.find_mut(id).map_or(0, |entry| entry.shared().unsent())
    }
}

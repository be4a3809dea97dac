//! For bindings that gather writes, and make them later than their language's program does.

use crate::base::conn_id::ConnId;
use crate::base::error::Result;
use crate::conn::shared::ConnKind;
use crate::contract::action::Pressure;
use crate::shared::handle::Handle;

/// Writes that were gathered.
impl Handle {
    /// How many bytes can be written to a stream now with the answer that there is no pressure, unless the budget refuses them; 0
    /// for a connection that takes no writes, and for what is no stream.
    #[doc(hidden)]
    #[must_use]
    pub fn room_to_write(&self, id: ConnId) -> usize {
        let Ok(shared) = self.mailbox(id).and_then(|mailbox| mailbox.shared(id)) else { return 0 };
        let takes = shared.takes_writes() && shared.kind == ConnKind::Stream;
        if takes {
            self.shared.config.high_water.saturating_sub(shared.unsent())
        } else {
            0
        }
    }

    /// Whether the server's byte budget has room for so many bytes, whoever writes them.
    #[doc(hidden)]
    #[must_use]
    pub fn budget_has_room(&self, bytes: usize) -> bool {
        let budget = &self.shared.budget;
        budget.held().saturating_add(bytes) <= budget.limit()
    }

    /// As [`write`](Self::write), for the bytes of several writes.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[doc(hidden)]
    pub fn write_merged(&self, id: ConnId, bytes: &[u8], writes: u32) -> Result<Pressure> {
        let Some(flowed) = self.with_own_loop(id, |state| state.write_flowing(id, &[bytes])) else {
            let written = self.mailbox(id)?.write(id, (&[bytes], writes), None, self.shared.bounds());
            drop(self.shared.relieve(None));
            return written;
        };
        let pressure = if flowed { Pressure::Low } else { self.write(id, bytes)? };
        let more = u64::from(writes.saturating_sub(1));
        self.with_own_loop(id, |state| state.metrics().messages_written.add(more));
        Ok(pressure)
    }
}

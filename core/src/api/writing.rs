//! Writing, by id.

use std::net::SocketAddr;

use crate::base::conn_id::ConnId;
use crate::base::datagram::Source;
use crate::base::error::{Error, ErrorKind, Result};
use crate::contract::action::{Completed, Completion, Pressure};
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;

/// Writing.
impl Handle {
    /// Queues a copy of `bytes` for a connection. They leave at the end of the loop's turn; inside a callback of that
    /// loop's, a write of 16 KiB or more leaves at once, with what was queued before, as far as the kernel takes it.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is closed or closing, its writing side was ended,
    /// or it belongs to another server; [`Full`](crate::ErrorKind::Full) if the queue would exceed the hard
    /// limit, or the server its [byte budget](crate::Config::byte_budget);
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a UDP endpoint outside the callback of a datagram. Then
    /// nothing is queued; and beyond the hard limit the connection is closed with `overflow`, unless
    /// [`keep_on_overflow`](crate::Config::keep_on_overflow) is set. [`System`](crate::ErrorKind::System) from another
    /// thread without memory for the copy.
    pub fn write(&self, id: ConnId, bytes: &[u8]) -> Result<Pressure> {
        self.write_gathered(id, &[bytes])
    }

    /// The usual case of [`write`](Self::write): inside a callback, a few bytes for a connection of which nothing else
    /// is to be said. Says whether they were queued, without pressure; if not, nothing was done. Does not panic.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn write_flowing(&self, conn: u64, bytes: &[u8]) -> bool {
        let Some(id) = ConnId::to_look_up(conn) else { return false };
        self.with_own_loop(id, |state| state.write_plainly(id, bytes)).unwrap_or(false)
    }

    /// The same for [`write_frame`](Self::write_frame): a frame with a short header, or whatever else flows.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn write_frame_flowing(&self, conn: u64, payload: &[u8]) -> bool {
        let Some(id) = ConnId::to_look_up(conn) else { return false };
        self.with_own_loop(id, |state| state.write_frame_flowing(id, payload)).unwrap_or(false)
    }

    /// Queues a copy of several slices, in order, as one write: what other threads write does not come between.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_gathered(&self, id: ConnId, slices: &[&[u8]]) -> Result<Pressure> {
        match self.with_own_loop(id, |state| state.write_flowing(id, slices)) {
            Some(true) => Ok(Pressure::Low),
            _ => self.write_all(id, slices, None),
        }
    }

    /// As [`write_gathered`](Self::write_gathered); `completion` is called exactly once if the write is
    /// accepted, on the connection's loop and never from inside this call: after the kernel took the last byte,
    /// or with [`Completed::Cancelled`] before `on_close` and `on_detach`. It is dropped uncalled if the write is
    /// refused. One that panics is reported.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_then(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        completion: impl FnOnce(Completed) + Send + 'static,
    ) -> Result<Pressure> {
        self.write_all(id, slices, Some(Box::new(completion)))
    }

    /// The same with what says itself how much memory it takes.
    #[doc(hidden)]
    pub fn write_completing(&self, id: ConnId, slices: &[&[u8]], completion: Completion) -> Result<Pressure> {
        self.write_all(id, slices, Some(completion))
    }

    /// Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter
    /// behind.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the connection has
    /// no framing, or one without an encoder, or the payload does not fit it.
    pub fn write_frame(&self, id: ConnId, payload: &[u8]) -> Result<Pressure> {
        let mailbox = self.mailbox(id)?;
        if let Some(written) = LoopState::current(mailbox).and_then(|state| state.write_frame(id, payload)) {
            return written;
        }
        let framing = mailbox.shared(id)?.framing();
        let framing = framing.ok_or_else(|| {
            let message = format!("connection {id} has no framing to write a frame with");
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        let encoded = framing.encode(payload)?;
        self.write_all(id, &[encoded.head(), payload, encoded.tail()], None)
    }

    /// Sends a datagram from a UDP endpoint to any address.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is too long for a
    /// datagram; [`Unsupported`](crate::ErrorKind::Unsupported) for a connection.
    pub fn send_to(&self, id: ConnId, to: SocketAddr, bytes: &[u8]) -> Result<Pressure> {
        self.answer(id, to, None, bytes)
    }

    /// The same, from an address of this machine: what a write does in the callback of a datagram, for who answers later.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    #[doc(hidden)]
    pub fn answer(&self, id: ConnId, to: SocketAddr, from: Option<Source>, bytes: &[u8]) -> Result<Pressure> {
        let bounds = self.shared.bounds();
        self.route(
            id,
            |state| state.send_to(id, to, from, bytes),
            |mailbox| mailbox.send_to(id, (to, from), bytes, bounds),
        )
    }

    fn write_all(&self, id: ConnId, slices: &[&[u8]], completion: Option<Completion>) -> Result<Pressure> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => state.write(id, slices, completion),
            None => {
                let written = mailbox.write(id, (slices, 1), completion, self.shared.bounds());
                drop(self.shared.relieve(None));
                written
            }
        }
    }
}

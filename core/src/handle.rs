//! What callbacks and other threads hold of a server and of a connection.

use std::fmt;
use std::sync::Arc;

use crate::action::{CloseReason, Pressure};
use crate::batch::Gather;
use crate::error::Result;
use crate::loop_state::LoopState;
use crate::mailbox::{closed_error, Mailbox};
use crate::server::Shared;
use crate::token::ConnId;

/// A server as seen from anywhere: cheap to clone, usable from any thread, never blocking.
///
/// Calls by id on the thread of the connection's own loop take the same path as the connection's own; from
/// elsewhere they go through the loop's mailbox. The order of the calls of one thread is kept. A handle does
/// not keep the server running.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Queues a copy of `bytes` for a connection. They leave at the end of the loop's turn.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is closed or closing, or belongs to another
    /// server; [`Full`](crate::ErrorKind::Full) if the queue would exceed the hard limit. Then nothing is
    /// queued; and on the connection's own loop the connection is closed with `overflow`.
    pub fn write(&self, id: ConnId, bytes: &[u8]) -> Result<Pressure> {
        let remote = |mailbox: &Arc<Mailbox>| mailbox.write(id, bytes, &self.shared.config);
        self.route(id, |state| state.write(id, bytes), remote)
    }

    /// Closes a connection: from now on writes answer `closed`; what is queued is sent, then writing is shut
    /// down; input is discarded until the peer closes too or the linger limit is over; then comes `on_close`.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is closed or closing, or belongs to another
    /// server.
    pub fn close(&self, id: ConnId) -> Result<()> {
        self.close_because(id, CloseReason::LocalClose)
    }

    /// Closes a connection as if a callback of its had failed: the same as [`close`](Self::close), with the
    /// reason [`HandlerError`](CloseReason::HandlerError).
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn fail(&self, id: ConnId) -> Result<()> {
        self.close_because(id, CloseReason::HandlerError)
    }

    fn close_because(&self, id: ConnId, reason: CloseReason) -> Result<()> {
        self.route(id, |state| state.close(id, reason), |mailbox| mailbox.close(id, reason))
    }

    /// Whether the connection takes writes.
    #[must_use]
    pub fn is_open(&self, id: ConnId) -> bool {
        self.mailbox(id).is_some_and(|mailbox| mailbox.is_open(id))
    }

    /// Asks the server to stop; it does so at once: each connection gets one more attempt to send what is
    /// queued, and is closed with [`CloseReason::Shutdown`]. Asynchronous; may be repeated, and may come
    /// before the start, which is then refused. Async-signal-safe: it stores a flag and writes to
    /// descriptors.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// The number of event loops; 0 before the start.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.mailboxes().len()
    }

    /// The addresses really bound, as URLs without a query, in the order of the `listen` calls.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.shared.addresses()
    }

    /// Connections that are open, those being closed included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.mailboxes().iter().map(|mailbox| mailbox.connections()).sum()
    }

    /// Bytes written to connections and not yet taken by the kernel. Walks over all connections.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.mailboxes().iter().map(|mailbox| mailbox.unsent()).sum()
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        self.shared.mailboxes()
    }

    fn mailbox(&self, id: ConnId) -> Option<&Arc<Mailbox>> {
        self.mailboxes().iter().find(|mailbox| mailbox.lease() == id.lease())
    }

    /// Makes a call where the connection lives: on its loop if that runs on this thread, or else through its
    /// mailbox.
    fn route<T>(
        &self,
        id: ConnId,
        own: impl FnOnce(&LoopState) -> Result<T>,
        remote: impl FnOnce(&Arc<Mailbox>) -> Result<T>,
    ) -> Result<T> {
        let mailbox = self.mailbox(id).ok_or_else(|| closed_error(id))?;
        match LoopState::current(mailbox) {
            Some(state) => own(&state),
            None => remote(mailbox),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// A connection as its callbacks see it. Its calls take effect on the connection's loop, without a detour; to
/// reach the connection from elsewhere, keep its [`id`](Self::id).
pub struct Conn<'a> {
    id: ConnId,
    state: &'a LoopState,
}

impl<'a> Conn<'a> {
    pub(crate) fn new(id: ConnId, state: &'a LoopState) -> Self {
        Conn { id, state }
    }

    /// The connection's id: valid on any thread, and never used again.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The server, for calls on other connections.
    #[must_use]
    pub fn server(&self) -> &Handle {
        self.state.server()
    }

    /// As [`Handle::write`].
    ///
    /// # Errors
    /// As [`Handle::write`].
    pub fn write(&self, bytes: &[u8]) -> Result<Pressure> {
        self.state.write(self.id, bytes)
    }

    /// As [`Handle::close`].
    ///
    /// # Errors
    /// As [`Handle::close`].
    pub fn close(&self) -> Result<()> {
        self.state.close(self.id, CloseReason::LocalClose)
    }

    /// As [`Handle::fail`].
    ///
    /// # Errors
    /// As [`Handle::fail`].
    pub fn fail(&self) -> Result<()> {
        self.state.close(self.id, CloseReason::HandlerError)
    }

    /// Stops reading this connection until the batch with its events is answered.
    pub(crate) fn hold(&self) {
        self.state.hold(self.id);
    }

    pub(crate) fn gather(&self, add: impl FnOnce(&mut Gather)) {
        add(&mut self.state.gather.borrow_mut());
    }
}

impl fmt::Debug for Conn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conn").field(&self.id).finish()
    }
}

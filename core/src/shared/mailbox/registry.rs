//! The loop's connections as other threads find them: by id, under the mailbox's lock.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::Mailbox;
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::conn::shared::{ConnKind, ConnShared};
use crate::sys::socket;

impl Mailbox {
    // ---- any thread ----

    /// The shared part of a connection.
    pub(crate) fn shared(&self, id: ConnId) -> Result<Arc<ConnShared>> {
        self.lock().find(id).cloned()
    }

    /// Whether the id is a connection's, also when the loop takes no more calls.
    pub(crate) fn knows(&self, id: ConnId) -> bool {
        self.lock().conns.get(id).is_some_and(|shared| !shared.is_gone())
    }

    pub(crate) fn is_open(&self, id: ConnId) -> bool {
        self.lock().find(id).is_ok_and(|shared| shared.takes_writes())
    }

    /// Makes a call on a connection's descriptor, which cannot be closed meanwhile: it must not block.
    pub(crate) fn with_descriptor<T>(&self, id: ConnId, call: impl FnOnce(BorrowedFd<'_>) -> T) -> Result<T> {
        let inner = self.lock();
        let none = || {
            let message = format!("connection {id} has no socket yet: wait for on_open");
            Error::new(ErrorKind::WrongState, message)
        };
        let descriptor = inner.find(id)?.descriptor().ok_or_else(none)?;
        Ok(call(socket::borrow_while_registered(&descriptor)))
    }

    /// The connection has another descriptor from now on: nobody uses the one before any more when this returns.
    pub(crate) fn set_descriptor(&self, id: ConnId, descriptor: BorrowedFd<'_>) {
        if let Ok(shared) = self.lock().find(id) {
            shared.set_descriptor(Some(descriptor.as_raw_fd()));
        }
    }

    /// Streams that have a descriptor or are about to, closing ones included.
    pub(crate) fn connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The ids of the streams, and of the outgoing connections for datagrams, that have not left yet.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        let inner = self.lock();
        let conns =
            inner.conns.iter().filter(|(_, shared)| shared.kind != ConnKind::Endpoint && !shared.is_gone());
        conns.map(|(id, _)| id).collect()
    }

    /// Unsent bytes of all connections.
    pub(crate) fn unsent(&self) -> usize {
        self.lock().conns.values().map(|shared| shared.unsent()).sum()
    }

    /// Takes a connection in, and gives it its id; `None` if the loop's ids are used up, or it has ended.
    pub(crate) fn register(&self, shared: Arc<ConnShared>) -> Option<ConnId> {
        let mut inner = self.lock();
        if inner.ended {
            return None;
        }
        let counts = shared.kind != ConnKind::Endpoint;
        let id = inner.conns.insert(shared)?;
        if counts {
            self.open.fetch_add(1, Ordering::SeqCst);
        }
        Some(id)
    }

    // ---- the loop's thread only ----

    /// Whether no thread has bytes for a connection on their way. Writes were refused before this is asked, so
    /// none will come any more: whoever was let in before has counted them under the lock.
    pub(crate) fn has_all_of(&self, shared: &ConnShared) -> bool {
        let _inner = self.lock();
        shared.unsent() == 0
    }

    /// From here on nobody finds a connection, or its descriptor. With `all_sent` it refuses if other threads have
    /// bytes for it on their way. Its id is free after [`release`](Self::release).
    pub(crate) fn unregister(&self, id: ConnId, all_sent: bool) -> bool {
        let inner = self.lock();
        let Some(shared) = inner.conns.get(id) else { return true };
        if all_sent && shared.unsent() > 0 {
            return false;
        }
        shared.leave();
        true
    }

    /// The id of a connection that was unregistered, and has left the loop's slab, is free.
    pub(crate) fn release(&self, id: ConnId) {
        let removed = {
            let mut inner = self.lock();
            let removed = inner.conns.remove(id);
            if removed.as_ref().is_some_and(|shared| shared.kind != ConnKind::Endpoint) {
                self.open.fetch_sub(1, Ordering::SeqCst);
            }
            removed
        };
        // Without the lock: a framing's function is the user's, and may go with it.
        drop(removed);
    }

    /// Both, for a connection that never was in the slab.
    pub(crate) fn forget(&self, id: ConnId) {
        self.unregister(id, false);
        self.release(id);
    }
}

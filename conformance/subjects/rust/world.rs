//! What the subject's parts share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use reactor_core::{Config, ConnId, Handle, Handler, ListenerId, Server};

use crate::framing::Frames;
use crate::report::{emit, thread};

/// What callbacks and control commands share.
#[derive(Default)]
pub(crate) struct World {
    /// Weak, so that the server is freed as soon as it has ended.
    server: OnceLock<Weak<Server>>,
    /// A server beside it, started at the first use, that listens nowhere.
    other: Mutex<Option<Arc<Server>>>,
    listeners: Mutex<HashMap<ListenerId, Frames>>,
    conns: Mutex<HashMap<ConnId, Frames>>,
    /// What the next on_pre_write of each loop writes, and where.
    pre_writes: Mutex<HashMap<usize, Vec<(ConnId, String)>>>,
    pre_write_calls: AtomicU64,
}

struct Idle;

impl Handler for Idle {}

/// Locks, also after a handler has failed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The way back to the server, which owns the handler.
    pub(crate) fn set_server(&self, server: &Arc<Server>) {
        let fresh = self.server.set(Arc::downgrade(server));
        debug_assert!(fresh.is_ok());
    }

    /// The server, until it has ended.
    pub(crate) fn server(&self) -> Option<Arc<Server>> {
        self.server.get()?.upgrade()
    }

    pub(crate) fn other(&self) -> reactor_core::Result<Arc<Server>> {
        let mut other = lock(&self.other);
        if let Some(server) = &*other {
            return Ok(Arc::clone(server));
        }
        let config = Config { loops: 1, ..Config::default() };
        let server = Arc::new(Server::new(Idle, &config)?);
        server.start()?;
        *other = Some(Arc::clone(&server));
        Ok(server)
    }

    /// Ends the other server, which has no callbacks to wait for.
    pub(crate) fn end_other(&self) {
        let other = lock(&self.other).take();
        drop(other);
    }

    // ---- how input comes ----

    pub(crate) fn set_listener_frames(&self, listener: ListenerId, frames: Frames) {
        lock(&self.listeners).insert(listener, frames);
    }

    pub(crate) fn listener_frames(&self, listener: ListenerId) -> Frames {
        lock(&self.listeners).get(&listener).copied().unwrap_or_default()
    }

    pub(crate) fn set_frames(&self, conn: ConnId, frames: Frames) {
        lock(&self.conns).insert(conn, frames);
    }

    pub(crate) fn frames(&self, conn: ConnId) -> Frames {
        lock(&self.conns).get(&conn).copied().unwrap_or_default()
    }

    pub(crate) fn forget(&self, conn: ConnId) {
        lock(&self.conns).remove(&conn);
    }

    // ---- on_pre_write ----

    pub(crate) fn leave(&self, on_loop: usize, conn: ConnId, text: &str) {
        lock(&self.pre_writes).entry(on_loop).or_default().push((conn, format!("{text}\n")));
    }

    pub(crate) fn pre_write(&self, server: &Handle) {
        let calls = self.pre_write_calls.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(on_loop) = server.current_loop() else { return };
        let Some(left) = lock(&self.pre_writes).remove(&on_loop) else { return };
        for (conn, text) in left {
            // Refused only if the connection is closed already.
            let _ = server.write(conn, text.as_bytes());
        }
        emit("pre-write", serde_json::json!({ "calls": calls, "thread": thread() }));
    }
}

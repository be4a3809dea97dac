//! What anybody says goes to everybody.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reactor_core::{Action, Closed, Conn, ConnId, Handler};

/// Sends what comes from any connection to every open one, the sender included. One that does not read is dropped by
/// the engine at the hard limit of its queue.
#[derive(Default)]
pub(crate) struct Broadcast {
    open: Mutex<HashSet<ConnId>>,
}

impl Broadcast {
    fn open(&self) -> MutexGuard<'_, HashSet<ConnId>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Broadcast {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.open().insert(conn.id());
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let server = conn.server();
        for id in self.open().iter() {
            // It is refused if that connection is about to close.
            let _ = server.write(*id, data);
        }
        Action::None
    }

    fn on_close(&self, conn: &Conn<'_>, _: Closed) {
        self.open().remove(&conn.id());
    }
}

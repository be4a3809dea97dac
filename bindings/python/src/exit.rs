//! The end of the interpreter: no loop may call into Python once it is being taken down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use reactor_core::Handle;

/// The servers whose loops may call into Python: those whose sink is alive.
static SERVERS: LazyLock<Mutex<HashMap<u64, Handle>>> = LazyLock::new(Mutex::default);
/// A server was taken off the list.
static GONE: Condvar = Condvar::new();

fn servers() -> MutexGuard<'static, HashMap<u64, Handle>> {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server's place on the list, held by its sink: so the place is given up after the last callback.
pub(crate) struct Registration {
    key: u64,
}

impl Registration {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Registration { key: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Dropped without the lock held: the last handle of a server closes its descriptors.
        let handle = servers().remove(&self.key);
        drop(handle);
        GONE.notify_all();
    }
}

/// Puts a server on the list.
pub(crate) fn register(key: u64, handle: Handle) {
    servers().insert(key, handle);
}

/// Arranges for `stop_servers` to run before the interpreter is taken down.
pub(crate) fn stop_servers_at_exit(py: Python<'_>) -> PyResult<()> {
    let stop = wrap_pyfunction!(stop_servers, py)?;
    py.import("atexit")?.call_method1("register", (stop,)).map(drop)
}

/// Stops every server and waits until their loops have ended.
#[pyfunction]
#[pyo3(name = "_stop_servers")]
fn stop_servers(py: Python<'_>) {
    servers().values().for_each(Handle::stop);
    py.detach(|| {
        // One that was never started has no loops, and waits for nobody.
        let running = |servers: &mut HashMap<u64, Handle>| servers.values().any(|server| server.loops() > 0);
        drop(GONE.wait_while(servers(), running));
    });
}

//! The end of the interpreter: no loop may call into Python once it is being taken down.

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor_core::Handle;

/// The servers of this process whose loops may call into Python: those that were started and whose delivery is
/// alive. And those that listen, and may have been forgotten.
#[derive(Default)]
struct Servers {
    by_key: Mutex<HashMap<u64, Handle>>,
    /// A server was taken off the list.
    gone: Condvar,
}

/// The list of this process, never freed. A forked child has another: the threads that serve those of its
/// parent are not in it, and one of them may have held the lock.
static SERVERS: AtomicPtr<Servers> = AtomicPtr::new(ptr::null_mut());
/// The interpreter ends: no server starts any more.
static ENDING: AtomicBool = AtomicBool::new(false);
/// How long the wait at the end goes without looking for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

impl Servers {
    /// The list, once `stop_servers_at_exit` has made it.
    fn of_this_process() -> Option<&'static Servers> {
        // SAFETY: what is stored comes from `Box::leak`, so it lives for ever and is only shared.
        unsafe { SERVERS.load(Ordering::Acquire).as_ref() }
    }

    /// Begins an empty list.
    fn begin() {
        SERVERS.store(Box::leak(Box::default()), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Handle>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of those that listen and were never started.
    fn tell_of_unstarted(&self) {
        // Without the lock: the logger is user code.
        let servers: Vec<_> = self.lock().values().cloned().collect();
        servers.iter().for_each(Handle::tell_if_unstarted);
    }

    /// Stops every server, also those that were starting meanwhile, and waits until none runs, for a while; whether one
    /// still does. One that was never started has no loops, and nobody waits for it.
    fn still_run(&self) -> bool {
        self.lock().values().for_each(Handle::stop);
        let running = |servers: &mut HashMap<u64, Handle>| servers.values().any(|server| server.loops() > 0);
        let waited = self.gone.wait_timeout_while(self.lock(), SIGNAL_INTERVAL, running);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// A server's place on the list, held by its delivery: so the place is given up after the last callback.
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
        withdraw(self.key);
    }
}

/// Takes a server off the list: its delivery is gone, or a host drives it, which has no loop that could end by itself.
pub(crate) fn withdraw(key: u64) {
    let Some(servers) = Servers::of_this_process() else { return };
    // Dropped without the lock held: the last handle of a server closes its descriptors.
    let handle = servers.lock().remove(&key);
    drop(handle);
    servers.gone.notify_all();
}

/// Puts a server on the list, before its start: the process that starts it has its loops, which may be a fork
/// of the one that made it. Not when the interpreter ends: says whether it does not.
pub(crate) fn register(key: u64, handle: Handle) -> bool {
    let Some(servers) = Servers::of_this_process() else { return true };
    let mut by_key = servers.lock();
    // With the lock held: whoever says that the interpreter ends looks at the list after that.
    let goes_on = !ENDING.load(Ordering::SeqCst);
    if goes_on {
        by_key.insert(key, handle);
    }
    goes_on
}

/// Whether the interpreter is being taken down, or soon will be: what logs in Python may be gone.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// Arranges for `stop_servers` to run before the interpreter is taken down, in this process and its forks. A further import
/// finds that done.
pub(crate) fn stop_servers_at_exit(py: Python<'_>) -> PyResult<()> {
    if Servers::of_this_process().is_some() {
        return Ok(());
    }
    Servers::begin();
    let hook = PyDict::new(py);
    hook.set_item("after_in_child", wrap_pyfunction!(forget_servers, py)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&hook))?;
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(stop_servers, py)?,)).map(drop)
}

/// In a forked child: the servers are the parent's.
#[pyfunction]
#[pyo3(name = "_forget_servers")]
fn forget_servers() {
    Servers::begin();
}

/// Stops every server and waits until their loops have ended. Ctrl-C ends the waiting for a callback that
/// hangs.
#[pyfunction]
#[pyo3(name = "_stop_servers")]
fn stop_servers(py: Python<'_>) -> PyResult<()> {
    ENDING.store(true, Ordering::SeqCst);
    let Some(servers) = Servers::of_this_process() else { return Ok(()) };
    // An exception that nobody caught has said what went wrong.
    if !py.import("sys")?.hasattr("last_value")? {
        servers.tell_of_unstarted();
    }
    while py.detach(|| servers.still_run()) {
        py.check_signals()?;
    }
    Ok(())
}

//! Telling processes apart: asking the system takes a call each time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

/// How many forks lie between this process and the one that first asked, from 1.
static PROCESS: AtomicU32 = AtomicU32::new(1);

extern "C" fn in_child() {
    PROCESS.fetch_add(1, Ordering::SeqCst);
}

/// A number that a process has in common neither with its parent nor with its children; never 0. Siblings may
/// have the same. Only fork(3) of the C library counts, which calls what pthread_atfork(3) was given.
pub(crate) fn process() -> u32 {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // Without memory for it, a child is taken for its parent: as if nobody had looked.
        // SAFETY: the function touches an atomic only, which is fine in a child of a process with threads.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    PROCESS.load(Ordering::SeqCst)
}

/// Whether this is still the process that [`process`] has numbered so.
#[inline]
pub(crate) fn is_still(process: u32) -> bool {
    PROCESS.load(Ordering::Relaxed) == process
}

//! Which threads are the engine's own: nobody may wait for the engine there, as it would wait for itself.

use std::cell::Cell;

thread_local! {
    static MARKED: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread is the engine's from now on.
pub(crate) fn mark() {
    MARKED.set(true);
}

/// Whether the calling thread is the engine's, of whatever server.
pub(crate) fn is_marked() -> bool {
    MARKED.get()
}

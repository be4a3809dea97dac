//! What belongs to the thread that made it.

use std::thread::{self, ThreadId};

/// A value that only the thread which made it reaches. Other threads may have it, but not what is inside.
pub(crate) struct HostThread<T> {
    thread: ThreadId,
    /// `None` once it was let go.
    value: Option<T>,
}

// SAFETY: `value` is reached, and dropped, on the thread that made it only; of others' drops it is forgotten.
unsafe impl<T> Send for HostThread<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for HostThread<T> {}

impl<T> HostThread<T> {
    pub(crate) fn new(value: T) -> Self {
        HostThread { thread: thread::current().id(), value: Some(value) }
    }

    /// The value, on its own thread.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        (thread::current().id() == self.thread).then_some(self.value.as_ref()).flatten()
    }
}

impl<T> Drop for HostThread<T> {
    fn drop(&mut self) {
        if self.get().is_none() {
            std::mem::forget(self.value.take());
        }
    }
}

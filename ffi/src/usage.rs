//! The blocking calls that are under way on a server, which freeing it must let end first.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Counts the calls that are under way.
#[derive(Default)]
pub(crate) struct Usage {
    calls: Mutex<usize>,
    ended: Condvar,
}

/// A call that is under way. It shares the counter: what it counts may be gone when it ends.
pub(crate) struct Call(Arc<Usage>);

impl Usage {
    pub(crate) fn begin(self: &Arc<Self>) -> Call {
        *self.lock() += 1;
        Call(Arc::clone(self))
    }

    /// Blocks until no call is under way.
    pub(crate) fn wait_for_end(&self) {
        let calls = self.ended.wait_while(self.lock(), |calls| *calls > 0);
        drop(calls.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_end_of_the_last_call_is_waited_for() {
        let (usage, ended) = (Arc::new(Usage::default()), Arc::new(AtomicBool::new(false)));
        let (first, second) = (usage.begin(), usage.begin());
        drop(first);
        let seen = Arc::clone(&ended);
        let caller = std::thread::spawn(move || {
            std::thread::yield_now();
            seen.store(true, Ordering::SeqCst);
            drop(second);
        });
        usage.wait_for_end();
        assert!(ended.load(Ordering::SeqCst));
        caller.join().unwrap();
    }
}

//! The blocking calls that are under way on a server, which freeing it must let end first.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Counts the calls that are under way in this process. A forked child gets a copy of the count but not the
/// threads that would bring it down again, hence the process.
#[derive(Default)]
pub(crate) struct Usage {
    /// Whose calls are counted; 0 before the first. Written under the lock.
    process: AtomicU32,
    calls: Mutex<usize>,
    ended: Condvar,
}

/// A call that is under way. It shares the counter: what it counts may be gone when it ends.
pub(crate) struct InUse {
    usage: Arc<Usage>,
    /// The process that began it. It may end in a child: when a callback inside of it forks.
    process: u32,
}

impl Usage {
    pub(crate) fn begin(self: &Arc<Self>) -> InUse {
        let process = process::id();
        let mut calls = self.lock();
        if self.process.swap(process, Ordering::SeqCst) != process {
            *calls = 0;
        }
        *calls += 1;
        InUse { usage: Arc::clone(self), process }
    }

    /// Blocks until no call of this process is under way.
    pub(crate) fn wait_for_end(&self) {
        // Before the lock, which a thread of the parent may have held at the fork.
        if self.process.load(Ordering::SeqCst) != process::id() {
            return;
        }
        let calls = self.ended.wait_while(self.lock(), |calls| *calls > 0);
        drop(calls.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if self.process != process::id() {
            return;
        }
        *self.usage.lock() -= 1;
        self.usage.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

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

    #[test]
    fn calls_of_another_process_do_not_count() {
        let usage = Arc::new(Usage::default());
        // As a child finds it: two calls of the parent's, one of them on the thread that forked.
        let mut inherited = usage.begin();
        std::mem::forget(usage.begin());
        let parent = process::id().wrapping_add(1);
        usage.process.store(parent, Ordering::SeqCst);
        inherited.process = parent;
        usage.wait_for_end();
        let own = usage.begin();
        drop(inherited);
        assert_eq!(*usage.lock(), 1);
        drop(own);
        usage.wait_for_end();
    }
}

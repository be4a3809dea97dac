//! What one thread has, found by that thread through something that all threads share.
//!
//! A thread-local variable would do, too; in a shared library each look at one is a call.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A value that is lent for a while, to the thread that lends it only.
#[derive(Debug)]
pub(crate) struct OnThread<T> {
    /// The thread, or 0.
    thread: AtomicUsize,
    value: AtomicPtr<T>,
}

/// Takes the loan back.
struct Loan<'a, T> {
    of: &'a OnThread<T>,
    before: (usize, *mut T),
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.of.thread.store(self.before.0, Ordering::Relaxed);
        self.of.value.store(self.before.1, Ordering::Relaxed);
    }
}

/// A number that no other living thread of the process has: where its control block is, which on this system its
/// register points at.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[inline(always)]
fn this_thread() -> usize {
    let thread: usize;
    // SAFETY: the word at fs:0 is the block's own address (System V ABI for thread-local storage, variant II), and is never
    // written while the thread lives.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) thread, options(nostack, pure, readonly, preserves_flags));
    }
    thread
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn this_thread() -> usize {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::pthread_self() as usize }
}

impl<T> OnThread<T> {
    pub(crate) const fn new() -> Self {
        OnThread { thread: AtomicUsize::new(0), value: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// Lends `value` to this thread while `run` runs.
    pub(crate) fn lend<R>(&self, value: &T, run: impl FnOnce() -> R) -> R {
        let before = (self.thread.load(Ordering::Relaxed), self.value.load(Ordering::Relaxed));
        let _loan = Loan { of: self, before };
        self.value.store(std::ptr::from_ref(value).cast_mut(), Ordering::Relaxed);
        self.thread.store(this_thread(), Ordering::Relaxed);
        run()
    }

    /// Takes back what was lent to this thread by calls of `lend` that never returned.
    pub(crate) fn take_back(&self) {
        self.value.store(std::ptr::null_mut(), Ordering::Relaxed);
        self.thread.store(0, Ordering::Relaxed);
    }

    /// Uses the value; `None` on other threads, and when it is not lent.
    #[inline]
    pub(crate) fn with<R>(&self, call: impl FnOnce(&T) -> R) -> Option<R> {
        if self.thread.load(Ordering::Relaxed) != this_thread() {
            return None;
        }
        // SAFETY: this thread has stored its own number, which no other living thread has, together with a value
        // that is borrowed until the number is taken back; as this thread is here, it is inside that `lend`.
        Some(call(unsafe { &*self.value.load(Ordering::Relaxed) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn it_is_there_on_its_thread_and_while_it_is_lent() {
        let place: OnThread<Cell<u32>> = OnThread::new();
        let (outer, inner) = (Cell::new(1), Cell::new(10));
        let add = |n| place.with(|cell| cell.set(cell.get() + n));
        assert_eq!(add(1), None);
        place.lend(&outer, || {
            assert_eq!(add(1), Some(()));
            place.lend(&inner, || assert_eq!(add(5), Some(())));
            assert_eq!(add(1), Some(()));
            let elsewhere = std::thread::scope(|scope| scope.spawn(|| place.with(|_| ())).join());
            assert_eq!(elsewhere.unwrap(), None);
        });
        assert_eq!((add(1), outer.get(), inner.get()), (None, 3, 15));
        let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            place.lend(&outer, || std::panic::resume_unwind(Box::new(())));
        }));
        assert!(thrown.is_err() && add(1).is_none());
    }
}

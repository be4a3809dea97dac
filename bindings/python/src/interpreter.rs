//! The interpreter lock, as a loop takes it and gives it back.

use std::cell::Cell;
use std::ptr;

use pyo3::{ffi, Python};

/// The hold of a loop's thread on the interpreter lock: taken at the first callback that needs it, kept for those that
/// follow, and given back before the loop sends or sleeps. For the loop's thread alone, which `attached` keeps attached.
pub(crate) struct InterpreterLock {
    /// What the interpreter calls this thread; null until the lock is first taken.
    thread: Cell<*mut ffi::PyThreadState>,
    held: Cell<bool>,
}

impl InterpreterLock {
    pub(crate) const fn new() -> Self {
        InterpreterLock { thread: Cell::new(ptr::null_mut()), held: Cell::new(false) }
    }

    /// The lock, which this thread has from here on until `give_back`.
    #[inline]
    pub(crate) fn take(&self) -> Python<'_> {
        if !self.held.get() {
            self.wait_for_it();
        }
        // SAFETY: this thread holds the lock. No token outlives that: `give_back` needs this to itself.
        unsafe { Python::assume_attached() }
    }

    #[inline(never)]
    fn wait_for_it(&self) {
        if self.thread.get().is_null() {
            // SAFETY: it only looks up what belongs to this thread.
            self.thread.set(unsafe { ffi::PyGILState_GetThisThreadState() });
        }
        // SAFETY: `attached` made this state for this thread, keeps it until the loop has ended, and has given the
        // lock back; so has `give_back`, as nothing is held.
        unsafe { ffi::PyEval_RestoreThread(self.thread.get()) };
        self.held.set(true);
    }

    /// Gives the lock back, if it is held.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        if self.held.replace(false) {
            // SAFETY: this thread holds the lock, and nobody has a token of it.
            unsafe { ffi::PyEval_SaveThread() };
        }
    }
}

/// Keeps the calling thread attached to the interpreter, without the lock, while `run` runs: attaching for each turn would
/// cost several times as much as taking the lock does.
pub(crate) fn attached(run: &mut dyn FnMut()) {
    // The closure stays on this thread, whatever the bound on `detach` asks of it.
    struct Run<'a>(&'a mut dyn FnMut());
    // SAFETY: `detach` calls its closure on the calling thread; nothing is sent.
    unsafe impl Send for Run<'_> {}
    impl Run<'_> {
        fn call(self) {
            (self.0)();
        }
    }
    let run = Run(run);
    Python::attach(|py| py.detach(move || run.call()));
}

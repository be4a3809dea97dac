//! Threads that are cancelled, pthread_cancel(3), or end themselves by pthread_exit(3). The C library then unwinds their stack.
//! Frames of Rust that catch panics do not let that through: they abort the process.

use std::ffi::{c_int, c_void};
use std::ptr;

use super::system::exit::{run_guarded, Buffer, DISABLE};

extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// While it lives, its thread is not cancelled; a request waits.
#[derive(Debug)]
pub struct Uncancelled {
    before: c_int,
    /// Belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Uncancelled {
    /// Keeps the calling thread.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a guard is taken, not defaulted")]
    pub fn new() -> Self {
        Uncancelled { before: set(DISABLE), _not_send: std::marker::PhantomData }
    }

    /// For good.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }

    /// Runs a call that waits, in which the thread may be cancelled if it could be before; says whether it was not. What
    /// `wait` has on the stack then is gone, without being dropped.
    pub(super) fn except(&self, wait: impl FnOnce()) -> bool {
        let goes_on = guarded(0, || {
            set(self.before);
            wait();
        });
        set(DISABLE);
        goes_on
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        set(self.before);
    }
}

fn set(state: c_int) -> c_int {
    let mut before = 0;
    // SAFETY: the number outlives the call, which fails for states that there are not. If the thread is cancelled at once, by
    // its type, then under `guarded`.
    unsafe { pthread_setcancelstate(state, &mut before) };
    before
}

/// Bytes of the stack that `guarded` itself may take, and what is called by it.
const OWN: usize = 4096;

/// Runs `run`, which does not panic. If the thread is cancelled there, or ends itself, it goes on here instead, and the answer
/// is `false`: everything that `run` had called is gone, without being dropped. `depth`: bytes of the stack, a multiple of 16,
/// in which there may be frames that must not be unwound; the stack has room for them, and 4 KiB more.
pub(crate) fn guarded<F: FnOnce()>(depth: usize, run: F) -> bool {
    extern "C-unwind" fn call<F: FnOnce()>(run: *mut c_void) {
        // SAFETY: it is the option below, which nobody else uses meanwhile.
        let run = unsafe { &mut *run.cast::<Option<F>>() };
        run.take().into_iter().for_each(|run| run());
    }
    debug_assert!(depth.is_multiple_of(16));
    let (mut run, mut buffer) = (Some(run), Buffer::new());
    // SAFETY: both outlive the call; the stack has room, as it was promised.
    unsafe { run_guarded(call::<F>, ptr::from_mut(&mut run).cast(), &mut buffer, OWN + depth) == 0 }
}

#[cfg(test)]
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod tests {
    use super::*;
    use std::panic::{catch_unwind, AssertUnwindSafe};
    use std::thread;

    /// What the frames of the tests take at most.
    const FRAMES: usize = 1 << 16;

    extern "C-unwind" {
        fn pthread_exit(value: *mut c_void) -> !;
    }

    fn exit() {
        // SAFETY: there is a `guarded` on the stack.
        unsafe { pthread_exit(ptr::null_mut()) };
    }

    #[test]
    fn a_thread_goes_on_behind_its_end() {
        let body = || {
            let ended = [guarded(0, exit), guarded(0, || ()), guarded(0, exit)];
            let below = guarded(FRAMES, || drop(catch_unwind(AssertUnwindSafe(exit))));
            let inner = guarded(FRAMES, || assert!(!guarded(0, exit)));
            (ended, below, inner)
        };
        assert_eq!(thread::spawn(body).join().unwrap(), ([false, true, false], false, true));
    }
}

//! Whether the calling thread is inside a callback.

use std::cell::Cell;

use reactor_core::{ErrorKind, Result};

use crate::call::Call;

thread_local! {
    /// How many marks this thread is under, and in which process: the marks of a parent's callback mean nothing in a
    /// child that was forked there.
    static DEPTH: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// The marks of this process.
fn depth() -> u32 {
    match DEPTH.get() {
        (process, depth) if process == reactor_core::binding::process_number() => depth,
        _ => 0,
    }
}

/// While it lives, its thread counts as inside a callback. A loop's thread is marked once, for as long as the
/// loop runs: user code runs there in callbacks only.
pub(crate) struct Inside {
    /// The process, and the marks that there were before. Those that come later are gone with this: a callback may have ended
    /// its thread, and never have taken its own back.
    before: (u32, u32),
    /// Belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Inside {
    pub(crate) fn mark() -> Self {
        let before = (reactor_core::binding::process_number(), depth());
        DEPTH.set((before.0, before.1 + 1));
        Inside { before, _not_send: std::marker::PhantomData }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if reactor_core::binding::process_number() == self.before.0 {
            DEPTH.set(self.before);
        }
    }
}

/// Refuses a call that waits for callbacks to end inside one, of whichever server: it might wait for itself.
pub(crate) fn refuse(call: Call) -> Result<()> {
    match depth() {
        0 => Ok(()),
        _ => {
            let message = "cannot be called inside a callback: it would wait for itself";
            Err(call.error(ErrorKind::WrongThread, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::F;

    #[test]
    fn marks_nest_and_belong_to_their_thread() {
        let outer = Inside::mark();
        drop(Inside::mark());
        let error = refuse(F).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongThread);
        assert!(error.message().starts_with("f: "), "{}", error.message());
        std::thread::spawn(|| refuse(F).unwrap()).join().unwrap();
        drop(outer);
        refuse(F).unwrap();
    }
}

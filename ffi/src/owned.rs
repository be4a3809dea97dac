//! What a program hands over together with the function that releases it.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

use reactor_core::Result;

use crate::inside::Inside;

/// Releases what a program handed over: called once, after everything else that is called with it. It may run
/// on any of the engine's threads, or inside the call that gives it up.
pub type reactor_destroy = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Handed over by a call that has not returned yet: it may still be refused.
const PENDING: u8 = 0;
/// The engine's: to be released by whoever drops it.
const ACCEPTED: u8 = 1;
/// Dropped while it was pending: the call that hands it over decides.
const DROPPED: u8 = 2;

struct Slot {
    data: *mut c_void,
    destroy: reactor_destroy,
    state: AtomicU8,
}

// SAFETY: the program agreed that its data is used and released on other threads; the pointer itself is never
// followed here.
unsafe impl Send for Slot {}
// SAFETY: as for `Send`; nothing but the state ever changes.
unsafe impl Sync for Slot {}

impl Slot {
    fn destroy(&self) {
        if let Some(destroy) = self.destroy {
            let _inside = Inside::mark();
            // SAFETY: the program's own function, with the value that it expects, once: the state sees to it.
            unsafe { destroy(self.data) };
        }
    }

    /// Says whether the state was `PENDING`; if not, what it was.
    fn settle(&self, state: u8) -> std::result::Result<u8, u8> {
        self.state.compare_exchange(PENDING, state, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// A program's data, which is released when this is dropped; unless it is dropped by a call that refuses it,
/// for then it remains the caller's.
pub(crate) struct Owned(Arc<Slot>);

impl Owned {
    /// The data, for a call of the program's: which says that it was accepted.
    pub(crate) fn data(&self) -> *mut c_void {
        let _ = self.0.settle(ACCEPTED);
        self.0.data
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.0.settle(DROPPED).is_err() {
            self.0.destroy();
        }
    }
}

/// Passes data to a call that keeps it if it succeeds, and drops it if it fails; then it is not released.
pub(crate) fn hand_over<T>(
    data: *mut c_void,
    destroy: reactor_destroy,
    call: impl FnOnce(Owned) -> Result<T>,
) -> Result<T> {
    let slot = Arc::new(Slot { data, destroy, state: AtomicU8::new(PENDING) });
    let done = call(Owned(Arc::clone(&slot)))?;
    if slot.settle(ACCEPTED) == Err(DROPPED) {
        slot.destroy();
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use reactor_core::{Error, ErrorKind};

    use super::*;

    unsafe extern "C" fn count(data: *mut c_void) {
        // SAFETY: the tests pass a counter that outlives the call.
        let counter = unsafe { &*data.cast::<Cell<u32>>() };
        counter.set(counter.get() + 1);
    }

    fn data(counter: &Cell<u32>) -> *mut c_void {
        std::ptr::from_ref(counter).cast_mut().cast()
    }

    #[test]
    fn what_is_kept_is_released_when_it_is_dropped() {
        let counter = Cell::new(0);
        let owned = hand_over(data(&counter), Some(count), Ok).unwrap();
        assert_eq!(owned.data(), data(&counter));
        assert_eq!(counter.get(), 0);
        drop(owned);
        assert_eq!(counter.get(), 1);
    }

    #[test]
    fn what_is_refused_stays_the_callers() {
        let counter = Cell::new(0);
        let refuse = |_| Err::<(), _>(Error::new(ErrorKind::Closed, "gone"));
        assert!(hand_over(data(&counter), Some(count), refuse).is_err());
        assert_eq!(counter.get(), 0);
    }

    #[test]
    fn what_is_over_before_the_call_returns_is_released_once() {
        let counter = Cell::new(0);
        let drop_it = |owned| {
            drop(owned);
            Ok(())
        };
        hand_over(data(&counter), Some(count), drop_it).unwrap();
        assert_eq!(counter.get(), 1);
        let used = |owned: Owned| {
            owned.data();
            drop(owned);
            assert_eq!(counter.get(), 2);
            Ok(())
        };
        hand_over(data(&counter), Some(count), used).unwrap();
        assert_eq!(counter.get(), 2);
    }
}

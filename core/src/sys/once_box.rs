//! A value that is made when it is first needed, by whichever thread, and that takes the room of a pointer until then.
//! `OnceLock<Box<T>>` takes that of two.

use std::sync::atomic::{AtomicPtr, Ordering};

/// Made at most once, and dropped with its owner.
#[derive(Debug)]
pub(crate) struct OnceBox<T: Send + Sync> {
    value: AtomicPtr<T>,
}

impl<T: Send + Sync> OnceBox<T> {
    pub(crate) const fn new() -> Self {
        OnceBox { value: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// The value, if it is needed already.
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: null, or from a box that is freed with `self` only; whoever stored it had made it before.
        unsafe { self.value.load(Ordering::Acquire).as_ref() }
    }

    /// The value, which is made if it is not there.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let made = Box::into_raw(Box::new(make()));
        let null = std::ptr::null_mut();
        match self.value.compare_exchange(null, made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: stored just now: freed with `self` only, and nobody has a `&mut` to it.
            Ok(_) => unsafe { &*made },
            Err(theirs) => {
                // SAFETY: from a box, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: as in `get`: it is not null.
                unsafe { &*theirs }
            }
        }
    }
}

impl<T: Send + Sync> Drop for OnceBox<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: from a box, and nobody borrows it any more.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn it_is_made_once_whoever_comes_first_and_dropped_once() {
        let counted = Arc::new(());
        let place = OnceBox::new();
        assert!(place.get().is_none());
        let address = |value: &Arc<()>| std::ptr::from_ref(value) as usize;
        let found: Vec<usize> = std::thread::scope(|scope| {
            let make = || address(place.get_or_make(|| Arc::clone(&counted)));
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|each| *each == address(place.get().unwrap())), "{found:?}");
        assert_eq!(Arc::strong_count(&counted), 2);
        drop(place);
        assert_eq!(Arc::strong_count(&counted), 1);
        drop(OnceBox::<Arc<()>>::new());
    }
}

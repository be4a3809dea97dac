//! Which descriptors the listeners of this process own.

use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers of the descriptors that listeners of this process own, so that none is adopted a second time.
static CLAIMED: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

fn claimed() -> MutexGuard<'static, BTreeSet<RawFd>> {
    // Whole between any two statements, so also after a panic.
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listener's entry in [`CLAIMED`].
#[derive(Debug)]
pub(crate) struct Claim(RawFd);

impl Claim {
    /// Claims the descriptor of a socket that we have opened.
    pub(in crate::listen) fn of_own(number: RawFd) -> Claim {
        claimed().insert(number);
        Claim(number)
    }

    /// Claims a descriptor that somebody names to us; `None` if a listener has it.
    pub(in crate::listen) fn of_inherited(number: RawFd) -> Option<Claim> {
        // Not then_some: a claim made in vain would take the other's away when it is dropped.
        claimed().insert(number).then(|| Claim(number))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

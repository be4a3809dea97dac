//! Connection ids that are never used twice in a process.
//!
//! ```text
//!   63            32 31         20 19              0
//!  +----------------+-------------+-----------------+
//!  |   generation   |    lease    |      slot       |
//!  +----------------+-------------+-----------------+
//! ```
//!
//! A *lease* is a number that a loop holds while it lives, and which no other loop of the process holds
//! meanwhile. When it is handed back, the highest generation used under it goes along, and the next holder
//! counts on from there. A program may have loaded several copies of the engine: each takes numbers that no other has taken,
//! and keeps them for good.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

use crate::base::error::{Error, ErrorKind, Result};

const SLOT_BITS: u32 = 20;
const LEASE_BITS: u32 = 12;

/// Connections that one loop can hold at once.
pub(crate) const MAX_SLOTS: u32 = 1 << SLOT_BITS;
/// Loops that can be alive in a process at once.
const MAX_LEASES: u16 = 1 << LEASE_BITS;
/// The last generation of a slot; after it the slot is retired.
pub(crate) const LAST_GENERATION: u32 = u32::MAX;

/// The id of a connection: never 0, and never used again in this process. It may be kept, copied and sent to
/// any thread; calls on the id of a dead connection answer [`ErrorKind::Closed`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(NonZeroU64);

impl ConnId {
    /// The id as a number, to pass through other languages.
    #[must_use]
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The id from a number got from [`to_u64`](Self::to_u64); `None` for numbers that never were one.
    #[must_use]
    pub fn from_u64(raw: u64) -> Option<Self> {
        match raw >> (SLOT_BITS + LEASE_BITS) {
            0 => None,
            _ => NonZeroU64::new(raw).map(ConnId),
        }
    }

    /// An id from a number that may never have been one, to look up where there are only such as were.
    #[inline]
    pub(crate) fn to_look_up(raw: u64) -> Option<Self> {
        NonZeroU64::new(raw).map(ConnId)
    }

    pub(crate) fn new(generation: u32, lease: u16, slot: u32) -> Self {
        debug_assert!(generation != 0 && lease < MAX_LEASES && slot < MAX_SLOTS);
        let raw = (u64::from(generation) << (SLOT_BITS + LEASE_BITS))
            | (u64::from(lease) << SLOT_BITS)
            | u64::from(slot);
        // Generations count from 1, so the number is never 0; MAX would only hide a defect of the slab.
        ConnId(NonZeroU64::new(raw).unwrap_or(NonZeroU64::MAX))
    }

    pub(crate) fn generation(self) -> u32 {
        (self.to_u64() >> (SLOT_BITS + LEASE_BITS)) as u32
    }

    pub(crate) fn lease(self) -> u16 {
        (self.to_u64() >> SLOT_BITS) as u16 & (MAX_LEASES - 1)
    }

    pub(crate) fn slot(self) -> u32 {
        self.to_u64() as u32 & (MAX_SLOTS - 1)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({})", self.to_u64())
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Leases handed back, each with the first generation that its next holder may use.
static RETURNED: Mutex<Vec<(u16, u32)>> = Mutex::new(Vec::new());

/// A loop's right to make ids under one number; handed back on drop.
#[derive(Debug)]
pub(crate) struct Lease {
    number: u16,
    first_generation: u32,
    used_generation: u32,
}

impl Lease {
    /// Takes a lease that no other loop of the process holds. If none was handed back, `fresh` gives the number of one,
    /// below a limit, that no copy of the engine in this process has taken before.
    pub(crate) fn take(fresh: impl FnOnce(u16) -> Option<u16>) -> Result<Lease> {
        let returned = RETURNED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let taken = returned.or_else(|| fresh(MAX_LEASES).map(|number| (number, 1)));
        let (number, first_generation) = taken.ok_or_else(|| {
            let message = format!("this process has {MAX_LEASES} event loops already");
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        Ok(Lease { number, first_generation, used_generation: first_generation - 1 })
    }

    /// One for tests of this room, which have no system to ask.
    #[cfg(test)]
    pub(crate) fn of_a_test() -> Lease {
        use std::sync::atomic::{AtomicU16, Ordering};
        // From the other end, as other tests take theirs from the system.
        static LEFT: AtomicU16 = AtomicU16::new(MAX_LEASES);
        Lease::take(|_| Some(LEFT.fetch_sub(1, Ordering::Relaxed) - 1)).unwrap()
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// The generation that slots of this lease begin with.
    pub(crate) fn first_generation(&self) -> u32 {
        self.first_generation
    }

    /// Remembers that an id of this generation was made.
    pub(crate) fn used(&mut self, generation: u32) {
        self.used_generation = self.used_generation.max(generation);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A lease whose generations are used up is retired, like a slot.
        if self.used_generation < LAST_GENERATION {
            let mut returned = RETURNED.lock().unwrap_or_else(PoisonError::into_inner);
            returned.push((self.number, self.used_generation + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_gives_back_its_parts() {
        let id = ConnId::new(LAST_GENERATION, MAX_LEASES - 1, MAX_SLOTS - 1);
        assert_eq!(
            (id.generation(), id.lease(), id.slot()),
            (LAST_GENERATION, MAX_LEASES - 1, MAX_SLOTS - 1)
        );
        let id = ConnId::new(7, 3, 5);
        assert_eq!((id.generation(), id.lease(), id.slot()), (7, 3, 5));
        assert_eq!(ConnId::from_u64(id.to_u64()), Some(id));
    }

    #[test]
    fn zero_and_numbers_without_a_generation_are_no_ids() {
        assert_eq!(ConnId::from_u64(0), None);
        assert_eq!(ConnId::from_u64(u64::from(u32::MAX)), None);
    }

    #[test]
    fn a_lease_is_held_once_and_counts_on_when_taken_again() {
        let mut first = Lease::of_a_test();
        let second = Lease::of_a_test();
        assert_ne!(first.number(), second.number());
        let used = first.first_generation() + 41;
        first.used(used);
        let number = first.number();
        drop(first);
        // Other tests of this process may take it meanwhile: whoever gets the number must count on.
        let again: Vec<Lease> = (0..8).map(|_| Lease::of_a_test()).collect();
        for lease in again.iter().filter(|lease| lease.number() == number) {
            assert!(lease.first_generation() > used);
        }
    }

    #[test]
    fn there_are_no_more_leases_than_ids_have_room_for() {
        let mut held = Vec::new();
        // Those that were handed back come first.
        let refused = loop {
            match Lease::take(|_| None) {
                Ok(lease) => held.push(lease),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.message(), "this process has 4096 event loops already");
    }
}

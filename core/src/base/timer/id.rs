//! Timer ids that are never used twice in a process.
//!
//! ```text
//!   63          36 35         24 23              0
//!  +--------------+-------------+-----------------+
//!  |  generation  |    lease    |      index      |
//!  +--------------+-------------+-----------------+
//! ```
//!
//! The lease is that of the loop, as in connection ids. Timers are more than connections and come and go
//! faster, so there are 24 bits for those alive at once, and 28 for the generations of an index: together
//! 2^52 timers under one lease.

use std::fmt;
use std::num::NonZeroU64;

const INDEX_BITS: u32 = 24;
const LEASE_BITS: u32 = 12;

/// Timers that one loop can hold at once.
pub(super) const MAX_TIMERS: u32 = 1 << INDEX_BITS;
/// The last generation of an index; after it the index is retired.
pub(super) const LAST_GENERATION: u32 = u32::MAX >> 4;

/// The id of a timer: never 0, and never used again in this process. It may be kept, copied and sent to any
/// thread; the id of a timer that has ended names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(NonZeroU64);

impl TimerId {
    /// The id as a number, to pass through other languages.
    #[must_use]
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The id from a number got from [`to_u64`](Self::to_u64); `None` for numbers that never were one.
    #[must_use]
    pub fn from_u64(raw: u64) -> Option<Self> {
        (raw >> (INDEX_BITS + LEASE_BITS) != 0).then(|| NonZeroU64::new(raw).map(TimerId))?
    }

    pub(super) fn new(generation: u32, lease: u16, index: u32) -> Self {
        debug_assert!((1..=LAST_GENERATION).contains(&generation) && lease >> LEASE_BITS == 0);
        debug_assert!(index < MAX_TIMERS);
        let raw = (u64::from(generation) << (INDEX_BITS + LEASE_BITS))
            | (u64::from(lease) << INDEX_BITS)
            | u64::from(index);
        // Generations count from 1, so the number is never 0; MAX would only hide a defect of the wheel.
        TimerId(NonZeroU64::new(raw).unwrap_or(NonZeroU64::MAX))
    }

    pub(super) fn generation(self) -> u32 {
        (self.to_u64() >> (INDEX_BITS + LEASE_BITS)) as u32
    }

    /// The lease of the loop that the timer belongs to.
    pub(crate) fn lease(self) -> u16 {
        (self.to_u64() >> INDEX_BITS) as u16 & ((1 << LEASE_BITS) - 1)
    }

    pub(super) fn index(self) -> u32 {
        self.to_u64() as u32 & (MAX_TIMERS - 1)
    }
}

impl fmt::Debug for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimerId({:#x})", self.to_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_gives_back_its_parts() {
        for parts in [(LAST_GENERATION, (1 << LEASE_BITS) - 1, MAX_TIMERS - 1), (1, 0, 0), (7, 3, 5)] {
            let id = TimerId::new(parts.0, parts.1, parts.2);
            assert_eq!((id.generation(), id.lease(), id.index()), parts);
            assert_eq!(TimerId::from_u64(id.to_u64()), Some(id));
        }
    }

    #[test]
    fn zero_and_numbers_without_a_generation_are_no_ids() {
        assert_eq!(TimerId::from_u64(0), None);
        assert_eq!(TimerId::from_u64((1 << 36) - 1), None);
        assert!(TimerId::from_u64(1 << 36).is_some());
    }
}

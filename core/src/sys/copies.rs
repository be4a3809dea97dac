//! What the copies of the engine in a process share. A program may load several, the C library and two packages, say, and
//! each has statics of its own; but no number may be given out twice.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use super::system;

/// The next number from 0 on that no copy has taken, if it is below the limit.
pub(crate) fn next_number(limit: u16) -> Option<u16> {
    let one_more = |number: u32| (number < u32::from(limit)).then_some(number + 1);
    let taken = counter().fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
    taken.ok().and_then(|number| u16::try_from(number).ok())
}

fn counter() -> &'static AtomicU32 {
    static OWN: AtomicU32 = AtomicU32::new(0);
    static SHARED: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
    // Where nothing can be shared, each copy counts by itself.
    SHARED.get_or_init(system::copies::counter).unwrap_or(&OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_once_and_stay_below_the_limit() {
        let numbers: Vec<u16> = (0..3).filter_map(|_| next_number(u16::MAX)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(next_number(numbers[2]), None);
        assert!(next_number(u16::MAX).is_some_and(|number| number > numbers[2]));
    }
}

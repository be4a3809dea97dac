//! Durations as the milliseconds that timers count in.

use std::time::Duration;

/// A duration in milliseconds, rounded up.
pub(crate) fn millis_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A duration in milliseconds, rounded down.
pub(crate) fn millis_down(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The deadline of something that is to last at least `duration` from a millisecond that may be nearly over.
pub(crate) fn deadline(now: u64, duration: Duration) -> u64 {
    // Now is rounded down: one more millisecond makes sure that the whole duration passes.
    now.saturating_add(millis_up(duration)).saturating_add(1)
}

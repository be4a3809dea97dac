//! The server's clock: milliseconds since the server was made. A loop reads it once a turn, and once more
//! before it sleeps if something is due.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock { epoch: Instant::now() }
    }

    /// Milliseconds since the epoch, rounded down: what is due at a millisecond is never early.
    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long until a millisecond begins; zero if it has begun.
    pub(crate) fn until(self, at: u64) -> Duration {
        Duration::from_millis(at).saturating_sub(self.epoch.elapsed())
    }
}

/// A duration in milliseconds, rounded up.
pub(crate) fn millis_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The deadline of something that is to last at least `duration` from a millisecond that may be nearly over.
pub(crate) fn deadline(now: u64, duration: Duration) -> u64 {
    // Now is rounded down: one more millisecond makes sure that the whole duration passes.
    now.saturating_add(millis_up(duration)).saturating_add(1)
}

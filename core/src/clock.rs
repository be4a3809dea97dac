//! The server's clock: milliseconds since the server was made. A loop reads it once a turn, and once more
//! before it sleeps if something is due.

use std::time::Duration;

use crate::sys::time::monotonic;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// In nanoseconds of the monotonic clock.
    epoch: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock { epoch: monotonic() }
    }

    /// Milliseconds since the epoch, rounded down: what is due at a millisecond is never early.
    pub(crate) fn now(self) -> u64 {
        self.elapsed() / 1_000_000
    }

    /// How long until a millisecond begins; zero if it has begun.
    pub(crate) fn until(self, at: u64) -> Duration {
        Duration::from_millis(at).saturating_sub(Duration::from_nanos(self.elapsed()))
    }

    fn elapsed(self) -> u64 {
        monotonic().saturating_sub(self.epoch)
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

//! Time since the program began.

use std::time::{Duration, Instant};

/// Nanoseconds since the program began.
pub(crate) type Nanoseconds = u64;

/// Reads the system's monotonic clock, which needs no system call.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Nanoseconds {
        nanoseconds(self.0.elapsed())
    }
}

/// A span in nanoseconds; 584 years are enough.
pub(crate) fn nanoseconds(span: Duration) -> Nanoseconds {
    span.as_secs() * 1_000_000_000 + u64::from(span.subsec_nanos())
}

//! How far apart hand-overs are.

use std::time::{Duration, Instant};

/// The time between two hand-overs.
pub(super) struct Spacing {
    interval: Duration,
    last: Option<Instant>,
}

impl Spacing {
    pub(super) fn new(interval: Duration) -> Self {
        Spacing { interval, last: None }
    }

    /// How long the next has to wait.
    pub(super) fn left(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| self.interval.saturating_sub(last.elapsed()))
    }

    /// One is made.
    pub(super) fn begin(&mut self) {
        if !self.interval.is_zero() {
            self.last = Some(Instant::now());
        }
    }
}

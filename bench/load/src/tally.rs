//! What has been counted so far.

use hdrhistogram::Histogram;

use crate::clock::Nanoseconds;

/// The longest latency told apart from longer ones: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// Counts and latencies. Wrong answers and errors count at any time, the rest while the window is open.
pub(crate) struct Tally {
    /// Right answers.
    pub(crate) requests: u64,
    /// Bytes of right answers.
    pub(crate) bytes: u64,
    /// Datagrams given up.
    pub(crate) lost: u64,
    /// Answers whose content was not what it should be.
    pub(crate) wrong: u64,
    /// Requests that will never be answered, or connections that failed without any.
    pub(crate) errors: u64,
    /// How often a hoarder was cut off.
    pub(crate) cut_off: u64,
    /// What the first error was.
    pub(crate) first_error: Option<String>,
    /// When the last answer of any kind came.
    pub(crate) last_answer: Nanoseconds,
    latencies: Histogram<u64>,
    counting: bool,
    since: Nanoseconds,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3).expect("constant bounds are valid");
        Self {
            requests: 0,
            bytes: 0,
            lost: 0,
            wrong: 0,
            errors: 0,
            cut_off: 0,
            first_error: None,
            last_answer: 0,
            latencies,
            counting: false,
            since: 0,
        }
    }

    /// Opens the window: requests asked (or due) at `since` or later count.
    pub(crate) fn open(&mut self, since: Nanoseconds) {
        self.counting = true;
        self.since = since;
    }

    /// Closes the window.
    pub(crate) fn close(&mut self) {
        self.counting = false;
    }

    /// A right answer of `bytes` bytes, at `now`, to a request of `asked`.
    #[inline]
    pub(crate) fn right(&mut self, asked: Nanoseconds, now: Nanoseconds, bytes: usize) {
        self.last_answer = now;
        if self.counting && asked >= self.since {
            self.requests += 1;
            self.bytes += bytes as u64;
            self.latencies.saturating_record(now.saturating_sub(asked));
        }
    }

    /// A wrong answer.
    #[cold]
    pub(crate) fn wrong(&mut self, now: Nanoseconds) {
        self.last_answer = now;
        self.wrong += 1;
    }

    /// A datagram that was given up.
    #[cold]
    pub(crate) fn lost(&mut self) {
        if self.counting {
            self.lost += 1;
        }
    }

    /// `count` errors for one cause.
    #[cold]
    pub(crate) fn error(&mut self, cause: impl ToString, count: u64) {
        self.errors += count;
        self.first_error.get_or_insert_with(|| cause.to_string());
    }

    /// Adds what went wrong elsewhere.
    pub(crate) fn add_faults(&mut self, other: &Self) {
        self.wrong += other.wrong;
        if let Some(cause) = &other.first_error {
            self.error(cause, other.errors);
        }
    }

    pub(crate) fn latencies(&self) -> &Histogram<u64> {
        &self.latencies
    }
}

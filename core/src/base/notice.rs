//! What an operator must know, told without being asked: each kind at most once a second, however often it happens.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::panics::catch;

/// What kinds there are. Each is limited by itself, for the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Descriptors or memory have run out.
    Shortage,
    /// A listener or a UDP socket does not work.
    Listener,
    /// A callback failed, or another function of the user's.
    Handler,
    /// The engine itself cannot go on as it should.
    Engine,
    /// Something was not done without which a server is of no use.
    Forgotten,
}

/// Milliseconds between two of a kind.
const APART: u64 = 1_000;

/// Lets something be told once a second. No lock: a forked child may find itself in the middle of it.
#[derive(Debug, Default)]
pub struct Limit {
    /// Milliseconds of the system's clock; 0 before the first.
    last: AtomicU64,
    /// Those that were not told since.
    untold: AtomicU64,
}

static LIMITS: [Limit; 5] = [const { Limit::new() }; 5];

impl Limit {
    /// Of something that was never told.
    #[must_use]
    pub const fn new() -> Limit {
        Limit { last: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }

    /// If it is time to tell another one: how many were not told since the last.
    pub fn turn(&self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.turn_at(now.map_or(1, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }

    fn turn_at(&self, now: u64) -> Option<u64> {
        let last = self.last.load(Ordering::Relaxed);
        // The clock may have been set back.
        let is_due = last == 0 || now.abs_diff(last) >= APART;
        let taken =
            is_due && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !taken {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

/// Logs an error, unless one of its kind was logged within the last second; the logger is user code.
#[cold]
pub(crate) fn tell(kind: Kind, message: fmt::Arguments<'_>) {
    let Some(untold) = LIMITS[kind as usize].turn() else { return };
    // There is nobody left to tell of a logger that panics.
    let _ = catch(|| match untold {
        0 => log::error!("{message}"),
        _ => log::error!("{message} ({untold} more of the kind since the last that was told)"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_is_told_and_the_others_are_counted() {
        let told = Limit::new();
        assert_eq!(told.turn_at(5_000), Some(0));
        assert_eq!([told.turn_at(5_000), told.turn_at(5_400), told.turn_at(5_999)], [None; 3]);
        assert_eq!(told.turn_at(6_000), Some(3));
        assert_eq!([told.turn_at(6_999), told.turn_at(7_100)], [None, Some(1)]);
        assert_eq!(told.turn_at(1_000), Some(0), "the clock was set back");
        assert_eq!([told.turn_at(1_900), told.turn_at(2_000)], [None, Some(1)]);
    }

    #[test]
    fn every_kind_has_its_place() {
        for (place, kind) in [Kind::Shortage, Kind::Listener, Kind::Handler, Kind::Engine, Kind::Forgotten]
            .into_iter()
            .enumerate()
        {
            assert_eq!(kind as usize, place);
        }
        assert_eq!(LIMITS.len(), 5);
    }
}

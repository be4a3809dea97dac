//! The options of a server and their defaults.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Options of a server. Zero means the default; `Config::default()` is all zeroes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Number of event loops, each on a thread of its own. Default: one per processor that this process may
    /// use (affinity and cgroup limits counted).
    pub loops: usize,
    /// Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
    pub high_water: usize,
    /// Bytes of unsent output at which `on_drain` is called and reading resumes. Default: half the high-water
    /// mark, so 512 KiB.
    pub low_water: usize,
    /// Bytes of unsent output that a connection may hold at most: beyond it, a write on the connection's own
    /// loop closes it with [`CloseReason::Overflow`](crate::CloseReason::Overflow), and a write from
    /// elsewhere answers [`ErrorKind::Full`]. Default: 64 MiB.
    pub hard_limit: usize,
    /// Bytes read from one connection in one turn, before the others have theirs. Default: 256 KiB.
    pub read_budget: usize,
    /// How long a connection closed by this side waits for the peer to close too. Default: 2 s.
    pub linger: Duration,
}

impl Config {
    /// The loops a server may have at most.
    pub const MAX_LOOPS: usize = 1024;
    /// The longest linger limit.
    pub const MAX_LINGER: Duration = Duration::from_secs(3600);

    /// The same options with every zero replaced by its default.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if there are too many loops, the linger limit is too long, or the marks
    /// are not in the order low ≤ high ≤ hard limit.
    pub fn resolved(&self) -> Result<Config> {
        let hard_limit = or(self.hard_limit, (64 << 20).max(self.high_water));
        let high_water = or(self.high_water, hard_limit.min(1 << 20));
        let config = Config {
            loops: or(self.loops, available_processors().min(Self::MAX_LOOPS)),
            high_water,
            low_water: or(self.low_water, (high_water / 2).max(1)),
            hard_limit,
            read_budget: or(self.read_budget, 256 << 10),
            linger: if self.linger.is_zero() { Duration::from_secs(2) } else { self.linger },
        };
        config.check().map(|()| config)
    }

    fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
        if self.loops > Self::MAX_LOOPS {
            return wrong(format!("loops is {}, the maximum is {}", self.loops, Self::MAX_LOOPS));
        }
        if self.linger > Self::MAX_LINGER {
            let (linger, max) = (self.linger.as_secs_f64(), Self::MAX_LINGER.as_secs());
            return wrong(format!("linger is {linger} s, the maximum is {max} s"));
        }
        if self.low_water > self.high_water || self.high_water > self.hard_limit {
            return wrong(format!(
                "the marks must be in the order low_water <= high_water <= hard_limit, not {} <= {} <= {}",
                self.low_water, self.high_water, self.hard_limit
            ));
        }
        Ok(())
    }
}

fn or(value: usize, default: usize) -> usize {
    if value == 0 {
        default
    } else {
        value
    }
}

/// Processors this process may use; the standard library counts affinity and cgroup quotas.
fn available_processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_the_default() {
        let config = Config::default().resolved().unwrap();
        assert!(config.loops >= 1);
        assert_eq!((config.high_water, config.low_water, config.hard_limit), (1 << 20, 512 << 10, 64 << 20));
        assert_eq!((config.read_budget, config.linger), (256 << 10, Duration::from_secs(2)));
    }

    #[test]
    fn a_low_water_mark_follows_the_high_one() {
        let config = Config { high_water: 100, ..Config::default() }.resolved().unwrap();
        assert_eq!(config.low_water, 50);
    }

    #[test]
    fn a_small_hard_limit_lowers_the_marks() {
        let config = Config { hard_limit: 1000, ..Config::default() }.resolved().unwrap();
        assert_eq!((config.high_water, config.low_water), (1000, 500));
    }

    #[test]
    fn a_linger_limit_beyond_reason_is_refused() {
        let error = Config { linger: Duration::MAX, ..Config::default() }.resolved().unwrap_err();
        assert!(error.message().contains("the maximum is 3600 s"), "{}", error.message());
    }

    #[test]
    fn marks_out_of_order_are_refused_with_their_values() {
        let error = Config { high_water: 10, low_water: 20, ..Config::default() }.resolved().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("20 <= 10"), "{}", error.message());
    }

    #[test]
    fn too_many_loops_are_refused() {
        let error = Config { loops: 5000, ..Config::default() }.resolved().unwrap_err();
        assert!(error.message().contains("5000"), "{}", error.message());
    }
}

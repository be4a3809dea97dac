//! The options of a server and their defaults.

use std::time::Duration;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::numbered::numbered;

numbered! {
    /// How incoming connections are spread over the loops.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    #[repr(u32)]
    Balance: u32 {
        /// Each loop in its turn.
        #[default]
        RoundRobin = 0, "round-robin";
        /// The loop with the fewest connections.
        LeastConnections = 1, "least-connections";
        /// Any loop.
        Random = 2, "random";
        /// By the client's IP address: a client always meets the same loop. Unix sockets go round-robin.
        SourceHash = 3, "source-hash";
        /// One listening socket per loop (SO_REUSEPORT): the kernel shards. Unix sockets go round-robin.
        ReusePort = 4, "reuseport";
    }
}

numbered! {
    /// Whether a busy loop polls without waiting for a moment before it sleeps: see the crate's front page.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    #[repr(u32)]
    Look: u32 {
        /// Where trials show that it brings the loop more work.
        #[default]
        Adaptive = 0, "adaptive";
        /// Never: a loop with nothing to do sleeps at once.
        Never = 1, "never";
    }
}

/// When a connection without traffic is closed. Zero means never. In the query of a URL, in milliseconds. What the peer
/// takes of bytes that the kernel holds for it is traffic, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Nothing came or went for this long: [`CloseReason::Idle`](crate::CloseReason::Idle). `idle=MS`.
    pub idle: Duration,
    /// Nothing came for this long while it was being read:
    /// [`CloseReason::TimedOut`](crate::CloseReason::TimedOut). `read=MS`.
    pub read: Duration,
    /// Output waited for this long without the kernel or the peer taking any: the connection is reset, with
    /// [`CloseReason::TimedOut`](crate::CloseReason::TimedOut). It holds for a connection that is being closed,
    /// too. `write=MS`.
    pub write: Duration,
}

/// Declares the options once: as members, and as the table that the bindings' own options are compared with.
macro_rules! options {
    ($(#[$of_type:meta])* $Config:ident { $($(#[$of_member:meta])+ $name:ident: $Type:ty,)+ }) => {
        $(#[$of_type])*
        pub struct $Config {
            $($(#[$of_member])+ pub $name: $Type,)+
        }

        impl $Config {
            /// The name of every option.
            #[doc(hidden)]
            pub const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// The names of the options that do not have their default.
            #[doc(hidden)]
            #[must_use]
            pub fn given(&self) -> Vec<&'static str> {
                let default = Self::default();
                let all = [$((stringify!($name), self.$name != default.$name)),+];
                all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
            }
        }
    };
}

options! {
    /// Options of a server. Zero means the default; `Config::default()` is all zeroes. There will be more of them, so
    /// name those that are yours and take the others from there:
    ///
    /// ```
    /// # use reactor_core::Config;
    /// let config = Config { loops: 2, ..Config::default() };
    /// # let _ = config;
    /// ```
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    Config {
        /// Number of event loops, each on a thread of its own. Default: one per processor that this process may
        /// use (affinity and cgroup limits counted).
        loops: usize,
        /// How incoming connections are spread over the loops. Default: round-robin.
        balance: Balance,
        /// Whether each loop's thread is bound to one of the processors that this process may use.
        pin: bool,
        /// Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
        high_water: usize,
        /// Bytes of unsent output at which `on_drain` is called and reading resumes. Default: half the high-water
        /// mark, so 512 KiB.
        low_water: usize,
        /// Bytes of unsent output that a connection may hold at most. A write beyond it answers [`ErrorKind::Full`],
        /// nothing of it is queued, and the connection is closed with
        /// [`CloseReason::Overflow`](crate::CloseReason::Overflow), on whatever thread it was made. A UDP socket is not
        /// closed. Default: 64 MiB.
        hard_limit: usize,
        /// Whether a connection goes on when a write beyond its hard limit was refused. Default: it is closed.
        keep_on_overflow: bool,
        /// Bytes of memory that the whole server may hold for unsent output, unfinished input, datagrams and completions
        /// that wait. A write that would go beyond it answers [`ErrorKind::Full`] and closes nothing, unless its connection holds no more than a share with
        /// it: half of the budget divided by the number of connections that hold something. Above the budget, of those
        /// who hold more than a share the one that moved the fewest bytes per byte held in the last 5 s is closed with
        /// [`CloseReason::Overflow`](crate::CloseReason::Overflow), and so on. Default: a quarter of the memory that
        /// this process may use; `usize::MAX` for no budget.
        byte_budget: usize,
        /// Bytes read from one connection in one turn, before the others have theirs. Default: 256 KiB.
        read_budget: usize,
        /// How long a connection closed by this side waits for the peer to close too. One that is closed for a fault (a
        /// protocol error, a failed callback, a time-out) is reset when its peer takes none of what is queued for as long.
        /// Default: 2 s. [`Config::NO_LINGER`] for not at all.
        linger: Duration,
        /// How long a connection that is being closed, or whose peer has ended its side, waits for a peer that takes
        /// nothing of what is queued. Bytes that leave the kernel's queue count as taken. Then it is reset, with
        /// [`CloseReason::TimedOut`](crate::CloseReason::TimedOut). Default: 30 s.
        stall_limit: Duration,
        /// Incoming connections that may be open at once; further ones are closed without a callback. Default:
        /// no limit.
        max_connections: usize,
        /// The same for each client address. Unix sockets do not count. Default: no limit.
        max_connections_per_address: usize,
        /// How long a graceful stop waits for the connections to finish if it is not said. Default: 30 s.
        stop_deadline: Duration,
        /// Whether a busy loop looks before it sleeps. Default: adaptive.
        look: Look,
    }
}

impl Config {
    /// The loops a server may have at most.
    pub const MAX_LOOPS: usize = 1024;
    /// The longest linger limit, stall limit, and deadline of a graceful stop.
    pub const MAX_LINGER: Duration = Duration::from_secs(3600);
    /// For [`linger`](Self::linger): a closed connection does not wait for the peer.
    pub const NO_LINGER: Duration = Duration::from_nanos(1);

    /// The same options with every zero replaced by its default, but for the byte budget, which takes looking
    /// at the system.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if there are too many loops, a time is too long, or the marks are not in
    /// the order low ≤ high ≤ hard limit.
    pub fn resolved(&self) -> Result<Config> {
        let hard_limit = or(self.hard_limit, (64 << 20).max(self.high_water));
        let high_water = or(self.high_water, hard_limit.min(1 << 20));
        let config = Config {
            loops: or(self.loops, available_processors().min(Self::MAX_LOOPS)),
            balance: self.balance,
            pin: self.pin,
            high_water,
            low_water: or(self.low_water, (high_water / 2).max(1)),
            hard_limit,
            keep_on_overflow: self.keep_on_overflow,
            byte_budget: self.byte_budget,
            read_budget: or(self.read_budget, 256 << 10),
            linger: or_time(self.linger, Duration::from_secs(2)),
            stall_limit: or_time(self.stall_limit, Duration::from_secs(30)),
            max_connections: or(self.max_connections, usize::MAX),
            max_connections_per_address: or(self.max_connections_per_address, usize::MAX),
            stop_deadline: or_time(self.stop_deadline, Duration::from_secs(30)),
            look: self.look,
        };
        config.check().map(|()| config)
    }

    fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
        if self.loops > Self::MAX_LOOPS {
            return wrong(format!("loops is {}, the maximum is {}", self.loops, Self::MAX_LOOPS));
        }
        let times = [
            ("linger", self.linger),
            ("stall_limit", self.stall_limit),
            ("stop_deadline", self.stop_deadline),
        ];
        for (name, time) in times {
            if time > Self::MAX_LINGER {
                let (time, max) = (time.as_secs_f64(), Self::MAX_LINGER.as_secs());
                return wrong(format!("{name} is {time} s, the maximum is {max} s"));
            }
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

fn or_time(value: Duration, default: Duration) -> Duration {
    if value.is_zero() {
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
        assert_eq!((config.stall_limit, config.keep_on_overflow), (Duration::from_secs(30), false));
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
    fn a_time_beyond_reason_is_refused() {
        let long = Duration::MAX;
        for (name, config) in [
            ("linger", Config { linger: long, ..Config::default() }),
            ("stall_limit", Config { stall_limit: long, ..Config::default() }),
        ] {
            let error = config.resolved().unwrap_err();
            assert!(error.message().starts_with(name), "{}", error.message());
            assert!(error.message().contains("the maximum is 3600 s"), "{}", error.message());
        }
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

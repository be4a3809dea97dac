//! The options of a server.

use std::time::Duration;

use reactor_core::{Balance, Config, Error, Look, Result};

use crate::call::Call;
use crate::sized::{ends, SizedStruct};
use crate::value::{self, REACTOR_NO_LINGER};

/// How incoming connections are spread over the loops: each loop in its turn. The default.
pub const REACTOR_BALANCE_ROUND_ROBIN: u32 = 0;
/// How incoming connections are spread over the loops: to the one with the fewest connections.
pub const REACTOR_BALANCE_LEAST_CONNECTIONS: u32 = 1;
/// How incoming connections are spread over the loops: to any.
pub const REACTOR_BALANCE_RANDOM: u32 = 2;
/// How incoming connections are spread over the loops: by the client's IP address; a client always meets the
/// same loop. Unix sockets go round-robin.
pub const REACTOR_BALANCE_SOURCE_HASH: u32 = 3;
/// How incoming connections are spread over the loops: one listening socket per loop (SO_REUSEPORT), and the
/// kernel shards. Unix sockets go round-robin.
pub const REACTOR_BALANCE_REUSEPORT: u32 = 4;

/// Whether a busy loop polls without waiting for a moment before it sleeps: where trials show that it brings the loop more
/// work. The default.
pub const REACTOR_LOOK_ADAPTIVE: u64 = 0;
/// Whether a busy loop polls without waiting for a moment before it sleeps: never.
pub const REACTOR_LOOK_NEVER: u64 = 1;

/// Options of a server. Set size to sizeof; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_options {
    /// sizeof(struct reactor_options), by which a later library knows the members that this program knows.
    pub size: usize,
    /// Event loops, each on a thread of its own, at most 1024. Default: one per processor that this process
    /// may use (affinity and cgroup limits counted).
    pub loops: usize,
    /// How incoming connections are spread over the loops: REACTOR_BALANCE_.... Default: round-robin.
    pub balance: u32,
    /// Whether each loop's thread is bound to one of the processors that this process may use: REACTOR_ON or
    /// REACTOR_OFF. Default: off.
    pub pin: u32,
    /// Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
    pub high_water: usize,
    /// Bytes of unsent output at which on_drain is called and reading resumes. Default: half the high-water
    /// mark.
    pub low_water: usize,
    /// Bytes of unsent output that a connection may hold at most. A write beyond it answers REACTOR_STATUS_FULL,
    /// nothing of it is queued, and the connection is closed with REACTOR_CLOSE_OVERFLOW, on whatever thread it was
    /// made; keep_on_overflow keeps it. A UDP socket is not closed. Default: 64 MiB.
    pub hard_limit: usize,
    /// Bytes of memory that the whole server may hold for unsent output, unfinished input, datagrams and completions
    /// that wait. A write that would go beyond it answers REACTOR_STATUS_FULL and closes nothing, unless its connection holds no more than a share with
    /// it: half of the budget divided by the number of connections that hold something. Above the budget, of those who
    /// hold more than a share the one that moved the fewest bytes per byte held in the last 5 seconds is closed
    /// with REACTOR_CLOSE_OVERFLOW, and so on. REACTOR_UNLIMITED for no budget. Default: a quarter of the memory that
    /// this process may use.
    pub byte_budget: usize,
    /// Bytes read from one connection before the others of its loop have their turn. Default: 256 KiB.
    pub read_budget: usize,
    /// Incoming connections that may be open at once; further ones are closed without a callback. Default: no
    /// limit.
    pub max_connections: usize,
    /// The same for each client address. Unix sockets do not count. Default: no limit.
    pub max_connections_per_address: usize,
    /// Milliseconds that a connection closed by this side waits for the peer to close too, at most 3,600,000,
    /// an hour; REACTOR_NO_LINGER for not at all. Default: 2000.
    pub linger_ms: i64,
    /// Milliseconds that a graceful stop waits for the connections to finish if it does not say itself, at
    /// most 3,600,000. Default: 30,000.
    pub stop_deadline_ms: i64,
    /// Whether a busy loop looks before it sleeps: REACTOR_LOOK_.... A loop that works at least two fifths of its time and
    /// waits often and shortly may poll for ten microseconds before it sleeps, and its processor can look busier than its
    /// work is then. Default: adaptive.
    pub look: u64,
    /// Milliseconds that a connection that is being closed, or whose peer has ended its side, waits for a peer that
    /// takes nothing of what is queued, at most 3,600,000. Bytes that leave the kernel's queue count as taken. Then it
    /// is reset, with REACTOR_CLOSE_TIMED_OUT. Default: 30,000.
    pub stall_limit_ms: i64,
    /// Whether a connection goes on when a write beyond its hard_limit was refused: REACTOR_ON or REACTOR_OFF.
    /// Default: off, it is closed.
    pub keep_on_overflow: u64,
}

// SAFETY: integers only, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_options {
    const ENDS: &'static [usize] = ends!(
        reactor_options: size, loops; balance, pin, high_water, low_water, hard_limit, byte_budget, read_budget,
        max_connections, max_connections_per_address, linger_ms, stop_deadline_ms, look, stall_limit_ms,
        keep_on_overflow,
    );
}

impl reactor_options {
    pub(crate) fn to_core(self, call: Call) -> Result<Config> {
        let balance = Balance::from_number(self.balance);
        let no_balance =
            || unknown(call, "balance", self.balance.into(), &Balance::ALL.map(|it| (it as u64, it.name())));
        let look = u32::try_from(self.look).ok().and_then(Look::from_number);
        let no_look = || unknown(call, "look", self.look, &Look::ALL.map(|it| (it as u64, it.name())));
        // What does not fit means nothing either.
        let keep = u32::try_from(self.keep_on_overflow).unwrap_or(u32::MAX);
        Ok(Config {
            loops: self.loops,
            balance: balance.ok_or_else(no_balance)?,
            pin: value::switch(self.pin, call, "options->pin")?.unwrap_or(false),
            high_water: self.high_water,
            low_water: self.low_water,
            hard_limit: self.hard_limit,
            byte_budget: self.byte_budget,
            read_budget: self.read_budget,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            linger: linger(self.linger_ms, call)?,
            stop_deadline: value::time(self.stop_deadline_ms, call, "options->stop_deadline_ms")?,
            look: look.ok_or_else(no_look)?,
            stall_limit: value::time(self.stall_limit_ms, call, "options->stall_limit_ms")?,
            keep_on_overflow: value::switch(keep, call, "options->keep_on_overflow")?.unwrap_or(false),
        })
    }
}

/// The error for a number that is none of those that a member has.
fn unknown(call: Call, member: &str, number: u64, known: &[(u64, &str)]) -> Error {
    let known: Vec<String> = known.iter().map(|(number, name)| format!("{number} for {name}")).collect();
    call.invalid(format_args!("options->{member} is {number}, which is none (known: {})", known.join(", ")))
}

fn linger(linger_ms: i64, call: Call) -> Result<Duration> {
    match linger_ms {
        REACTOR_NO_LINGER => Ok(Config::NO_LINGER),
        _ => value::time(linger_ms, call, "options->linger_ms"),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;
    use crate::call::F;
    use crate::sized;
    use crate::value::REACTOR_ON;

    const FULL: reactor_options = reactor_options {
        size: size_of::<reactor_options>(),
        loops: 2,
        balance: REACTOR_BALANCE_SOURCE_HASH,
        pin: REACTOR_ON,
        high_water: 5,
        low_water: 4,
        hard_limit: 6,
        byte_budget: 7,
        read_budget: 8,
        max_connections: 9,
        max_connections_per_address: 10,
        linger_ms: 11,
        stop_deadline_ms: 12,
        look: REACTOR_LOOK_NEVER,
        stall_limit_ms: 13,
        keep_on_overflow: REACTOR_ON as u64,
    };

    fn read(options: &reactor_options) -> Result<Config> {
        // SAFETY: the sizes that the tests put in lie inside of what they pass.
        unsafe { sized::read(options, F, "options") }?.to_core(F)
    }

    #[test]
    fn every_member_arrives() {
        let config = read(&FULL).unwrap();
        assert_eq!((config.loops, config.balance, config.pin), (2, Balance::SourceHash, true));
        assert_eq!((config.low_water, config.high_water, config.hard_limit), (4, 5, 6));
        assert_eq!((config.byte_budget, config.read_budget), (7, 8));
        assert_eq!((config.max_connections, config.max_connections_per_address), (9, 10));
        let millis = Duration::from_millis;
        assert_eq!((config.linger, config.stop_deadline), (millis(11), millis(12)));
        assert_eq!(config.look, Look::Never);
        assert_eq!((config.stall_limit, config.keep_on_overflow), (millis(13), true));
    }

    #[test]
    fn every_option_of_the_engine_has_a_member() {
        assert_eq!(read(&FULL).unwrap().given(), Config::NAMES);
    }

    #[test]
    fn every_balance_has_the_number_of_the_engine() {
        let ours = [
            REACTOR_BALANCE_ROUND_ROBIN,
            REACTOR_BALANCE_LEAST_CONNECTIONS,
            REACTOR_BALANCE_RANDOM,
            REACTOR_BALANCE_SOURCE_HASH,
            REACTOR_BALANCE_REUSEPORT,
        ];
        assert_eq!(Balance::ALL.map(|balance| balance as u32), ours);
    }

    #[test]
    fn every_look_has_the_number_of_the_engine() {
        assert_eq!(Look::ALL.map(|look| look as u64), [REACTOR_LOOK_ADAPTIVE, REACTOR_LOOK_NEVER]);
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused_by_their_names() {
        let error = |options: reactor_options| read(&options).unwrap_err().message().to_owned();
        let balance = error(reactor_options { balance: 99, ..FULL });
        assert!(balance.contains("options->balance is 99"));
        assert!(
            balance.contains("(known: 0 for round-robin, 1 for least-connections, 2 for random,"),
            "{balance}"
        );
        assert!(error(reactor_options { pin: 3, ..FULL }).contains("options->pin is 3"));
        assert!(error(reactor_options { linger_ms: -2, ..FULL }).contains("options->linger_ms is -2"));
        let look = error(reactor_options { look: 2, ..FULL });
        assert!(
            look.contains("options->look is 2") && look.contains("(known: 0 for adaptive, 1 for never)"),
            "{look}"
        );
        assert!(error(reactor_options { stall_limit_ms: -1, ..FULL }).contains("stall_limit_ms is -1"));
        assert!(error(reactor_options { keep_on_overflow: 3, ..FULL }).contains("keep_on_overflow is 3"));
        assert!(error(reactor_options { stop_deadline_ms: -1, ..FULL }).contains("stop_deadline_ms is -1"));
    }

    #[test]
    fn no_linger_is_not_the_default() {
        let linger = |linger_ms| read(&reactor_options { linger_ms, ..FULL }).unwrap().linger;
        assert_eq!((linger(REACTOR_NO_LINGER), linger(0)), (Config::NO_LINGER, Duration::ZERO));
    }

    #[test]
    fn what_a_shorter_structure_lacks_is_zero() {
        let short = reactor_options { size: offset_of!(reactor_options, low_water), ..FULL };
        let config = read(&short).unwrap();
        assert_eq!((config.loops, config.high_water), (2, 5));
        assert_eq!((config.low_water, config.hard_limit, config.read_budget), (0, 0, 0));
    }

    #[test]
    fn a_longer_structure_may_only_have_zeroes_in_excess() {
        #[repr(C)]
        struct Newer(reactor_options, [u8; 8]);
        let full = reactor_options { size: size_of::<Newer>(), ..FULL };
        let read = |newer: &Newer| {
            let pointer = std::ptr::from_ref(newer).cast::<reactor_options>();
            // SAFETY: the size is that of the whole.
            unsafe { sized::read(pointer, F, "options") }.map(|options| options.loops)
        };
        assert_eq!(read(&Newer(full, [0; 8])), Ok(2));
        let error = read(&Newer(full, [0, 0, 0, 0, 0, 0, 0, 1])).unwrap_err();
        assert!(error.message().contains("does not know"), "{}", error.message());
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        let ends = [16, 20, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112];
        let cut = (0..size_of::<reactor_options>()).filter(|size| !ends.contains(size));
        for size in cut.chain([4097, usize::MAX]) {
            let error = read(&reactor_options { size, ..FULL }).unwrap_err();
            assert!(error.message().contains(&format!("options->size is {size},")), "{}", error.message());
        }
        for size in ends {
            read(&reactor_options { size, ..FULL }).unwrap();
        }
    }
}

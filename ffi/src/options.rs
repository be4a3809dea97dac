//! The options of a server.

use std::mem::offset_of;
use std::time::Duration;

use reactor_core::Config;

use crate::sized::SizedStruct;

/// Options of a server. Set size to sizeof; a member that is zero has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_options {
    /// sizeof(struct reactor_options), by which a later library knows the members that this program knows.
    pub size: usize,
    /// Event loops, each on a thread of its own, at most 1024. Default: one per processor that this process
    /// may use.
    pub loops: u32,
    /// Milliseconds that a connection closed by this side waits for the peer to close too. Default: 2000.
    /// More than 3,600,000, an hour, is REACTOR_STATUS_INVALID_ARGUMENT.
    pub linger_ms: u32,
    /// Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
    pub high_water: usize,
    /// Bytes of unsent output at which on_drain is called and reading resumes. Default: half the high-water
    /// mark.
    pub low_water: usize,
    /// Bytes of unsent output that a connection may hold at most: beyond it, a write on the connection's own
    /// loop closes it with REACTOR_CLOSE_OVERFLOW, and a write from elsewhere answers REACTOR_STATUS_FULL.
    /// Default: 64 MiB.
    pub hard_limit: usize,
    /// Bytes read from one connection before the others of its loop have their turn. Default: 256 KiB.
    pub read_budget: usize,
}

// SAFETY: integers only, `size` first; the test below adds them up.
unsafe impl SizedStruct for reactor_options {
    const ENDS: &'static [usize] = &[
        offset_of!(reactor_options, linger_ms),
        offset_of!(reactor_options, high_water),
        offset_of!(reactor_options, low_water),
        offset_of!(reactor_options, hard_limit),
        offset_of!(reactor_options, read_budget),
    ];
}

impl reactor_options {
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.loops = self.loops as usize;
        config.linger = Duration::from_millis(self.linger_ms.into());
        config.high_water = self.high_water;
        config.low_water = self.low_water;
        config.hard_limit = self.hard_limit;
        config.read_budget = self.read_budget;
        config
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::sized;

    const FULL: reactor_options = reactor_options {
        size: size_of::<reactor_options>(),
        loops: 2,
        linger_ms: 3,
        high_water: 5,
        low_water: 4,
        hard_limit: 6,
        read_budget: 7,
    };

    fn read(options: &reactor_options) -> reactor_core::Result<Config> {
        // SAFETY: the sizes that the tests put in lie inside of what they pass.
        unsafe { sized::read(options, "f", "options") }.map(|options| options.config())
    }

    #[test]
    fn there_is_no_padding_that_could_be_taken_for_a_member() {
        assert_eq!(size_of::<reactor_options>(), 5 * size_of::<usize>() + 2 * size_of::<u32>());
    }

    #[test]
    fn every_member_arrives() {
        let config = read(&FULL).unwrap();
        assert_eq!((config.loops, config.linger), (2, Duration::from_millis(3)));
        assert_eq!((config.low_water, config.high_water, config.hard_limit), (4, 5, 6));
        assert_eq!(config.read_budget, 7);
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
            unsafe { sized::read(pointer, "f", "options") }.map(|options| options.loops)
        };
        assert_eq!(read(&Newer(full, [0; 8])), Ok(2));
        let error = read(&Newer(full, [0, 0, 0, 0, 0, 0, 0, 1])).unwrap_err();
        assert!(error.message().contains("does not know"), "{}", error.message());
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        let ends = [12, 16, 24, 32, 40, 48];
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

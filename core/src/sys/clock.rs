//! The server's clock: milliseconds since the server was made. A loop reads it once a turn, once more
//! before it sleeps if something is due, and whenever a time-out begins to count. (How a loop waits is timed
//! by `sys::time` itself.)

use std::time::Duration;

#[cfg(test)]
use made_up::monotonic;

#[cfg(not(test))]
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
        Clock::millis(self.nanos())
    }

    /// The same of a moment in nanoseconds since the epoch.
    pub(crate) fn millis(nanos: u64) -> u64 {
        nanos / 1_000_000
    }

    /// How long until a millisecond begins; zero if it has begun.
    pub(crate) fn until(self, at: u64) -> Duration {
        Duration::from_millis(at).saturating_sub(Duration::from_nanos(self.nanos()))
    }

    /// Nanoseconds since the epoch.
    pub(crate) fn nanos(self) -> u64 {
        monotonic().saturating_sub(self.epoch)
    }
}

/// Time for unit tests, which need not wait for it to go by.
#[cfg(test)]
#[cfg_attr(
    reactor_poller = "poll",
    allow(dead_code, reason = "who uses it is a host, and over poll(2) none can be")
)]
pub(crate) mod made_up {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        /// How far this thread's clocks are ahead of the system's, in nanoseconds.
        static AHEAD: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn monotonic() -> u64 {
        crate::sys::time::monotonic() + AHEAD.get()
    }

    /// An age that the system tells: what was before the time that was made up is as old as can be.
    pub(in crate::sys) fn age(real: Duration) -> Duration {
        if AHEAD.get() == 0 {
            real
        } else {
            Duration::MAX
        }
    }

    /// While it lives, its thread's time goes by as it is told, besides as it always does. It has to outlive every
    /// clock that is read meanwhile, which would go back with it.
    pub(crate) struct Time {
        /// Belongs to its thread.
        _not_send: std::marker::PhantomData<*const ()>,
    }

    impl Time {
        pub(crate) fn begin() -> Self {
            Time { _not_send: std::marker::PhantomData }
        }

        pub(crate) fn advance(&self, by: Duration) {
            pass(by);
        }
    }

    /// Time goes by while something runs on this thread, and a [`Time`] lives.
    pub(crate) fn pass(by: Duration) {
        AHEAD.set(AHEAD.get() + u64::try_from(by.as_nanos()).unwrap());
    }

    impl Drop for Time {
        fn drop(&mut self) {
            AHEAD.set(0);
        }
    }
}

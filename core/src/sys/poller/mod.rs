//! Waiting for readiness. One file per system, each with the same names, which keep this contract.
//!
//! Registering. All calls are made by one thread at a time, but for a waker's; the one that polls, once there is one.
//!
//! - `add(fd, token)` registers a descriptor once, for reading, writing and urgent data, by edges: what became ready is
//!   reported once, and whoever polls remembers it until it was used up. What is ready when it is registered is reported.
//! - `add_readable(fd, token)` registers one for all that but writing, and `poll_writable(fd, token, yes)` adds or
//!   ends writing: for sockets that would report room although nobody lacked it, which are those of UDP (whenever a
//!   datagram has left) and Unix sockets (whenever the peer has read). What is ready when writing is added or ended
//!   may be reported again, and room that is there when it is added is reported.
//! - `add_level(fd, token)` registers a descriptor for reading by its level: it is reported as long as it is readable.
//!   For wakers and timers.
//! - `rearm_read(fd)` and `rearm_write(fd)` say that readiness was used up: a read or an accept found nothing more (it
//!   would have blocked, or was short and so proves the socket empty), a write had no room. What is ready by then, or
//!   becomes so, is reported. A kernel that sees edges itself needs neither: they are nothing over epoll and kqueue. They
//!   may come at any time and more than once; but not for reading after end of file was read, nor for a listener that
//!   was shut down: those are ready for ever.
//! - `forget(fd)` says that a descriptor is about to be closed. Each is forgotten or removed before. Nothing over epoll,
//!   where closing ends the registration.
//! - `remove(fd)` ends the registration of a descriptor that stays open.
//!
//! Polling.
//!
//! - `poll(events, timeout)` waits until something is ready, the time is over (`None`: never) or a signal comes, and
//!   replaces the contents of `events`. A time-out is rounded up to the next millisecond, so that a timer is due when it
//!   returns.
//! - What is reported of one descriptor may come as one event or as two, reading and writing apart.
//! - An event's `read_on` may be set although a short read would prove the socket empty. It must be set if readiness for
//!   reading is not re-armed by `rearm_read` and more is behind the bytes than a short read shows.
//! - An error or a hang-up is reported of every descriptor, whatever it is registered for, as readable and writable.
//! - An event may be stale: its descriptor may be closed since. The token tells.
//!
//! - `POLLING_HOLDS` says whether a poll that is under way keeps what it waits for from being closed for good.
//!
//! What belongs to the poller, because each system has its own.
//!
//! - `Waker` ends the poller's wait: `new`, `wake` (by any thread, and async-signal-safe: errno is as before), `drain`,
//!   `as_fd` for `add_level`. It is readable from the wake until it is drained. How to wait for one: `sys::waker`.
//! - `TimerDescriptor` is for a host that polls (promise B3): `new`, `arm`, `disarm`, `as_fd` for `add_level`, and
//!   `descriptor_of(poller)`: the descriptor that the host polls, readable when a poll would report something. A poller
//!   without one has no such timer, either: `new` answers `Unsupported`, and so does making a hosted server. A loop's own
//!   timers need no descriptor: they are time-outs of `poll`.

// The build script of the crate says which: `REACTOR_POLLER`, or else what the system has.
#[cfg(reactor_poller = "epoll")]
mod epoll;
#[cfg(reactor_poller = "epoll")]
use epoll as chosen;
#[cfg(reactor_poller = "poll")]
mod pipe;
#[cfg(reactor_poller = "poll")]
mod poll;
#[cfg(reactor_poller = "poll")]
use poll as chosen;

use std::time::Duration;

pub(crate) use chosen::{Events, Poller, TimerDescriptor, Waker, POLLING_HOLDS};

/// What is ready, for the descriptor registered under `token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) token: u64,
    /// A read makes progress: bytes, end of file or an error.
    pub(crate) readable: bool,
    /// A write makes progress: room or an error.
    pub(crate) writable: bool,
    /// There may be more behind the bytes than a short read shows: end of file, an error, or urgent data.
    pub(crate) read_on: bool,
    /// The socket has failed: what it was, a read or a write tells.
    pub(crate) failed: bool,
}

/// A time-out as the system's calls take it: in milliseconds, rounded up; -1 for none.
pub(super) fn millis(timeout: Option<Duration>) -> libc::c_int {
    match timeout {
        None => -1,
        Some(Duration::ZERO) => 0,
        Some(timeout) => i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests;

//! Waiting for readiness. One file per system, each with the same functions, which keep this contract:
//!
//! - `Poller::new` opens the poller's descriptor, close-on-exec.
//! - `add(fd, token)` registers a descriptor once, edge-triggered, for reading, writing and urgent data.
//!   There is no
//!   change of interest: whoever polls remembers readiness. Closing the descriptor ends the registration.
//! - `add_readable(fd, token)` registers one for all that but writing, and `poll_writable(fd, token, yes)` adds or
//!   ends writing: for sockets that would report room although nobody lacked it, which are those of UDP (whenever a
//!   datagram has left) and Unix sockets (whenever the peer has read). What is ready when writing is added or ended
//!   may be reported again, and room that is there when it is added is reported.
//! - `remove(fd)` ends a registration, for descriptors that stay open.
//! - Its descriptor is readable when a poll would report something.
//! - `add_level(fd, token)` registers a descriptor for reading, level-triggered: for wakers.
//! - `poll(events, timeout)` waits until something is ready, the time is over (`None`: never) or a signal
//!   comes,
//!   and replaces the contents of `events`. A time-out is rounded up to the next millisecond, so that a timer is due when it returns.
//! - One thread polls; `add` may be called by any. A wake is an event of a waker's descriptor (see `waker`).
//! - An event may be stale: its descriptor may be closed since. The token tells.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(target_os = "linux")]
pub(crate) use epoll::{Events, Poller};
#[cfg(not(target_os = "linux"))]
compile_error!("reactor runs on Linux only so far: kqueue is the next backend");

/// What is ready, for the descriptor registered under `token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) token: u64,
    /// A read makes progress: bytes, end of file or an error.
    pub(crate) readable: bool,
    /// A write makes progress: room or an error.
    pub(crate) writable: bool,
    /// There is more behind the bytes than a short read shows: end of file, an error, or urgent data.
    pub(crate) read_on: bool,
    /// The socket has failed: what it was, a read or a write tells.
    pub(crate) failed: bool,
}

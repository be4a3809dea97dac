//! The poller over poll(2), for systems that have nothing better. Each call looks at every descriptor: that is poll(2)'s
//! own nature. Whatever else is done costs the same for one descriptor as for a hundred thousand.
//!
//! poll(2) says what is ready, each time anew. So interest in what was reported is taken off until it is re-armed, which
//! makes edges of it. An error or a hang-up is reported without any interest: a descriptor that has one is left out.
//! A hang-up is for ever, so it is reported once. An error that no read takes, such as those that only an inherited socket's
//! IP_RECVERR queues, is reported each time that it is re-armed: poll(2) cannot leave it out.
//! Nothing is behind a short read that the next poll would not report, once re-armed: so there is no need of POLLRDHUP,
//! which few systems have.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libc::{c_short, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI};

use super::{millis, Event};
use crate::sys::check;

mod registry;

pub(crate) use super::pipe::Waker;
use registry::{Kind, Registry};

/// The kernel keeps every descriptor of the list until the call returns.
pub(crate) const POLLING_HOLDS: bool = true;

/// Interest in input and whatever comes with it.
const INPUT: c_short = POLLIN | POLLPRI;
/// What poll(2) reports of every descriptor.
const FAULT: c_short = POLLERR | POLLHUP;

/// The events of one poll.
pub(crate) struct Events {
    raw: Vec<(u64, c_short)>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Events { raw: Vec::new() }
    }

    /// One of them, by its place.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Event> {
        self.raw.get(index).map(event)
    }

    /// The token of one of them, and whether it reports input and nothing else that matters to who writes.
    #[inline]
    pub(crate) fn peek(&self, index: usize) -> Option<(u64, bool)> {
        self.raw.get(index).map(|(token, ready)| (*token, ready & (INPUT | FAULT) == POLLIN))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.raw.iter().map(event)
    }
}

fn event(raw: &(u64, c_short)) -> Event {
    let (token, ready) = *raw;
    let has = |mask: c_short| ready & mask != 0;
    Event {
        token,
        readable: has(INPUT | FAULT),
        writable: has(POLLOUT | FAULT),
        read_on: has(POLLPRI | FAULT),
        failed: has(POLLERR),
    }
}

pub(crate) struct Poller {
    /// Locked by the one thread that makes calls at a time, also while it waits: so nobody waits for the lock.
    registry: Mutex<Registry>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Poller { registry: Mutex::default() })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.registry().add(fd.as_raw_fd(), token, Kind::Edge, INPUT | POLLOUT)
    }

    pub(crate) fn add_level(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.registry().add(fd.as_raw_fd(), token, Kind::Level, POLLIN)
    }

    pub(crate) fn add_readable(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.registry().add(fd.as_raw_fd(), token, Kind::Edge, INPUT)
    }

    pub(crate) fn poll_writable(&self, fd: BorrowedFd<'_>, _token: u64, writable: bool) -> io::Result<()> {
        match writable {
            true => self.rearm_write(fd),
            false => self.registry().disarm(fd.as_raw_fd(), POLLOUT),
        }
        Ok(())
    }

    pub(crate) fn rearm_read(&self, fd: BorrowedFd<'_>) {
        self.registry().arm(fd.as_raw_fd(), INPUT);
    }

    pub(crate) fn rearm_write(&self, fd: BorrowedFd<'_>) {
        self.registry().arm(fd.as_raw_fd(), POLLOUT);
    }

    pub(crate) fn forget(&self, fd: BorrowedFd<'_>) {
        self.remove(fd);
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        self.registry().remove(fd.as_raw_fd());
    }

    pub(crate) fn poll(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.raw.clear();
        let registry = &mut *self.registry();
        let polled = registry.polled();
        let (first, count) = (polled.as_mut_ptr(), polled.len() as libc::nfds_t);
        // SAFETY: pointer and count describe the slice, which is borrowed exclusively.
        match check(unsafe { libc::poll(first, count, millis(timeout)) }) {
            Ok(0) => {}
            Ok(ready) => registry.collect(ready as usize, &mut events.raw),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// There is none, as there is no descriptor for a host to poll: nobody can make one.
#[derive(Debug)]
pub(crate) struct TimerDescriptor(Never);

#[derive(Debug)]
enum Never {}

impl TimerDescriptor {
    pub(crate) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn arm(&mut self, _: Duration) {
        match self.0 {}
    }

    pub(crate) fn disarm(&mut self) {
        match self.0 {}
    }

    pub(crate) fn descriptor_of<'a>(&self, _: &'a Poller) -> BorrowedFd<'a> {
        match self.0 {}
    }
}

impl AsFd for TimerDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests;

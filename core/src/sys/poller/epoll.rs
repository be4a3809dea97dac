//! The poller over epoll(7), on Linux.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::{millis, Event};
use crate::sys::check;
use crate::sys::linux::call::call;

mod eventfd;
mod timerfd;

pub(crate) use eventfd::Waker;
pub(crate) use timerfd::TimerDescriptor;

/// Events fetched by one call at most.
const BATCH: usize = 512;

pub(crate) const POLLING_HOLDS: bool = false;

/// What a read tells more of.
const READ: u32 =
    (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLPRI) as u32;

/// Interest in input, whatever comes with it, and each time anew.
const INPUT: libc::c_int = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET;

/// Room for the events of one poll.
pub(crate) struct Events {
    raw: Vec<libc::epoll_event>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Events { raw: Vec::with_capacity(BATCH) }
    }

    /// One of them, by its place.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Event> {
        self.raw.get(index).map(event)
    }

    /// The token of one of them, and whether it reports input and nothing else that matters to who writes.
    #[inline]
    pub(crate) fn peek(&self, index: usize) -> Option<(u64, bool)> {
        self.raw.get(index).map(|raw| (raw.u64, raw.events & READ == libc::EPOLLIN as u32))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.raw.iter().map(event)
    }

    /// Whether there was no room for more.
    pub(crate) fn is_full(&self) -> bool {
        self.raw.len() == BATCH
    }
}

fn event(raw: &libc::epoll_event) -> Event {
    let has = |mask: libc::c_int| raw.events & mask as u32 != 0;
    Event {
        token: raw.u64,
        readable: raw.events & READ != 0,
        writable: has(libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR),
        read_on: has(libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLPRI),
        failed: has(libc::EPOLLERR),
    }
}

pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
        Ok(Poller { epoll: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(fd, token, INPUT | libc::EPOLLOUT)
    }

    pub(crate) fn add_level(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(fd, token, libc::EPOLLIN)
    }

    pub(crate) fn add_readable(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(fd, token, INPUT)
    }

    pub(crate) fn poll_writable(&self, fd: BorrowedFd<'_>, token: u64, writable: bool) -> io::Result<()> {
        let interest = INPUT | if writable { libc::EPOLLOUT } else { 0 };
        self.change(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    #[inline(always)]
    pub(crate) fn rearm_read(&self, _: BorrowedFd<'_>) {}

    #[inline(always)]
    pub(crate) fn rearm_write(&self, _: BorrowedFd<'_>) {}

    #[inline(always)]
    pub(crate) fn forget(&self, _: BorrowedFd<'_>) {}

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        // It fails for descriptors that are not registered only.
        let _ = self.change(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    fn control(&self, fd: BorrowedFd<'_>, token: u64, interest: libc::c_int) -> io::Result<()> {
        self.change(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    fn change(
        &self,
        operation: libc::c_int,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: libc::c_int,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest as u32, u64: token };
        // SAFETY: both descriptors are open while they are borrowed, and `event` outlives the call.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd.as_raw_fd(), &mut event) })
            .map(drop)
    }

    pub(crate) fn poll(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.raw.clear();
        let short = timeout.filter(|timeout| !timeout.is_zero() && *timeout < Duration::from_millis(1));
        let exact = short.map(|timeout| self.wait_exactly(events, timeout));
        // Before Linux 5.11 nobody could wait for less than a millisecond.
        let result = match exact.filter(|exact| !is_unknown_call(exact)) {
            Some(exact) => exact,
            None => self.wait_millis(events, millis(timeout)),
        };
        match result {
            // SAFETY: the kernel has filled this many elements, at most BATCH, which is the capacity.
            Ok(filled) => unsafe { events.raw.set_len(filled) },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Says how many events the kernel has put there.
    fn wait_millis(&self, events: &mut Events, millis: libc::c_int) -> io::Result<usize> {
        let (epoll, room) = (self.epoll.as_raw_fd() as usize, events.raw.as_mut_ptr() as usize);
        // SAFETY: the pointer and the count describe the vector's own capacity; there is no signal mask.
        unsafe { call(libc::SYS_epoll_pwait, [epoll, room, BATCH, millis as usize, 0, 0]) }
    }

    #[cold]
    fn wait_exactly(&self, events: &mut Events, timeout: Duration) -> io::Result<usize> {
        // Two numbers of 64 bits on every system, with less than a second in the second.
        let timeout = [0_i64, i64::from(timeout.subsec_nanos())];
        let (epoll, room) = (self.epoll.as_raw_fd() as usize, events.raw.as_mut_ptr() as usize);
        let timeout = timeout.as_ptr() as usize;
        // SAFETY: as above; the time outlives the call.
        unsafe { call(libc::SYS_epoll_pwait2, [epoll, room, BATCH, timeout, 0, 0]) }
    }
}

fn is_unknown_call(result: &io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn poll_now(poller: &Poller) -> Vec<Event> {
        let mut events = Events::new();
        poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
        events.iter().collect()
    }

    #[test]
    fn each_edge_is_reported_once() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(far.as_fd(), 7).unwrap();
        assert_eq!(
            poll_now(&poller),
            [Event { token: 7, readable: false, writable: true, read_on: false, failed: false }]
        );
        assert_eq!(poll_now(&poller), []);
        near.write_all(b"x").unwrap();
        assert_eq!(
            poll_now(&poller),
            [Event { token: 7, readable: true, writable: true, read_on: false, failed: false }]
        );
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            poll_now(&poller),
            [Event { token: 7, readable: true, writable: true, read_on: true, failed: false }]
        );
        assert_eq!(poll_now(&poller), []);
    }

    #[test]
    fn room_is_reported_while_it_is_asked_for_even_if_it_was_there_before() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.add_readable(far.as_fd(), 7).unwrap();
        let exchange = |near: &mut UnixStream, far: &mut UnixStream| {
            far.write_all(b"x").unwrap();
            near.read_exact(&mut [0]).unwrap();
        };
        exchange(&mut near, &mut far);
        assert_eq!(poll_now(&poller), []);
        poller.poll_writable(far.as_fd(), 7, true).unwrap();
        let room = Event { token: 7, readable: false, writable: true, read_on: false, failed: false };
        assert_eq!(poll_now(&poller), [room]);
        assert_eq!(poll_now(&poller), []);
        exchange(&mut near, &mut far);
        assert_eq!(poll_now(&poller), [room]);
        poller.poll_writable(far.as_fd(), 7, false).unwrap();
        exchange(&mut near, &mut far);
        assert_eq!(poll_now(&poller), []);
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(poll_now(&poller), [Event { readable: true, writable: false, read_on: true, ..room }]);
    }

    #[test]
    fn closing_a_descriptor_ends_its_registration() {
        let (near, far) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(far.as_fd(), 7).unwrap();
        drop(far);
        drop(near);
        assert_eq!(poll_now(&poller), []);
    }
}

//! Ending another thread's wait: an eventfd that is readable from the wake until it is drained.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;
use super::signal::SignalsBlocked;

#[derive(Debug)]
pub(crate) struct Waker {
    event: OwnedFd,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
        Ok(Waker { event: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Makes the waker readable. Async-signal-safe: errno is as before. It cannot fail in a way that matters:
    /// when the counter is full, the waker is readable already.
    pub(crate) fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: errno is this thread's own, and the eight bytes outlive the write.
        unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len());
            *errno = before;
        }
    }

    /// Takes back all wakes so far.
    pub(crate) fn drain(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: the eight bytes outlive the read.
        unsafe { libc::read(self.event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Blocks until a wake comes; it is not drained, so that others see it too. With `blocked`, the signals
    /// that were open before it was made are open while this waits, and only then.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal handler ran on this thread.
    pub(crate) fn wait(&self, blocked: Option<&SignalsBlocked>) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.event.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mask = blocked.map_or(std::ptr::null(), |blocked| std::ptr::from_ref(blocked.before()));
        // SAFETY: one pollfd, which outlives the call; no time-out; the mask is null or valid.
        check(unsafe { libc::ppoll(&mut poll, 1, std::ptr::null(), mask) }).map(drop)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poller::{Events, Poller};
    use std::time::Duration;

    #[test]
    fn many_wakes_are_one_event_and_one_drain() {
        let (waker, poller, mut events) = (Waker::new().unwrap(), Poller::new().unwrap(), Events::new());
        poller.add_level(waker.as_fd(), 0).unwrap();
        (0..3).for_each(|_| waker.wake());
        poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 1);
        waker.wait(None).unwrap();
        waker.wait(Some(&SignalsBlocked::new())).unwrap();
        waker.drain();
        poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 0);
    }
}

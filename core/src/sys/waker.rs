//! Ending another thread's wait. The waker is the poller's: see there.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::check;
use super::signal::SignalsBlocked;

pub(crate) use super::poller::Waker;

impl Waker {
    /// Blocks until a wake comes; it is not drained, so that others see it too. With `blocked`, the signals
    /// that were open before it was made are open while this waits, and only then.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal handler ran on this thread.
    pub(crate) fn wait(&self, blocked: Option<&SignalsBlocked>) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mask = blocked.map_or(std::ptr::null(), |blocked| std::ptr::from_ref(blocked.before()));
        // SAFETY: one pollfd, which outlives the call; no time-out; the mask is null or valid.
        check(unsafe { libc::ppoll(&mut poll, 1, std::ptr::null(), mask) }).map(drop)
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
        for wakes in [3, 100_000] {
            (0..wakes).for_each(|_| waker.wake());
            poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.iter().count(), 1);
            waker.wait(None).unwrap();
            waker.wait(Some(&SignalsBlocked::new())).unwrap();
            waker.drain();
            poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.iter().count(), 0);
        }
    }

    #[test]
    fn a_wake_leaves_errno_as_it_was() {
        let waker = Waker::new().unwrap();
        // SAFETY: the call takes no pointer, and fails.
        assert_eq!(unsafe { libc::close(-1) }, -1);
        // More than a pipe holds: the last ones fail.
        (0..100_000).for_each(|_| waker.wake());
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EBADF));
    }
}

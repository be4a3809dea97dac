//! Ending another thread's wait. The waker is the poller's: see there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use super::cancel::Uncancelled;
use super::check;

pub(crate) use super::poller::Waker;

impl Waker {
    /// Blocks until a wake comes; it is not drained, so that others see it too. Or until `other` is readable, if there is
    /// one, or `at_most` is over. Says whether a wake came.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal handler ran on this thread.
    pub(crate) fn wait(&self, other: Option<BorrowedFd<'_>>, at_most: Option<Duration>) -> io::Result<bool> {
        let input = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // A negative number is left out.
        let mut polled =
            [input(self.as_fd().as_raw_fd()), input(other.map_or(-1, |other| other.as_raw_fd()))];
        let millis = super::poller::millis(at_most);
        // SAFETY: pointer and number describe the array, which outlives the call.
        check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) })?;
        Ok(polled[0].revents != 0)
    }
}

extern "C-unwind" {
    /// As the crate has it, but a thread may be cancelled in it, which unwinds.
    fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, millis: libc::c_int) -> libc::c_int;
}

impl Waker {
    /// Blocks until a wake comes, which is not drained, or its thread is cancelled; says whether it was not.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal handler ran on this thread.
    pub(crate) fn wait_cancellable(&self, thread: &Uncancelled) -> io::Result<bool> {
        let mut polled = libc::pollfd { fd: self.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut result = Ok(0);
        let goes_on = thread.except(|| {
            // SAFETY: one pollfd, which outlives the call; no time-out.
            result = check(unsafe { poll(&mut polled, 1, -1) });
        });
        match goes_on {
            true => result.map(|_| true),
            false => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poller::{Events, Poller};

    #[test]
    fn many_wakes_are_one_event_and_one_drain() {
        let (waker, poller, mut events) = (Waker::new().unwrap(), Poller::new().unwrap(), Events::new());
        poller.add_level(waker.as_fd(), 0).unwrap();
        for wakes in [3, 100_000] {
            (0..wakes).for_each(|_| waker.wake());
            poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.iter().count(), 1);
            assert!(waker.wait(None, None).unwrap());
            waker.drain();
            poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.iter().count(), 0);
        }
    }

    #[test]
    fn what_else_is_waited_for_is_told_apart() {
        let (waker, other) = (Waker::new().unwrap(), Waker::new().unwrap());
        other.wake();
        assert!(!waker.wait(Some(other.as_fd()), None).unwrap());
        waker.wake();
        assert!(waker.wait(Some(other.as_fd()), None).unwrap());
    }

    #[test]
    fn a_wait_may_have_an_end() {
        let waker = Waker::new().unwrap();
        assert!(!waker.wait(None, Some(Duration::from_millis(1))).unwrap());
        waker.wake();
        assert!(waker.wait(None, Some(Duration::ZERO)).unwrap());
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

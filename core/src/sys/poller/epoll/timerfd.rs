//! The host's timer as a timerfd.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::Poller;
use crate::sys::check;

/// Readable from when it is due until it is armed anew or disarmed.
#[derive(Debug)]
pub(crate) struct TimerDescriptor {
    timer: OwnedFd,
    armed: bool,
}

impl TimerDescriptor {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
        Ok(TimerDescriptor { timer: unsafe { OwnedFd::from_raw_fd(fd) }, armed: false })
    }

    /// Makes it due after `delay`, which is not zero.
    pub(crate) fn arm(&mut self, delay: Duration) {
        self.armed = true;
        self.set(delay);
    }

    /// Makes it never due.
    pub(crate) fn disarm(&mut self) {
        if std::mem::take(&mut self.armed) {
            self.set(Duration::ZERO);
        }
    }

    /// What the host polls.
    pub(crate) fn descriptor_of<'a>(&self, poller: &'a Poller) -> BorrowedFd<'a> {
        poller.epoll.as_fd()
    }

    fn set(&self, delay: Duration) {
        let at = libc::timespec {
            // 68 years are enough, and the type's width is the C library's choice.
            tv_sec: i32::try_from(delay.as_secs()).unwrap_or(i32::MAX).into(),
            tv_nsec: delay.subsec_nanos().into(),
        };
        let once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = libc::itimerspec { it_interval: once, it_value: at };
        // SAFETY: the descriptor is a timer, and `spec` outlives the call. It fails for invalid arguments only.
        unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
    }
}

impl AsFd for TimerDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

//! A waker that is an eventfd.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::check;
use crate::sys::linux::call::call;
use crate::sys::system::errno;

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

    /// Makes it readable. It cannot fail in a way that matters: when the counter is full, it is readable already.
    pub(crate) fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        let (event, bytes) = (self.event.as_raw_fd() as usize, one.as_ptr() as usize);
        // Not by the C library: there a thread may be cancelled.
        // SAFETY: the eight bytes outlive the write.
        let _ = errno::preserved(|| unsafe { call(libc::SYS_write, [event, bytes, one.len(), 0, 0, 0]) });
    }

    /// Takes back all wakes so far.
    pub(crate) fn drain(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: the eight bytes outlive the read.
        unsafe { libc::read(self.event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

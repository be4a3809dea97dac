//! A waker that is a pipe, which every system has.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::sys::cancel::Uncancelled;
use crate::sys::socket::set_nonblocking;
use crate::sys::system::errno;

/// Bytes that one read drains: a wake is one, and senders wake a loop that sleeps only.
const DRAINED: usize = 512;

#[derive(Debug)]
pub(crate) struct Waker {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        set_nonblocking(reader.as_fd())?;
        set_nonblocking(writer.as_fd())?;
        Ok(Waker { reader, writer })
    }

    /// Makes it readable. It cannot fail in a way that matters: when the pipe is full, it is readable already.
    pub(crate) fn wake(&self) {
        let one = 1_u8;
        let byte = std::ptr::from_ref(&one).cast();
        // In write(2) a thread may be cancelled, be it in a signal handler.
        let _thread = Uncancelled::new();
        // SAFETY: the byte outlives the write. Both ends are open as long as `self` is, so there is no SIGPIPE.
        errno::preserved(|| unsafe { libc::write(self.writer.as_raw_fd(), byte, 1) });
    }

    /// Takes back all wakes so far.
    pub(crate) fn drain(&self) {
        let mut wakes = [0_u8; DRAINED];
        loop {
            let room = wakes.as_mut_ptr().cast();
            // SAFETY: pointer and length describe the array, which outlives the read.
            let read = unsafe { libc::read(self.reader.as_raw_fd(), room, DRAINED) };
            if usize::try_from(read) != Ok(DRAINED) {
                return;
            }
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

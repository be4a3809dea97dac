//! Stream sockets: reading, writing, accepting, shutting down.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{check, check_size};

/// Slices that one gathered write takes at most. The kernel allows 1,024 (IOV_MAX); 64 blocks are a mebibyte,
/// more than a socket buffer usually has room for.
pub(crate) const MAX_SLICES: usize = 64;

/// Accepts one connection, non-blocking and close-on-exec.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let (no_addr, no_len) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the kernel takes null for an address that is not wanted.
    let fd = check(unsafe { libc::accept4(listener.as_raw_fd(), no_addr, no_len, flags) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads what is there, at most the buffer's size; 0 means end of file.
pub(crate) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe the buffer, which is borrowed exclusively.
    check_size(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) })
}

/// Writes as much as the kernel takes at once; a broken connection is an error, not a SIGPIPE.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe the slice, which is borrowed.
    check_size(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
}

/// As [`send`], from several slices in order, at most [`MAX_SLICES`].
pub(crate) fn send_gathered(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: msghdr is plain data for which zeroes are valid: no name, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // The kernel only reads the vector; IoSlice has the layout of iovec by its documentation.
    message.msg_iov = slices.as_ptr().cast::<libc::iovec>().cast_mut();
    message.msg_iovlen = slices.len();
    // SAFETY: the message points at slices that are borrowed during the call.
    check_size(unsafe { libc::sendmsg(fd.as_raw_fd(), &message, libc::MSG_NOSIGNAL) })
}

/// Shuts writing down: the peer sees end of file behind what was sent. Errors are left to the next read.
pub(crate) fn shutdown_write(fd: BorrowedFd<'_>) {
    // SAFETY: the call takes no pointer.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) };
}

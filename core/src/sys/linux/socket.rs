//! Sockets: accepting, reading, writing, and what other systems do not know.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, SockRef};

use super::call::call;
use crate::address::{Address, Credentials};
use crate::sys::check;
use crate::sys::socket::peer_in;

/// The unit in which the kernel counts the age of an acknowledgement, at its longest.
const JIFFY: Duration = Duration::from_millis(10);

/// Accepts one connection, non-blocking and close-on-exec, and tells the peer's address.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: zeroes are valid for an address of any family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let name = std::ptr::from_mut(&mut storage).cast::<libc::sockaddr>();
    let (descriptor, len_at) = (listener.as_raw_fd() as usize, std::ptr::from_mut(&mut len) as usize);
    // Not by the C library, where a thread that is cancelled would leave its listener locked.
    // SAFETY: the kernel writes at most `len` bytes, which is what the storage has.
    let fd = unsafe { call(libc::SYS_accept4, [descriptor, name as usize, len_at, flags as usize, 0, 0]) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    Ok((socket, peer_in(&storage, len)))
}

/// Reads what is there, at most the buffer's size; 0 means end of file.
pub(crate) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (descriptor, room, len) = (fd.as_raw_fd() as usize, buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: pointer and length describe the buffer, which is borrowed exclusively; no address is asked for.
    unsafe { call(libc::SYS_recvfrom, [descriptor, room, len, 0, 0, 0]) }
}

/// As [`recv`], at most `most` bytes behind those that are there. The memory for them need not be initialised.
pub(crate) fn recv_behind(fd: BorrowedFd<'_>, bytes: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    bytes.reserve(most);
    let room = bytes.spare_capacity_mut().as_mut_ptr() as usize;
    let descriptor = fd.as_raw_fd() as usize;
    // SAFETY: the vector is borrowed exclusively and has this much room behind its bytes; no address is asked for.
    let received = unsafe { call(libc::SYS_recvfrom, [descriptor, room, most, 0, 0, 0]) }?;
    // SAFETY: the kernel has written that many bytes there, and no more than there was room for.
    unsafe { bytes.set_len(bytes.len() + received) };
    Ok(received)
}

/// Writes as much as the kernel takes at once; a broken connection is an error, not a SIGPIPE.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let (descriptor, data, len) = (fd.as_raw_fd() as usize, bytes.as_ptr() as usize, bytes.len());
    // SAFETY: pointer and length describe the slice, which is borrowed; there is no address.
    unsafe { call(libc::SYS_sendto, [descriptor, data, len, libc::MSG_NOSIGNAL as usize, 0, 0]) }
}

/// As [`send`], from several slices in order, at most [`MAX_SLICES`](crate::sys::socket::MAX_SLICES).
pub(crate) fn send_gathered(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: msghdr is plain data for which zeroes are valid: no name, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // The kernel only reads the vector; IoSlice has the layout of iovec by its documentation.
    message.msg_iov = slices.as_ptr().cast::<libc::iovec>().cast_mut();
    message.msg_iovlen = slices.len() as _;
    let (descriptor, message) = (fd.as_raw_fd() as usize, std::ptr::from_ref(&message) as usize);
    // SAFETY: the message points at slices that are borrowed during the call.
    unsafe { call(libc::SYS_sendmsg, [descriptor, message, libc::MSG_NOSIGNAL as usize, 0, 0, 0]) }
}

/// Makes the number of a descriptor stand for what another one does, and closes what it stood for. In one step: nobody
/// else is given the number meanwhile.
pub(crate) fn replace(fd: BorrowedFd<'_>, with: BorrowedFd<'_>) {
    // SAFETY: the call takes no pointer, and both are open while they are borrowed.
    let replaced = || check(unsafe { libc::dup3(with.as_raw_fd(), fd.as_raw_fd(), libc::O_CLOEXEC) });
    // EBUSY: another thread is just opening a descriptor, dup(2).
    while replaced().is_err_and(|error| matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EINTR))) {}
}

/// Leaves the choice of the local port to connect, ip(7).
pub(in crate::sys) fn bind_address_no_port(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    let value = std::ptr::from_ref(&on).cast();
    // SAFETY: value and length describe an integer that outlives the call.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, value, length)
    })
    .map(drop)
}

/// How long ago the peer of a TCP socket last acknowledged something, at least.
pub(in crate::sys) fn last_acknowledged(fd: BorrowedFd<'_>) -> Option<Duration> {
    // SAFETY: zeroes are valid for a structure of integers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    let value = std::ptr::from_mut(&mut info).cast();
    // SAFETY: value and length describe the structure, which is borrowed exclusively.
    let asked =
        unsafe { libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, &mut length) };
    let ago = Duration::from_millis(info.tcpi_last_ack_recv.into());
    (asked == 0).then(|| ago.saturating_sub(JIFFY))
}

/// Who is at the other end of a connected Unix socket.
///
/// # Errors
/// EOPNOTSUPP for other sockets, ENOTCONN for one that is not connected: the kernel would answer both with
/// placeholders.
pub(crate) fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> {
    if SockRef::from(&fd).domain()? != Domain::UNIX {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    let mut found = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of_val(&found) as libc::socklen_t;
    let value = std::ptr::from_mut(&mut found).cast();
    // SAFETY: value and length describe the structure, which is borrowed exclusively.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, value, &mut length)
    })?;
    if found.uid == u32::MAX {
        return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
    }
    let pid = (found.pid != 0).then_some(found.pid);
    Ok(Credentials { pid, uid: found.uid, gid: found.gid })
}

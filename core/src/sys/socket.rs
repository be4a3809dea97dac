//! Sockets: connecting, reading, writing, accepting, shutting down, adopting, and what they know of themselves.

use std::ffi::CString;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::call::call;
use super::check;
use crate::address::{of_connection, Address, Credentials, DialOptions};
use crate::base::datagram::canonical;
use crate::sys::socket_options;

/// Slices that one gathered write takes at most. The kernel allows 1,024 (IOV_MAX); 64 blocks are a mebibyte,
/// more than a socket buffer usually has room for.
pub(crate) const MAX_SLICES: usize = 64;

/// Accepts one connection, non-blocking and close-on-exec, and tells the peer's address if it is an IP one.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: zeroes are valid for an address of any family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let name = std::ptr::from_mut(&mut storage).cast::<libc::sockaddr>();
    // SAFETY: the kernel writes at most `len` bytes, which is what the storage has.
    let fd = check(unsafe { libc::accept4(listener.as_raw_fd(), name, &mut len, flags) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let peer = inet_address(&storage).map(canonical);
    Ok((socket, peer))
}

/// The IP address in a storage, if that is what it holds.
pub(super) fn inet_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage = std::ptr::from_ref(storage);
    match i32::from(
        // SAFETY: the storage is initialised, and every address begins with its family.
        unsafe { (*storage).ss_family },
    ) {
        libc::AF_INET => {
            // SAFETY: the family says what it is, and the storage is large and aligned enough for any.
            let v4 = unsafe { &*storage.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some((ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*storage.cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Borrows a descriptor that somebody else keeps open as long as it is remembered: see the mailbox, which holds
/// its lock meanwhile.
pub(crate) fn borrow_while_registered(descriptor: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: the loop forgets the descriptor, which takes the mailbox's lock, before it closes it; so it is open
    // as long as the number that was found under the lock is borrowed.
    unsafe { BorrowedFd::borrow_raw(*descriptor) }
}

/// Whether it is a stream socket.
pub(crate) fn is_stream(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(SockRef::from(&fd).r#type()? == Type::STREAM)
}

pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)
}

/// Whether a connect that was begun has succeeded; `None`: it is still under way.
pub(crate) fn connect_state(fd: BorrowedFd<'_>) -> io::Result<Option<()>> {
    if let Some(errno) = take_error(fd)? {
        return Err(io::Error::from_raw_os_error(errno));
    }
    match SockRef::from(&fd).peer_addr() {
        Ok(_) => Ok(Some(())),
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes closing the socket reset the connection: what the peer has not read is lost to it, and it knows.
pub(crate) fn reset_on_close(fd: BorrowedFd<'_>) {
    // It fails for what is no socket only.
    let _ = SockRef::from(&fd).set_linger(Some(std::time::Duration::ZERO));
}

/// Reads what is there, at most the buffer's size; 0 means end of file.
pub(crate) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (descriptor, room, len) = (fd.as_raw_fd() as usize, buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: pointer and length describe the buffer, which is borrowed exclusively; no address is asked for.
    unsafe { call(libc::SYS_recvfrom, [descriptor, room, len, 0, 0, 0]) }
}

/// Writes as much as the kernel takes at once; a broken connection is an error, not a SIGPIPE.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let (descriptor, data, len) = (fd.as_raw_fd() as usize, bytes.as_ptr() as usize, bytes.len());
    // SAFETY: pointer and length describe the slice, which is borrowed; there is no address.
    unsafe { call(libc::SYS_sendto, [descriptor, data, len, libc::MSG_NOSIGNAL as usize, 0, 0]) }
}

/// As [`send`], from several slices in order, at most [`MAX_SLICES`].
pub(crate) fn send_gathered(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: msghdr is plain data for which zeroes are valid: no name, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // The kernel only reads the vector; IoSlice has the layout of iovec by its documentation.
    message.msg_iov = slices.as_ptr().cast::<libc::iovec>().cast_mut();
    message.msg_iovlen = slices.len();
    let (descriptor, message) = (fd.as_raw_fd() as usize, std::ptr::from_ref(&message) as usize);
    // SAFETY: the message points at slices that are borrowed during the call.
    unsafe { call(libc::SYS_sendmsg, [descriptor, message, libc::MSG_NOSIGNAL as usize, 0, 0, 0]) }
}

/// Shuts writing down: the peer sees end of file behind what was sent. Errors are left to the next read.
pub(crate) fn shutdown_write(fd: BorrowedFd<'_>) {
    // SAFETY: the call takes no pointer.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) };
}

/// Starts to connect a socket of its own, non-blocking and close-on-exec, and says whether it is connected
/// already. If not, it becomes writable when the attempt has ended, and [`take_error`] tells how. A Unix
/// listener whose queue is full answers EAGAIN, which is an error: nothing would report room in it.
pub(crate) fn connect_start(
    address: &SockAddr,
    datagram: bool,
    options: &DialOptions,
) -> io::Result<(OwnedFd, bool)> {
    let kind = if datagram { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(address.domain(), kind.nonblocking().cloexec(), None)?;
    let tcp = !datagram && !address.is_unix();
    for option in of_connection(options, tcp) {
        socket_options::set(socket.as_fd(), &option)?;
    }
    if let Some(device) = &options.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(local) = options.bind {
        if tcp {
            // So that the local port is chosen with the destination known: it need not be free everywhere.
            bind_address_no_port(socket.as_fd())?;
            socket.set_reuse_address(true)?;
        }
        socket.bind(&local.into())?;
    }
    match socket.connect(address) {
        Ok(()) => Ok((socket.into(), true)),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok((socket.into(), false)),
        Err(error) => Err(error),
    }
}

/// Leaves the choice of the local port to connect, ip(7).
fn bind_address_no_port(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    let value = std::ptr::from_ref(&on).cast();
    // SAFETY: value and length describe an integer that outlives the call.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, value, length)
    })
    .map(drop)
}

/// Takes the error that waits on a socket (SO_ERROR): how an attempt to connect ended.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    Ok(SockRef::from(&fd).take_error()?.and_then(|error| error.raw_os_error()))
}

/// The address of this end.
pub(crate) fn local_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    SockRef::from(&fd).local_addr().map(|address| address_of(&address))
}

/// The address of the other end of a connected socket.
pub(crate) fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    SockRef::from(&fd).peer_addr().map(|address| address_of(&address))
}

fn address_of(address: &SockAddr) -> Address {
    if let Some(addr) = address.as_socket() {
        return Address::canonical(addr);
    }
    match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => Address::Path(path.to_owned()),
        (None, Some(name)) => Address::Abstract(name.to_owned()),
        (None, None) => Address::Unnamed,
    }
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

/// Ends listening for everybody who holds the socket: connects are refused from now on.
pub(crate) fn shutdown_listening(fd: BorrowedFd<'_>) {
    // SAFETY: the call takes no pointer.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Whether a number is that of an open descriptor.
pub(crate) fn is_open(number: RawFd) -> io::Result<()> {
    // SAFETY: the call takes no pointer, and a number that is no descriptor's is an error.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) }).map(drop)
}

/// Takes a descriptor over that this process was given by number, once `prepare` is content with it; before
/// that, and if it is not, the descriptor stays as it is. Whoever names the number to us gives it away.
///
/// # Errors
/// The outer one is EBADF, for a number that is no descriptor's; the inner one comes from `prepare`.
pub(crate) fn adopt<T, E>(
    number: RawFd,
    prepare: impl FnOnce(BorrowedFd<'_>) -> Result<T, E>,
) -> io::Result<Result<(OwnedFd, T), E>> {
    is_open(number)?;
    // SAFETY: the number is an open descriptor's and so not -1; it stays open, as its owner gave it to us.
    let prepared = prepare(unsafe { BorrowedFd::borrow_raw(number) });
    // SAFETY: the descriptor is open, and by this function's contract ours alone from now on.
    Ok(prepared.map(|prepared| (unsafe { OwnedFd::from_raw_fd(number) }, prepared)))
}

/// The number of a network interface.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: the name ends with a zero and outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// Locks a file or directory for this descriptor alone, or answers EWOULDBLOCK, flock(2).
pub(crate) fn try_lock(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes no pointer.
    check(unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}

/// Gives the lock back, also if a forked child still has the descriptor.
pub(crate) fn unlock(fd: BorrowedFd<'_>) {
    // SAFETY: the call takes no pointer.
    unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_UN) };
}

#[cfg(test)]
mod tests;

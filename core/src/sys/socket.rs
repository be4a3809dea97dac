//! Sockets: connecting, reading, writing, accepting, shutting down, adopting, and what they know of themselves.

use std::ffi::{CString, OsStr};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use socket2::{SockAddr, SockRef, Socket, Type};

use super::check;
use super::system::socket::bind_address_no_port;
use crate::address::{of_connection, Address, DialOptions};
use crate::sys::{fork, socket_options};

pub(crate) use super::system::socket::{
    accept, peer_credentials, recv, recv_behind, replace, send, send_gathered,
};

/// Slices that one gathered write takes at most. The kernel allows 1,024 (IOV_MAX); 64 blocks are a mebibyte,
/// more than a socket buffer usually has room for.
pub(crate) const MAX_SLICES: usize = 64;

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

/// The address of whoever connected, in a storage of which the kernel has filled so many bytes.
pub(super) fn peer_in(storage: &libc::sockaddr_storage, len: libc::socklen_t) -> Address {
    if let Some(inet) = inet_address(storage) {
        return Address::canonical(inet);
    }
    let (from, to) = (std::mem::offset_of!(libc::sockaddr_un, sun_path), size_of::<libc::sockaddr_un>());
    let len = (len as usize).clamp(from, to) - from;
    // SAFETY: the storage is initialised and larger than the longest Unix address, so the range lies within.
    let path = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(storage).cast::<u8>().add(from), len) };
    match path {
        [] => Address::Unnamed,
        [0, name @ ..] => Address::Abstract(name.to_vec()),
        path => {
            let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
            Address::Path(OsStr::from_bytes(&path[..end]).into())
        }
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

/// Whether a connect that was begun has succeeded; `None`: it is still under way. One that has met itself has failed.
pub(crate) fn connect_state(fd: BorrowedFd<'_>) -> io::Result<Option<()>> {
    match SockRef::from(&fd).peer_addr() {
        Ok(_) => refuse_itself(fd).map(Some),
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => match failure(fd) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(None),
        },
        Err(error) => Err(error),
    }
}

/// A connect to a port of this machine that nobody listens on may be given that very port as its own, and then meets itself:
/// a simultaneous open, RFC 9293, section 3.5. Nobody is there, and as long as the socket is open nobody can be.
fn refuse_itself(fd: BorrowedFd<'_>) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    let (own, peer) = (socket.local_addr()?.as_socket(), socket.peer_addr()?.as_socket());
    if own.is_some() && own == peer {
        // Nothing of it is to linger on the port.
        reset(fd);
        return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
    }
    Ok(())
}

/// Whether it has input, or its end, to be read, and whether it has room to write, or an error instead.
pub(crate) fn readiness(fd: BorrowedFd<'_>) -> (bool, bool) {
    let reported = poll(fd, libc::POLLIN | libc::POLLOUT);
    let any = |mask| reported & mask != 0;
    let over = libc::POLLERR | libc::POLLHUP;
    (any(libc::POLLIN | over), any(libc::POLLOUT | over))
}

/// What poll(2) reports of these events, and of errors, without waiting.
fn poll(fd: BorrowedFd<'_>, events: i16) -> i16 {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: the structure outlives the call, and is the only one. If it fails, nothing is reported.
    unsafe { libc::poll(&mut poll, 1, 0) };
    poll.revents
}

/// How long ago the peer last acknowledged something, at least; `None` where that is not known: it is no TCP socket. A
/// peer that takes nothing acknowledges probes all the same.
pub(crate) fn last_acknowledged(fd: BorrowedFd<'_>) -> Option<Duration> {
    let age = super::system::socket::last_acknowledged(fd);
    #[cfg(test)]
    let age = age.map(super::clock::made_up::age);
    age
}

/// Resets a TCP connection: what the peer has not read is lost to it, and it knows. At once, whoever else has a copy of the
/// socket; closing with SO_LINGER would wait for the last of them.
pub(crate) fn reset(fd: BorrowedFd<'_>) {
    // SAFETY: zeroes are an address without a family (AF_UNSPEC), which dissolves an association, connect(2).
    let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    let length = size_of_val(&nowhere) as libc::socklen_t;
    // SAFETY: address and length describe a structure that outlives the call.
    let dissolved = check(unsafe { libc::connect(fd.as_raw_fd(), &nowhere, length) });
    if dissolved.is_err() {
        // A system that does not do it does this. It fails for what is no socket only.
        let _ = SockRef::from(&fd).set_linger(Some(Duration::ZERO));
    }
}

/// Closes a connection. The peer learns of it also if a forked child has a copy of the socket.
pub(crate) fn close(socket: OwnedFd) {
    if fork::has_forked() {
        // SAFETY: the call takes no pointer. It fails if there is nobody any more to be told.
        unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
    }
}

/// Shuts writing down: the peer sees end of file behind what was sent. Errors are left to the next read.
pub(crate) fn shutdown_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes no pointer.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// Starts to connect a socket of its own, non-blocking and close-on-exec, and says whether it is connected
/// already. If not, it becomes writable when the attempt has ended, and [`connect_state`] tells how. A Unix
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
        let local = match (local, &options.bind_zone) {
            (SocketAddr::V6(local), Some(zone)) => in_zone(*local.ip(), local.port(), zone)?,
            _ => local,
        };
        if tcp {
            // So that the local port is chosen with the destination known: it need not be free everywhere.
            bind_address_no_port(socket.as_fd())?;
            socket.set_reuse_address(true)?;
        }
        socket.bind(&local.into())?;
    }
    match socket.connect(address) {
        Ok(()) => refuse_itself(socket.as_fd()).map(|()| (socket.into(), true)),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok((socket.into(), false)),
        Err(error) => Err(error),
    }
}

/// Takes the error that has ended a connection, or an attempt to make one. SO_ERROR alone would also take what ICMP has said of
/// one that lives, and is told again and again by a network that has trouble: poll(2) does not report that.
pub(crate) fn failure(fd: BorrowedFd<'_>) -> Option<i32> {
    if poll(fd, 0) & libc::POLLERR == 0 {
        return None;
    }
    SockRef::from(&fd).take_error().ok().flatten().and_then(|error| error.raw_os_error())
}

/// The address of this end.
pub(crate) fn local_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    SockRef::from(&fd).local_addr().map(|address| Address::of(&address))
}

/// The address of the other end of a connected socket.
pub(crate) fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    SockRef::from(&fd).peer_addr().map(|address| Address::of(&address))
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

/// An address in the zone of an interface.
pub(crate) fn in_zone(ip: Ipv6Addr, port: u16, interface: &str) -> io::Result<SocketAddr> {
    Ok(SocketAddrV6::new(ip, port, 0, interface_index(interface)?).into())
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

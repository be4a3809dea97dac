//! Descriptors that another process opened: `fd://N` and the LISTEN_FDS convention.

use std::env;
use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, RawFd};
use std::process;
use std::sync::{Arc, Mutex};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::super::claim::Claim;
use super::sharing::Sharing;
use super::{failed, of_accepted, Listener, ListeningOn};
use crate::address::{check_again, of_listener, wrong, Address, ListenOptions, Scheme, Target};
use crate::base::error::{Error, ErrorKind, Result};
use crate::contract::options::ConnOptions;
use crate::sys::datagram::prepare as prepare_udp;
use crate::sys::socket::{self, is_open};
use crate::sys::socket_options::apply_while;

/// The first descriptor that LISTEN_FDS counts, sd_listen_fds(3).
const FIRST: RawFd = 3;

/// The sockets that a service manager opened for this process, as URLs to listen on: `fd://3`, `fd://4`, …
/// Empty where there are none. The convention is that of sd_listen_fds(3): LISTEN_FDS is their number, and
/// they are meant for the process LISTEN_PID only. Neither descriptors nor environment are changed: each
/// descriptor is taken over when it is listened on.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] if a variable is not a number; [`ErrorKind::System`] if a descriptor is not
/// open.
pub fn inherited() -> Result<Vec<String>> {
    let (pid, count) = (env::var_os("LISTEN_PID"), env::var_os("LISTEN_FDS"));
    let count = inherited_count(pid.as_deref(), count.as_deref(), process::id())?;
    let numbers = (FIRST..=RawFd::MAX).take(usize::try_from(count).unwrap_or(usize::MAX));
    numbers
        .map(|number| match is_open(number) {
            Ok(()) => Ok(format!("fd://{number}")),
            Err(error) => {
                let what = format_args!("LISTEN_FDS is {count}, but descriptor {number}");
                Err(Error::system(what, &error))
            }
        })
        .collect()
}

/// How many descriptors are meant for the process `own`.
fn inherited_count(pid: Option<&OsStr>, count: Option<&OsStr>, own: u32) -> Result<u32> {
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(0) };
    match number("LISTEN_PID", pid)? {
        pid if pid == own => number("LISTEN_FDS", count),
        _ => Ok(0),
    }
}

fn number(name: &str, value: &OsStr) -> Result<u32> {
    let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let wrong = || Error::new(ErrorKind::InvalidArgument, format!("{name} is {value:?}, which is no number"));
    digits.and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

/// Takes an inherited descriptor over: it is ours from now on, and closed with the listener. A Unix path is
/// not: whoever bound it removes it. Where this fails, the descriptor stays open and is its giver's.
pub(super) fn adopt(
    url: &str,
    number: RawFd,
    options: &ListenOptions,
    conns: &ConnOptions,
) -> Result<Listener> {
    let claimed = || wrong(url, "a listener of this process has the descriptor already");
    let claim = Claim::of_inherited(number).ok_or_else(claimed)?;
    let adopted = socket::adopt(number, |fd| prepare(url, fd, options, conns));
    let (fd, (scheme, bound)) = adopted.map_err(|error| failed(url, &error))??;
    let kind = scheme.kind();
    let accepted = of_accepted(options).filter(|_| scheme == Scheme::Unix);
    let address = format!("{scheme}://{bound}");
    let socket = Socket::from(fd);
    Ok(Listener {
        path: None,
        claim,
        socket,
        closed: Mutex::new(false),
        address,
        kind,
        abandoned: None,
        sharing: Arc::new(Sharing::of_inherited(options.shared)),
        shared: None,
        accepted,
        datagram_size: 0,
    })
}

/// Checks a descriptor and makes it fit for a loop. O_NONBLOCK holds for every process that has the socket.
fn prepare(
    url: &str,
    fd: BorrowedFd<'_>,
    options: &ListenOptions,
    conns: &ConnOptions,
) -> Result<(Scheme, Address)> {
    let (scheme, bound) = recognise(url, fd)?;
    check_again(url, scheme, &target(&bound), options)?;
    if scheme.is_udp() {
        conns.refuse_for_datagrams(url)?;
        prepare_udp(fd, bound.inet().is_some_and(|bound| bound.is_ipv6()));
    }
    for option in of_listener(options, scheme.is_tcp()) {
        apply_while(ListeningOn(url), fd, &option)?;
    }
    let socket = SockRef::from(&fd);
    socket
        .set_cloexec(true)
        .and_then(|()| socket.set_nonblocking(true))
        .map_err(|error| failed(url, &error))?;
    Ok((scheme, bound))
}

/// What a descriptor is: a listening TCP or Unix socket, or a bound UDP socket. Changes nothing.
fn recognise(url: &str, fd: BorrowedFd<'_>) -> Result<(Scheme, Address)> {
    let failed = |error| failed(url, &error);
    let socket = SockRef::from(&fd);
    let (domain, kind) = (socket.domain().map_err(failed)?, socket.r#type().map_err(failed)?);
    let protocol = socket.protocol().map_err(failed)?;
    let inet = domain == Domain::IPV4 || domain == Domain::IPV6;
    let tcp = protocol == Some(Protocol::TCP) || protocol == Some(Protocol::MPTCP);
    let scheme = match kind {
        Type::STREAM if inet && tcp => Scheme::Tcp,
        Type::STREAM if domain == Domain::UNIX => Scheme::Unix,
        Type::DGRAM if inet && protocol == Some(Protocol::UDP) => Scheme::Udp,
        _ => return Err(wrong(url, "the descriptor is neither a TCP, UDP nor Unix stream socket")),
    };
    if scheme != Scheme::Udp && !socket.is_listener().map_err(failed)? {
        return Err(wrong(url, format_args!("the descriptor is a {scheme} socket that does not listen")));
    }
    match socket::local_address(fd).map_err(failed)? {
        Address::Inet(addr) if addr.port() == 0 => {
            Err(wrong(url, "the descriptor is a UDP socket that is not bound"))
        }
        address => Ok((scheme, address)),
    }
}

/// A bound address as what to check options against.
fn target(address: &Address) -> Target {
    match address {
        Address::Inet(addr) => Target::Inet { addr: *addr, dual_stack: false },
        Address::Path(path) => Target::Path(path.clone()),
        Address::Abstract(_) | Address::Unnamed => Target::Abstract(address.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests;

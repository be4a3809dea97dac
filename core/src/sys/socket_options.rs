//! Options of open sockets: setting them right for each family.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, SockRef, TcpKeepalive, Type};

use crate::address::{KeepAlive, Multicast, SocketOption};
use crate::base::error::{Error, ErrorKind, Result};
use crate::sys::socket::interface_index;

/// Sets an option of an open socket.
///
/// # Errors
/// They name the option: [`ErrorKind::InvalidArgument`] for a value out of range, [`ErrorKind::System`] with
/// the system's reason, which is EOPNOTSUPP where such a socket does not have the option.
pub(crate) fn apply(fd: BorrowedFd<'_>, option: &SocketOption) -> Result<()> {
    apply_while("set a socket option", fd, option)
}

/// The same with what we are doing at the head of the message.
pub(crate) fn apply_while(doing: impl fmt::Display, fd: BorrowedFd<'_>, option: &SocketOption) -> Result<()> {
    if let Some(why) = option.fault() {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("{doing}: {option}: {why}")));
    }
    set(fd, option).map_err(|error| Error::system(format_args!("{doing}: {option}"), &error))
}

/// Sets an option whose value is in range.
pub(crate) fn set(fd: BorrowedFd<'_>, option: &SocketOption) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    let domain = socket.domain()?;
    if !fits(option, domain, socket.r#type()?) {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    let families = Families::of(&socket, domain)?;
    match option {
        SocketOption::NoDelay(on) => socket.set_tcp_nodelay(*on),
        SocketOption::KeepAlive(keepalive) => set_keepalive(&socket, *keepalive),
        SocketOption::RecvBuffer(bytes) => socket.set_recv_buffer_size(*bytes),
        SocketOption::SendBuffer(bytes) => socket.set_send_buffer_size(*bytes),
        SocketOption::Broadcast(on) => socket.set_broadcast(*on),
        SocketOption::MulticastTtl(hops) => {
            families.each(|| socket.set_multicast_ttl_v4(*hops), || socket.set_multicast_hops_v6(*hops))
        }
        SocketOption::MulticastLoop(on) => {
            families.each(|| socket.set_multicast_loop_v4(*on), || socket.set_multicast_loop_v6(*on))
        }
        SocketOption::Ttl(hops) => {
            families.each(|| socket.set_ttl_v4(*hops), || socket.set_unicast_hops_v6(*hops))
        }
        SocketOption::JoinMulticast(multicast) => set_membership(&socket, families, multicast, true),
        SocketOption::LeaveMulticast(multicast) => set_membership(&socket, families, multicast, false),
    }
}

/// Whether such a socket has the option. The kernel would ignore some in silence.
fn fits(option: &SocketOption, domain: Domain, kind: Type) -> bool {
    let inet = domain != Domain::UNIX;
    match option {
        SocketOption::NoDelay(_) | SocketOption::KeepAlive(_) => inet && kind == Type::STREAM,
        SocketOption::RecvBuffer(_) | SocketOption::SendBuffer(_) => true,
        SocketOption::Ttl(_) => inet,
        _ => inet && kind == Type::DGRAM,
    }
}

/// The families of the packets that a socket sends and receives: both, for a dual-stack one.
#[derive(Clone, Copy)]
struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    fn of(socket: &SockRef<'_>, domain: Domain) -> io::Result<Families> {
        let v6 = domain == Domain::IPV6;
        Ok(Families { v4: domain == Domain::IPV4 || (v6 && !socket.only_v6()?), v6 })
    }

    fn each(
        self,
        v4: impl FnOnce() -> io::Result<()>,
        v6: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if self.v4 {
            v4()?;
        }
        if self.v6 {
            v6()?;
        }
        Ok(())
    }
}

fn set_keepalive(socket: &SockRef<'_>, keepalive: KeepAlive) -> io::Result<()> {
    if keepalive == KeepAlive::OFF {
        return socket.set_keepalive(false);
    }
    let KeepAlive { idle, interval, count } = keepalive;
    let mut parameters = TcpKeepalive::new();
    if !idle.is_zero() {
        parameters = parameters.with_time(whole_seconds(idle));
    }
    if !interval.is_zero() {
        parameters = parameters.with_interval(whole_seconds(interval));
    }
    if count > 0 {
        parameters = parameters.with_retries(count);
    }
    socket.set_tcp_keepalive(&parameters)
}

/// Rounded up: the kernel counts in seconds, and would refuse none.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

fn set_membership(
    socket: &SockRef<'_>,
    families: Families,
    multicast: &Multicast,
    join: bool,
) -> io::Result<()> {
    let interface = multicast.interface.as_deref();
    let no_family = || Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    match multicast.group {
        IpAddr::V4(_) if !families.v4 => no_family(),
        IpAddr::V6(_) if !families.v6 => no_family(),
        IpAddr::V4(group) => {
            let interface = interface_v4(interface)?;
            match join {
                true => socket.join_multicast_v4_n(&group, &interface),
                false => socket.leave_multicast_v4_n(&group, &interface),
            }
        }
        IpAddr::V6(group) => {
            let interface = interface.map_or(Ok(0), interface_index)?;
            match join {
                true => socket.join_multicast_v6(&group, interface),
                false => socket.leave_multicast_v6(&group, interface),
            }
        }
    }
}

fn interface_v4(interface: Option<&str>) -> io::Result<InterfaceIndexOrAddress> {
    let Some(interface) = interface else {
        return Ok(InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED));
    };
    match interface.parse() {
        Ok(address) => Ok(InterfaceIndexOrAddress::Address(address)),
        Err(_) => interface_index(interface).map(InterfaceIndexOrAddress::Index),
    }
}

#[cfg(test)]
mod tests;

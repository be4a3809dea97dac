//! Datagrams as they leave, and how they are read.

use std::net::{IpAddr, SocketAddr};

/// What came with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// IPv4 if it came over IPv4, on a dual-stack socket too.
    pub(crate) sender: SocketAddr,
    /// It was longer than the buffer, and its end is lost.
    pub(crate) truncated: bool,
    /// `None` where the socket does not tell.
    pub(crate) landing: Option<Landing>,
}

/// Where on this machine a datagram has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landing {
    /// The address that it was sent to.
    pub(crate) to: IpAddr,
    /// The address of this machine that took it: another one if it was sent to many.
    pub(crate) local: IpAddr,
    /// The number of the interface.
    pub(crate) interface: u32,
}

impl Landing {
    /// Where an answer is to leave from; `None` where that is left to the system.
    pub(crate) fn source(&self) -> Option<Source> {
        let interface = match self.local {
            IpAddr::V4(ip) if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() => return None,
            IpAddr::V6(ip) if ip.is_unspecified() || ip.is_multicast() => return None,
            // It holds on one interface only.
            IpAddr::V6(ip) if ip.is_unicast_link_local() => self.interface,
            _ => 0,
        };
        Some(Source { ip: self.local, interface })
    }
}

/// The address of this machine that a datagram leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address.
    pub ip: IpAddr,
    /// The interface, if it must be said; otherwise 0.
    pub interface: u32,
}

/// What leaves in one piece: a datagram, or several to one destination that the kernel cuts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// `None`: where the socket is connected to.
    pub(crate) to: Option<SocketAddr>,
    /// `None`: from where the socket is bound to, or as the system chooses.
    pub(crate) from: Option<Source>,
    pub(crate) bytes: &'a [u8],
    /// Cut into datagrams of this many bytes, the last of what is left (UDP_SEGMENT).
    pub(crate) segment: Option<u16>,
}

/// How a socket is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Datagrams are cut to so many bytes, 65,535 at most.
    pub(crate) buffer: usize,
    /// One message may hold several datagrams: `sys::datagram::coalesce` said so.
    pub(crate) coalesced: bool,
    /// A message says where it has arrived: `sys::datagram::tell_landing` said so.
    pub(crate) landing: bool,
}

/// An IPv4 address that is written as IPv6 (`::ffff:a.b.c.d`) as IPv4; every other as it is.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => (ip, addr.port()).into(),
        // With its flow and its scope.
        IpAddr::V6(_) => addr,
    }
}

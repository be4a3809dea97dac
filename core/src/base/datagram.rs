//! Datagrams as they leave, and how they are read.

use std::net::{IpAddr, SocketAddr};

/// What leaves in one piece: a datagram, or several to one destination that the kernel cuts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// `None`: where the socket is connected to.
    pub(crate) to: Option<SocketAddr>,
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
}

/// An IPv4 address that is written as IPv6 (`::ffff:a.b.c.d`) as IPv4; every other as it is.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => (ip, addr.port()).into(),
        // With its flow and its scope.
        IpAddr::V6(_) => addr,
    }
}

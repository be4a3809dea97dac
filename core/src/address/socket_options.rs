//! Options of open sockets: what a user may set.

use std::fmt;

use super::values::buffer_fault;
use super::{DialOptions, KeepAlive, ListenOptions, Multicast};

/// An option of a socket that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOption {
    /// Whether small writes leave at once (TCP_NODELAY). TCP.
    NoDelay(bool),
    /// Whether and when the kernel probes a silent connection. TCP.
    KeepAlive(KeepAlive),
    /// Bytes of the kernel's receive buffer, above 0; the kernel caps the number and then doubles it.
    RecvBuffer(usize),
    /// Bytes of the kernel's send buffer, above 0; the kernel caps the number and then doubles it.
    SendBuffer(usize),
    /// Whether datagrams may go to broadcast addresses. UDP.
    Broadcast(bool),
    /// Hops that multicast datagrams may go, 0 to 255; the system's default is 1: the local network. UDP.
    MulticastTtl(u32),
    /// Whether this machine hears the multicast datagrams it sends; the system's default is yes. UDP.
    MulticastLoop(bool),
    /// Hops that packets may go, 1 to 255. TCP and UDP.
    Ttl(u32),
    /// Receive from a multicast group. UDP.
    JoinMulticast(Multicast),
    /// No longer receive from a multicast group. UDP.
    LeaveMulticast(Multicast),
}

impl SocketOption {
    /// Why the value is none.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            SocketOption::KeepAlive(keepalive) => keepalive.fault(),
            SocketOption::RecvBuffer(0) | SocketOption::SendBuffer(0) => {
                Some("0 bytes are too few".to_owned())
            }
            SocketOption::RecvBuffer(bytes) | SocketOption::SendBuffer(bytes) => buffer_fault(*bytes),
            SocketOption::MulticastTtl(hops) if *hops > 255 => Some(format!("{hops} hops are above 255")),
            SocketOption::Ttl(hops) if !(1..=255).contains(hops) => {
                Some(format!("{hops} hops are not between 1 and 255"))
            }
            SocketOption::JoinMulticast(multicast) | SocketOption::LeaveMulticast(multicast) => {
                multicast.fault()
            }
            _ => None,
        }
    }
}

impl fmt::Display for SocketOption {
    /// The name, and for a group its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketOption::NoDelay(_) => f.write_str("nodelay"),
            SocketOption::KeepAlive(_) => f.write_str("keepalive"),
            SocketOption::RecvBuffer(_) => f.write_str("receive buffer"),
            SocketOption::SendBuffer(_) => f.write_str("send buffer"),
            SocketOption::Broadcast(_) => f.write_str("broadcast"),
            SocketOption::MulticastTtl(_) => f.write_str("multicast TTL"),
            SocketOption::MulticastLoop(_) => f.write_str("multicast loop"),
            SocketOption::Ttl(_) => f.write_str("TTL"),
            SocketOption::JoinMulticast(multicast) => write!(f, "join {}", Shown(multicast)),
            SocketOption::LeaveMulticast(multicast) => write!(f, "leave {}", Shown(multicast)),
        }
    }
}

/// A group as a listen URL has it.
struct Shown<'a>(&'a Multicast);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.interface {
            Some(interface) => write!(f, "{}@{interface}", self.0.group),
            None => self.0.group.fmt(f),
        }
    }
}

/// What a listening or UDP socket is told; accepted sockets inherit it.
pub(crate) fn of_listener(options: &ListenOptions, tcp: bool) -> Vec<SocketOption> {
    let mut all = shared(options.nodelay, options.keepalive, options.recv_buffer, options.send_buffer, tcp);
    all.extend(options.broadcast.map(SocketOption::Broadcast));
    all.extend(options.multicast.iter().cloned().map(SocketOption::JoinMulticast));
    all
}

/// What an outgoing connection is told.
pub(crate) fn of_connection(options: &DialOptions, tcp: bool) -> Vec<SocketOption> {
    let mut all = shared(options.nodelay, options.keepalive, options.recv_buffer, options.send_buffer, tcp);
    all.extend(options.broadcast.map(SocketOption::Broadcast));
    all
}

fn shared(
    nodelay: Option<bool>,
    keepalive: Option<KeepAlive>,
    recv_buffer: usize,
    send_buffer: usize,
    tcp: bool,
) -> Vec<SocketOption> {
    let given = [
        tcp.then(|| SocketOption::NoDelay(nodelay.unwrap_or(true))),
        keepalive.map(SocketOption::KeepAlive),
        (recv_buffer > 0).then_some(SocketOption::RecvBuffer(recv_buffer)),
        (send_buffer > 0).then_some(SocketOption::SendBuffer(send_buffer)),
    ];
    given.into_iter().flatten().collect()
}

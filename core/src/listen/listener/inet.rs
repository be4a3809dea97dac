//! TCP and UDP sockets: where they are bound, and how.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;

use socket2::{Domain, Socket, Type};

use super::{backlog, datagram_size, failed, Listener, ListeningOn};
use crate::address::{of_listener, wrong, ListenOptions, Scheme};
use crate::base::error::{Error, Result};
use crate::sys::datagram::prepare;
use crate::sys::socket_options::apply_while;

/// The first port that needs no right, unless the system says otherwise (net.ipv4.ip_unprivileged_port_start).
const FIRST_FREE_PORT: u16 = 1024;
const ASKS_FOR_RIGHT: &str =
    "a port below 1024 needs the right to (CAP_NET_BIND_SERVICE); from 1024 on none does";

/// What an Internet socket is bound to, and how.
#[derive(Clone, Debug)]
pub(super) struct Inet {
    pub(super) scheme: Scheme,
    pub(super) addr: SocketAddr,
    pub(super) dual_stack: bool,
    pub(super) options: ListenOptions,
}

impl Inet {
    pub(super) fn open(mut self, url: &str) -> Result<Listener> {
        self.dual_stack = self.options.ipv6_only.map_or(self.dual_stack, |only| !only);
        let socket = match self.socket(url) {
            // A machine without IPv6 still has all its addresses: the IPv4 ones.
            Err(error) if self.is_everywhere() && error.errno() == Some(libc::EAFNOSUPPORT) => {
                self.addr = (Ipv4Addr::UNSPECIFIED, self.addr.port()).into();
                self.socket(url)?
            }
            other => other?,
        };
        let bound = socket.local_addr().map_err(|error| failed(url, &error))?;
        self.addr = bound.as_socket().ok_or_else(|| wrong(url, "the system bound another family"))?;
        let address = format!("{}://{}", self.scheme, self.addr);
        let listener = Listener::new(socket, self.scheme.kind(), address, self.options.shared);
        let datagram_size = datagram_size(&self.options);
        let shared = self.options.reuseport.unwrap_or(false).then_some(self);
        Ok(Listener { shared, datagram_size, ..listener })
    }

    fn is_everywhere(&self) -> bool {
        self.dual_stack && self.addr.is_ipv6() && self.addr.ip().is_unspecified()
    }

    fn socket(&self, url: &str) -> Result<Socket> {
        let failed = |error| failed(url, &error);
        let tcp = self.scheme.is_tcp();
        let kind = if tcp { Type::STREAM } else { Type::DGRAM };
        let socket = Socket::new(Domain::for_address(self.addr), kind.nonblocking().cloexec(), None);
        let socket = socket.map_err(failed)?;
        self.share(&socket).map_err(failed)?;
        if !tcp {
            prepare(socket.as_fd(), self.addr.is_ipv6());
        }
        self.bind_device(url, &socket)?;
        // Before the bind and the listen: a receive buffer counts for the window that is offered first.
        for option in of_listener(&self.options, tcp) {
            apply_while(ListeningOn(url), socket.as_fd(), &option)?;
        }
        socket.bind(&self.addr.into()).map_err(|error| bind_failed(url, self.addr.port(), &error))?;
        if tcp {
            socket.listen(backlog(&self.options)).map_err(failed)?;
        }
        Ok(socket)
    }

    /// Who else may be bound there. Two UDP sockets that both reuse an address share its port, whoever owns
    /// them: so only for multicast, where each gets a copy.
    fn share(&self, socket: &Socket) -> io::Result<()> {
        socket.set_reuse_address(self.scheme.is_tcp() || !self.options.multicast.is_empty())?;
        if self.options.reuseport == Some(true) {
            socket.set_reuse_port(true)?;
        }
        if self.addr.is_ipv6() {
            socket.set_only_v6(!self.dual_stack)?;
        }
        Ok(())
    }

    fn bind_device(&self, url: &str, socket: &Socket) -> Result<()> {
        let Some(device) = &self.options.device else { return Ok(()) };
        let bound = socket.bind_device(Some(device.as_bytes()));
        bound.map_err(|error| Error::system(format_args!("{}: device {device:?}", ListeningOn(url)), &error))
    }
}

pub(super) fn bind_failed(url: &str, port: u16, error: &io::Error) -> Error {
    let lacks_right = error.raw_os_error() == Some(libc::EACCES) && port < FIRST_FREE_PORT;
    match lacks_right {
        true => Error::system(format_args!("{}: {ASKS_FOR_RIGHT}", ListeningOn(url)), error),
        false => failed(url, error),
    }
}

/// The address of a host name, with its zone if it has one. As Go's net.Listen: IPv4 first, so that `localhost` is where
/// most clients look.
pub(super) fn look_up(url: &str, scheme: Scheme, host: &str, port: u16) -> Result<SocketAddr> {
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| wrong(url, format_args!("cannot look up {host:?}: {error}")))?;
    let mut fitting: Vec<SocketAddr> = found.filter(|addr| scheme.takes(addr.ip())).collect();
    fitting.sort_by_key(SocketAddr::is_ipv6);
    let none = || wrong(url, format_args!("{host:?} has no address for the scheme {scheme}"));
    fitting.first().copied().ok_or_else(none)
}

//! Where the server is, and how one gets there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_socket_timeout, set_tcp_nodelay, Timeout};
use rustix::net::{bind, connect, socket_with, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The server's address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once("://") {
            Some(("tcp", address)) => resolve(address).map(Self::Tcp),
            Some(("udp", address)) => resolve(address).map(Self::Udp),
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => Err("expected tcp://HOST:PORT, udp://HOST:PORT or unix://PATH".into()),
        }
    }
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "the host has no address".into())
}

impl Target {
    /// What an HTTP request calls the server.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Tcp(address) | Self::Udp(address) => address.to_string(),
            Self::Unix(_) => "localhost".into(),
        }
    }

    pub(crate) fn family(&self) -> AddressFamily {
        match self {
            Self::Unix(_) => AddressFamily::UNIX,
            Self::Tcp(SocketAddr::V6(_)) | Self::Udp(SocketAddr::V6(_)) => AddressFamily::INET6,
            Self::Tcp(SocketAddr::V4(_)) | Self::Udp(SocketAddr::V4(_)) => AddressFamily::INET,
        }
    }
}

/// Makes sockets that are connected to the target.
///
/// They block, and every call on them says that it must not: so an ordinary connection costs no call to make it
/// non-blocking, and `connect` returns when the connection stands, which on loopback is at once.
pub(crate) struct Dialler {
    target: Target,
    /// Client addresses in use, from 127.0.0.1 on.
    sources: u32,
    timeout: Duration,
    next: u32,
}

impl Dialler {
    pub(crate) fn new(target: Target, sources: u32, timeout: Duration) -> Self {
        Self { target, sources, timeout, next: 0 }
    }

    /// A connection of some length: small writes leave at once.
    pub(crate) fn lasting(&mut self) -> Result<OwnedFd, Errno> {
        let socket = self.socket()?;
        if let Target::Tcp(_) = self.target {
            set_tcp_nodelay(&socket, true)?;
        }
        set_socket_timeout(&socket, Timeout::Send, Some(self.timeout))?;
        self.connect(&socket)?;
        Ok(socket)
    }

    /// A connection that ends with a reset when it is dropped, so that its port is free again at once.
    pub(crate) fn abortive(&mut self) -> Result<OwnedFd, Errno> {
        let socket = self.socket()?;
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        set_socket_timeout(&socket, Timeout::Send, Some(self.timeout))?;
        self.connect(&socket)?;
        Ok(socket)
    }

    /// A socket whose datagrams go to the server, and that takes only the server's.
    pub(crate) fn datagrams(&mut self) -> Result<OwnedFd, Errno> {
        let socket = self.socket()?;
        self.connect(&socket)?;
        Ok(socket)
    }

    fn socket(&mut self) -> Result<OwnedFd, Errno> {
        let kind = if matches!(self.target, Target::Udp(_)) { SocketType::DGRAM } else { SocketType::STREAM };
        let socket = socket_with(self.target.family(), kind, SocketFlags::CLOEXEC, None)?;
        if self.sources > 1 {
            bind(&socket, &SocketAddr::new(self.source(), 0))?;
        }
        Ok(socket)
    }

    fn source(&mut self) -> IpAddr {
        let source = u32::from(Ipv4Addr::LOCALHOST) + self.next;
        self.next = (self.next + 1) % self.sources;
        Ipv4Addr::from(source).into()
    }

    fn connect(&self, socket: &OwnedFd) -> Result<(), Errno> {
        match &self.target {
            Target::Tcp(address) | Target::Udp(address) => connect(socket, address),
            Target::Unix(path) => connect(socket, &SocketAddrUnix::new(path.as_path())?),
        }
    }
}

//! Addresses of sockets as programs see them, and who is at the other end of a Unix socket.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use socket2::SockAddr;

use crate::base::text::Escaped;

/// The address of one end of a socket.
///
/// As text: `127.0.0.1:5000`, `[::1]:5000`, `[fe80::1%2]:5000`, `/run/x.sock`, `@name`, and nothing for an unnamed one:
/// what can stand in a URL behind its scheme. In a path or name, `%`, `?`, control characters and bytes that are not
/// UTF-8 stand as `%` and two hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port. An IPv4 peer of a dual-stack socket appears as IPv4, not as `::ffff:…`.
    Inet(SocketAddr),
    /// A Unix socket bound to a path.
    Path(PathBuf),
    /// A Unix socket in Linux's abstract namespace: its name without the leading zero byte.
    Abstract(Vec<u8>),
    /// A Unix socket that is bound to nothing: most clients.
    Unnamed,
}

impl Address {
    /// What the system's calls tell.
    pub(crate) fn of(address: &SockAddr) -> Address {
        if let Some(inet) = address.as_socket() {
            return Address::canonical(inet);
        }
        match (address.as_pathname(), address.as_abstract_namespace()) {
            (Some(path), _) => Address::Path(path.to_owned()),
            (None, Some(name)) => Address::Abstract(name.to_owned()),
            (None, None) => Address::Unnamed,
        }
    }

    /// The IP address and port, if that is what it is.
    pub(crate) fn inet(&self) -> Option<SocketAddr> {
        match self {
            Address::Inet(inet) => Some(*inet),
            _ => None,
        }
    }

    /// The address with IPv4 written as IPv4 where a dual-stack socket wrote it as IPv6.
    pub(crate) fn canonical(addr: SocketAddr) -> Address {
        Address::Inet(match addr.ip().to_canonical() {
            ip if ip == addr.ip() => addr,
            ip => SocketAddr::new(ip, addr.port()),
        })
    }
}

/// What the system's calls take for a name in Linux's abstract namespace.
pub(crate) fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(addr) => addr.fmt(f),
            Address::Path(path) => match path.as_os_str().as_bytes() {
                // It would look like a name.
                [b'@', rest @ ..] => write!(f, "%40{}", Escaped(rest)),
                path => Escaped(path).fmt(f),
            },
            Address::Abstract(name) => write!(f, "@{}", Escaped(name)),
            Address::Unnamed => Ok(()),
        }
    }
}

/// Who connected a Unix socket: what the kernel noted when the connection was made, or when the listener was
/// set up, for the end that connected (SO_PEERCRED, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The process; `None` where it has no number in this process's PID namespace.
    pub pid: Option<i32>,
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
}

//! Addresses of sockets as programs see them, and who is at the other end of a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address of one end of a socket.
///
/// As text: `127.0.0.1:5000`, `[::1]:5000`, `/run/x.sock`, `@name`, and nothing for an unnamed one. Bytes of
/// a path or name that are not UTF-8 become replacement characters in the text, and only there.
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
    /// The address with IPv4 written as IPv4 where a dual-stack socket wrote it as IPv6.
    pub(crate) fn canonical(addr: SocketAddr) -> Address {
        Address::Inet(match addr.ip().to_canonical() {
            ip if ip == addr.ip() => addr,
            ip => SocketAddr::new(ip, addr.port()),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(addr) => addr.fmt(f),
            Address::Path(path) => path.display().fmt(f),
            Address::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
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

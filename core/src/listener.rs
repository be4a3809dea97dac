//! Listening sockets: binding, the address really bound, and clearing away Unix paths.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::addr::{wrong, ListenOptions, ListenUrl, Scheme, Target};
use crate::error::{Error, Result};

/// A bound and listening socket. Dropping it closes it, and removes a Unix path if it is still its own.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    address: String,
    unix: bool,
    /// Removed on drop, after the socket was closed.
    _path: Option<OwnPath>,
}

/// A path we made, with the inode it had then.
#[derive(Debug)]
struct OwnPath {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // Somebody else may have removed it since: nothing to report then.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

impl Listener {
    /// Binds and listens. The kernel queues connections from now on.
    pub(crate) fn open(url: &str) -> Result<Listener> {
        let ListenUrl { scheme, target, options } = ListenUrl::parse(url)?;
        let failed = |error: io::Error| Error::system(format_args!("listen on {url:?}"), &error);
        match target {
            Target::Inet { addr, dual_stack } => {
                Self::inet(scheme, addr, dual_stack, &options).map_err(failed)
            }
            Target::Name { host, port } => {
                let ip = look_up(url, scheme, &host)?;
                Self::inet(scheme, (ip, port).into(), false, &options).map_err(failed)
            }
            Target::Path(path) => Self::path(path, &options).map_err(failed),
            Target::Abstract(name) => Self::abstract_name(&name, &options).map_err(failed),
        }
    }

    fn inet(scheme: Scheme, addr: SocketAddr, dual_stack: bool, options: &ListenOptions) -> io::Result<Self> {
        let socket = match Self::inet_socket(addr, dual_stack, options) {
            // A machine without IPv6 still has all its addresses: the IPv4 ones.
            Err(error) if dual_stack && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                Self::inet_socket((Ipv4Addr::UNSPECIFIED, addr.port()).into(), false, options)?
            }
            other => other?,
        };
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Listener { socket, address: format!("{scheme}://{bound}"), unix: false, _path: None })
    }

    fn inet_socket(addr: SocketAddr, dual_stack: bool, options: &ListenOptions) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking().cloexec(), None)?;
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(!dual_stack)?;
        }
        if options.reuseport {
            socket.set_reuse_port(true)?;
        }
        // Accepted sockets inherit it (Linux: tcp_create_openreq_child copies the listener).
        socket.set_tcp_nodelay(options.nodelay)?;
        socket.bind(&addr.into())?;
        socket.listen(options.backlog)?;
        Ok(socket)
    }

    fn path(path: PathBuf, options: &ListenOptions) -> io::Result<Self> {
        remove_if_dead(&path)?;
        let socket = unix_socket(&SockAddr::unix(&path)?)?;
        let path = OwnPath { inode: inode(&path)?, path };
        socket.listen(options.backlog)?;
        let address = format!("unix://{}", path.path.display());
        Ok(Listener { socket, address, unix: true, _path: Some(path) })
    }

    fn abstract_name(name: &str, options: &ListenOptions) -> io::Result<Self> {
        let socket = unix_socket(&SockAddr::unix(format!("\0{name}"))?)?;
        socket.listen(options.backlog)?;
        Ok(Listener { socket, address: format!("unix://@{name}"), unix: true, _path: None })
    }

    /// The address really bound, as a URL without a query.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.unix
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn unix_socket(address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Removes the socket of a server that is gone: one that refuses connections. Everything else is left alone,
/// and binding then says that the address is in use.
fn remove_if_dead(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    // Without blocking: a live server whose backlog is full answers EAGAIN.
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// The address of a host name. As Go's net.Listen: IPv4 first, so that `localhost` is where most clients
/// look.
fn look_up(url: &str, scheme: Scheme, host: &str) -> Result<IpAddr> {
    let port = 0;
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| wrong(url, format_args!("cannot look up {host:?}: {error}")))?;
    let mut ips: Vec<IpAddr> = found.map(|addr| addr.ip()).filter(|ip| scheme.takes(*ip)).collect();
    ips.sort_by_key(IpAddr::is_ipv6);
    let none = || wrong(url, format_args!("{host:?} has no address for the scheme {scheme}"));
    ips.first().copied().ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::net::{Ipv6Addr, TcpStream};

    fn temp_path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("reactor-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    fn url(path: &Path) -> String {
        format!("unix://{}", path.display())
    }

    #[test]
    fn port_zero_becomes_the_real_port() {
        let listener = Listener::open("tcp4://127.0.0.1:0").unwrap();
        let address = listener.address().strip_prefix("tcp4://").unwrap();
        assert!(TcpStream::connect(address).is_ok());
    }

    #[test]
    fn no_host_listens_on_both_families() {
        let listener = Listener::open("tcp://:0").unwrap();
        let port: u16 = listener.address().strip_prefix("tcp://[::]:").unwrap().parse().unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = Listener::open("tcp://127.0.0.1:0").unwrap();
        let error = Listener::open(first.address()).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::AddressInUse, Some(libc::EADDRINUSE)));
        assert!(error.message().contains(first.address()), "{}", error.message());
    }

    #[test]
    fn reuseport_lets_two_listen() {
        let first = Listener::open("tcp://127.0.0.1:0?reuseport=true").unwrap();
        assert!(Listener::open(&format!("{}?reuseport=true", first.address())).is_ok());
    }

    #[test]
    fn a_unix_path_is_removed_at_the_end() {
        let path = temp_path("removed");
        let listener = Listener::open(&url(&path)).unwrap();
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_path_that_is_no_longer_ours_is_left_alone() {
        let path = temp_path("replaced");
        let listener = Listener::open(&url(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(listener);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_dead_servers_path_is_taken_over_and_a_live_ones_is_not() {
        let path = temp_path("dead");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let live = Listener::open(&url(&path)).unwrap();
        assert_eq!(Listener::open(&url(&path)).unwrap_err().kind(), ErrorKind::AddressInUse);
        assert!(path.exists());
        drop(live);
    }

    #[test]
    fn a_live_server_with_a_full_backlog_is_not_taken_over() {
        let path = temp_path("busy");
        let _live = Listener::open(&format!("{}?backlog=1", url(&path))).unwrap();
        let waiting: Vec<Socket> = std::iter::from_fn(|| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).unwrap();
            socket.connect(&SockAddr::unix(&path).unwrap()).ok().map(|()| socket)
        })
        .collect();
        assert!(!waiting.is_empty());
        assert_eq!(Listener::open(&url(&path)).unwrap_err().kind(), ErrorKind::AddressInUse);
    }

    #[test]
    fn a_file_that_is_no_socket_is_refused_and_left_alone() {
        let path = temp_path("file");
        fs::write(&path, "precious").unwrap();
        assert_eq!(Listener::open(&url(&path)).unwrap_err().kind(), ErrorKind::AddressInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_abstract_name_leaves_no_file() {
        let name = format!("reactor-{}", std::process::id());
        let listener = Listener::open(&format!("unix://@{name}")).unwrap();
        assert_eq!(listener.address(), format!("unix://@{name}"));
        assert!(!Path::new(&format!("@{name}")).exists());
    }

    #[test]
    fn an_unknown_name_is_an_error_that_quotes_it() {
        let error = Listener::open("tcp://no-such-host.invalid:1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress);
        assert!(error.message().contains("no-such-host.invalid"), "{}", error.message());
    }
}

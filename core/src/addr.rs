//! Listen addresses: from a URL to what to bind, and back.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// The scheme of a listen address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// TCP over IPv4, IPv6, or both where the host is left out.
    Tcp,
    /// TCP over IPv4 only.
    Tcp4,
    /// TCP over IPv6 only.
    Tcp6,
    /// A Unix stream socket.
    Unix,
}

impl Scheme {
    fn parse(name: &str) -> Option<Scheme> {
        [Scheme::Tcp, Scheme::Tcp4, Scheme::Tcp6, Scheme::Unix]
            .into_iter()
            .find(|scheme| scheme.name() == name)
    }

    /// Whether an address is of the scheme's family.
    pub(crate) fn takes(self, ip: IpAddr) -> bool {
        match self {
            Scheme::Tcp4 => ip.is_ipv4(),
            Scheme::Tcp6 => ip.is_ipv6(),
            Scheme::Tcp | Scheme::Unix => true,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Scheme::Tcp => "tcp",
            Scheme::Tcp4 => "tcp4",
            Scheme::Tcp6 => "tcp6",
            Scheme::Unix => "unix",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An address and whether an IPv6 socket takes IPv4 connections too.
    Inet { addr: SocketAddr, dual_stack: bool },
    /// A host name, to be looked up, and a port.
    Name { host: String, port: u16 },
    /// A path in the file system.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the leading `@`.
    Abstract(String),
}

/// What a listen URL asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUrl {
    pub(crate) scheme: Scheme,
    pub(crate) target: Target,
    pub(crate) options: ListenOptions,
}

/// The options that a listen URL carries in its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenOptions {
    /// Connections that the kernel queues before they are accepted.
    pub(crate) backlog: i32,
    /// Whether small writes leave at once (TCP_NODELAY).
    pub(crate) nodelay: bool,
    /// Whether several sockets may listen on the address (SO_REUSEPORT).
    pub(crate) reuseport: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        // As large as Linux's own default for net.core.somaxconn.
        ListenOptions { backlog: 4096, nodelay: true, reuseport: false }
    }
}

impl ListenUrl {
    /// Parses `[scheme://]address[?option=value&…]`.
    pub(crate) fn parse(url: &str) -> Result<ListenUrl> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = match address.split_once("://") {
            Some((name, rest)) => (Scheme::parse(name).ok_or_else(|| unknown_scheme(url, name))?, rest),
            None => (Scheme::Tcp, address),
        };
        let target = match scheme {
            Scheme::Unix => unix_target(url, rest)?,
            _ => inet_target(url, scheme, rest)?,
        };
        Ok(ListenUrl { scheme, target, options: parse_options(url, scheme, query)? })
    }
}

/// An error about a listen address, which it quotes.
pub(crate) fn wrong(url: &str, what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidAddress, format!("listen address {url:?}: {what}"))
}

fn unknown_scheme(url: &str, name: &str) -> Error {
    wrong(url, format!("unknown scheme {name:?} (known: tcp, tcp4, tcp6, unix)"))
}

fn unix_target(url: &str, path: &str) -> Result<Target> {
    // sockaddr_un holds 108 bytes; a path also needs its terminating zero, a name its leading one.
    const LONGEST: usize = 107;
    let (name, target) = match path.strip_prefix('@') {
        Some(name) => (name, Target::Abstract(name.to_owned())),
        None => (path, Target::Path(PathBuf::from(path))),
    };
    match name.len() {
        0 => Err(wrong(url, "the path is empty")),
        1..=LONGEST if !name.contains('\0') => Ok(target),
        1..=LONGEST => Err(wrong(url, "the path contains a zero byte")),
        length => Err(wrong(url, format!("the path has {length} bytes, the longest possible is {LONGEST}"))),
    }
}

fn inet_target(url: &str, scheme: Scheme, address: &str) -> Result<Target> {
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong(url, "the port is missing"))?;
    if port.is_empty() {
        return Err(wrong(url, "the port is missing"));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = port
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| wrong(url, format!("{port:?} is not a port between 0 and 65535")))?;
    if host.is_empty() {
        return Ok(any_target(scheme, port));
    }
    match literal(url, host)? {
        Some(ip) if scheme.takes(ip) => Ok(Target::Inet { addr: (ip, port).into(), dual_stack: false }),
        Some(ip) => Err(wrong(url, format!("{ip} does not fit the scheme {scheme}"))),
        None => Ok(Target::Name { host: host.to_owned(), port }),
    }
}

/// No host: every address of the machine.
fn any_target(scheme: Scheme, port: u16) -> Target {
    match scheme {
        Scheme::Tcp4 => Target::Inet { addr: (Ipv4Addr::UNSPECIFIED, port).into(), dual_stack: false },
        _ => Target::Inet { addr: (Ipv6Addr::UNSPECIFIED, port).into(), dual_stack: scheme == Scheme::Tcp },
    }
}

/// The address that `host` spells out, or `None` for a name.
fn literal(url: &str, host: &str) -> Result<Option<IpAddr>> {
    match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(inner)) => {
            let ip = inner.parse::<Ipv6Addr>();
            Ok(Some(ip.map_err(|_| wrong(url, format!("{inner:?} is not an IPv6 address")))?.into()))
        }
        Some(None) => Err(wrong(url, "the closing bracket is missing")),
        None if host.contains(':') => {
            Err(wrong(url, "an IPv6 address must stand in brackets, as in [::1]:5000"))
        }
        None => Ok(host.parse::<Ipv4Addr>().ok().map(IpAddr::from)),
    }
}

fn parse_options(url: &str, scheme: Scheme, query: &str) -> Result<ListenOptions> {
    let mut options = ListenOptions::default();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let malformed = || wrong(url, format!("malformed option {option:?}"));
        match name {
            "backlog" => {
                options.backlog =
                    value.parse().ok().filter(|&count: &i32| count > 0).ok_or_else(malformed)?;
            }
            "nodelay" if scheme != Scheme::Unix => {
                options.nodelay = value.parse().map_err(|_| malformed())?
            }
            "reuseport" if scheme != Scheme::Unix => {
                options.reuseport = value.parse().map_err(|_| malformed())?
            }
            _ => return Err(wrong(url, format!("unknown option {option:?} for the scheme {scheme}"))),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        ListenUrl::parse(url).unwrap().target
    }

    fn inet(addr: &str, dual_stack: bool) -> Target {
        Target::Inet { addr: addr.parse().unwrap(), dual_stack }
    }

    #[test]
    fn every_form_names_what_to_bind() {
        assert_eq!(target("tcp://127.0.0.1:5000"), inet("127.0.0.1:5000", false));
        assert_eq!(target("127.0.0.1:0"), inet("127.0.0.1:0", false));
        assert_eq!(target("tcp://:5000"), inet("[::]:5000", true));
        assert_eq!(target(":5000"), inet("[::]:5000", true));
        assert_eq!(target("tcp4://:5000"), inet("0.0.0.0:5000", false));
        assert_eq!(target("tcp6://:5000"), inet("[::]:5000", false));
        assert_eq!(target("[::1]:5000"), inet("[::1]:5000", false));
        assert_eq!(target("localhost:5000"), Target::Name { host: "localhost".into(), port: 5000 });
        assert_eq!(target("unix:///run/x.sock"), Target::Path("/run/x.sock".into()));
        assert_eq!(target("unix://x.sock"), Target::Path("x.sock".into()));
        assert_eq!(target("unix://@name"), Target::Abstract("name".into()));
    }

    #[test]
    fn the_query_sets_options_and_is_no_part_of_the_path() {
        let url = ListenUrl::parse("tcp://127.0.0.1:1?backlog=7&nodelay=false&reuseport=true").unwrap();
        assert_eq!(url.options, ListenOptions { backlog: 7, nodelay: false, reuseport: true });
        let url = ListenUrl::parse("unix:///x?backlog=9").unwrap();
        assert_eq!((url.target, url.options.backlog), (Target::Path("/x".into()), 9));
    }

    #[test]
    fn what_is_wrong_is_quoted_with_the_url() {
        for (url, what) in [
            ("", "the port is missing"),
            ("tcp://127.0.0.1", "the port is missing"),
            ("tcp://127.0.0.1:", "the port is missing"),
            ("tcp://127.0.0.1:65536", "\"65536\" is not a port"),
            ("tcp://127.0.0.1:+80", "\"+80\" is not a port"),
            ("tcp://127.0.0.1:http", "\"http\" is not a port"),
            ("tcp://::1:5000", "must stand in brackets"),
            ("tcp://[::1:5000", "the closing bracket is missing"),
            ("tcp://[::g]:5000", "\"::g\" is not an IPv6 address"),
            ("tcp4://[::1]:5000", "::1 does not fit the scheme tcp4"),
            ("tcp6://127.0.0.1:5000", "127.0.0.1 does not fit the scheme tcp6"),
            ("gopher://:70", "unknown scheme \"gopher\""),
            ("unix://", "the path is empty"),
            ("unix://@", "the path is empty"),
            ("unix:///a\0b", "zero byte"),
            ("tcp://a\nb:1?c\n=d", "unknown option \"c\\n=d\""),
            ("tcp://:1?backlog=0", "malformed option \"backlog=0\""),
            ("tcp://:1?nodelay", "malformed option \"nodelay\""),
            ("tcp://:1?colour=red", "unknown option \"colour=red\""),
            ("unix:///x?nodelay=true", "unknown option \"nodelay=true\" for the scheme unix"),
        ] {
            let error = ListenUrl::parse(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{url}");
            assert!(error.message().contains(what), "{}", error.message());
            assert!(error.message().contains(&format!("{url:?}")), "{}", error.message());
            assert!(!error.message().contains(['\n', '\0']), "{:?}", error.message());
        }
        let long = format!("unix:///{}", "x".repeat(107));
        assert!(ListenUrl::parse(&long).unwrap_err().message().contains("has 108 bytes"));
    }
}

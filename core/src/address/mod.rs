//! Addresses to listen on and to connect to: from a URL to what to bind or to reach, and back to text.

mod asked;
mod connect;
mod options;
mod query;
mod socket_address;
mod socket_options;
mod table;
mod terms;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::{number, unescaped};
use crate::contract::options::ConnOptions;
use asked::Asked;

pub(crate) use connect::{ConnectUrl, DialOptions};
pub use options::{KeepAlive, ListenOptions, Multicast};
pub(crate) use socket_address::abstract_address;
pub use socket_address::{Address, Credentials};
pub use socket_options::SocketOption;
pub(crate) use socket_options::{of_connection, of_listener};
pub use table::{given, OptionRow, OPTIONS};
pub use terms::Terms;

/// The scheme of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// TCP over IPv4, IPv6, or both where the host is left out.
    Tcp,
    /// TCP over IPv4 only.
    Tcp4,
    /// TCP over IPv6 only.
    Tcp6,
    /// UDP over IPv4, IPv6, or both where the host is left out.
    Udp,
    /// UDP over IPv4 only.
    Udp4,
    /// UDP over IPv6 only.
    Udp6,
    /// A Unix stream socket.
    Unix,
    /// An inherited descriptor; what it is shows when it is adopted.
    Fd,
}

impl Scheme {
    const ALL: [Scheme; 8] = [
        Scheme::Tcp,
        Scheme::Tcp4,
        Scheme::Tcp6,
        Scheme::Udp,
        Scheme::Udp4,
        Scheme::Udp6,
        Scheme::Unix,
        Scheme::Fd,
    ];

    /// In whatever case.
    fn parse(name: &str) -> Option<Scheme> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// Whether an address is of the scheme's family.
    pub(crate) fn takes(self, ip: IpAddr) -> bool {
        match self {
            Scheme::Tcp4 | Scheme::Udp4 => ip.is_ipv4(),
            Scheme::Tcp6 | Scheme::Udp6 => ip.is_ipv6(),
            _ => true,
        }
    }

    /// What a socket of the scheme is; an inherited one shows its own scheme first.
    pub(crate) fn kind(self) -> SocketKind {
        match self {
            scheme if scheme.is_tcp() => SocketKind::Tcp,
            scheme if scheme.is_udp() => SocketKind::Udp,
            _ => SocketKind::Unix,
        }
    }

    pub(crate) fn is_tcp(self) -> bool {
        matches!(self, Scheme::Tcp | Scheme::Tcp4 | Scheme::Tcp6)
    }

    pub(crate) fn is_udp(self) -> bool {
        matches!(self, Scheme::Udp | Scheme::Udp4 | Scheme::Udp6)
    }

    const fn name(self) -> &'static str {
        match self {
            Scheme::Tcp => "tcp",
            Scheme::Tcp4 => "tcp4",
            Scheme::Tcp6 => "tcp6",
            Scheme::Udp => "udp",
            Scheme::Udp4 => "udp4",
            Scheme::Udp6 => "udp6",
            Scheme::Unix => "unix",
            Scheme::Fd => "fd",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a listener's socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    Tcp,
    Unix,
    Udp,
}

/// Where to bind, or what to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An address and whether an IPv6 socket takes IPv4 traffic too.
    Inet { addr: SocketAddr, dual_stack: bool },
    /// An IPv6 address in a zone by its name, which is an interface's, and a port.
    Zoned { ip: Ipv6Addr, zone: String, port: u16 },
    /// A host name, to be looked up, and a port.
    Name { host: String, port: u16 },
    /// A path in the file system.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without its leading zero byte.
    Abstract(Vec<u8>),
    /// An inherited descriptor's number.
    Descriptor(RawFd),
}

/// What a listen URL and the options beside it ask for.
#[derive(Clone, Debug)]
pub(crate) struct ListenUrl {
    pub(crate) scheme: Scheme,
    pub(crate) target: Target,
    /// Checked against scheme and target, as far as these are known: see [`check_again`].
    pub(crate) options: ListenOptions,
    /// What its connections begin with.
    pub(crate) conns: ConnOptions,
}

impl ListenUrl {
    /// Parses `[scheme://]address[?option=value&…]`. What the query says wins over `options` and `conns`.
    pub(crate) fn parse(url: &str, options: &ListenOptions, conns: &ConnOptions) -> Result<ListenUrl> {
        let source = Source { role: Role::Listen, url };
        let (scheme, address, query) = source.split()?;
        let target = source.target(scheme, address)?;
        let place = (scheme, &target);
        let mut asked = Asked { listen: options.clone(), ..Asked::default() };
        query::check_members(source, place, &mut asked)?;
        // What these have no meaning for is told when the kind of socket is known.
        asked.conns = conns.clone();
        query::read(source, place, query, &mut asked)?;
        Ok(ListenUrl { scheme, target, options: asked.listen, conns: asked.conns })
    }
}

/// Checks options again, now that a name was looked up, or a descriptor has shown its scheme and address.
pub(crate) fn check_again(url: &str, scheme: Scheme, target: &Target, options: &ListenOptions) -> Result<()> {
    let mut asked = Asked { listen: options.clone(), ..Asked::default() };
    query::check_members(Source { role: Role::Listen, url }, (scheme, target), &mut asked)
}

/// An error about a listen address, which it quotes.
pub(crate) fn wrong(url: &str, what: impl fmt::Display) -> Error {
    Source { role: Role::Listen, url }.wrong(what)
}

/// An error about an address to connect to, which it quotes.
pub(crate) fn wrong_to_connect(url: &str, what: impl fmt::Display) -> Error {
    Source { role: Role::Connect, url }.wrong(what)
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Listen,
    Connect,
}

impl Role {
    fn knows(self, row: &OptionRow, scheme: Scheme) -> bool {
        match self {
            Role::Listen => (row.listens)(scheme),
            Role::Connect => (row.connects)(scheme),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Listen => "listen address",
            Role::Connect => "connect address",
        })
    }
}

/// A URL and what it is for, to be quoted in errors.
#[derive(Clone, Copy)]
struct Source<'a> {
    role: Role,
    url: &'a str,
}

impl<'a> Source<'a> {
    fn wrong(self, what: impl fmt::Display) -> Error {
        Error::new(ErrorKind::InvalidAddress, format!("{} {:?}: {what}", self.role, self.url))
    }

    /// Scheme, address and query.
    fn split(self) -> Result<(Scheme, &'a str, &'a str)> {
        let (address, query) = self.url.split_once('?').unwrap_or((self.url, ""));
        let Some((name, rest)) = address.split_once("://") else {
            return Ok((Scheme::Tcp, address, query));
        };
        let scheme = Scheme::parse(name).ok_or_else(|| {
            let known = Scheme::ALL.map(Scheme::name).join(", ");
            self.wrong(format_args!("unknown scheme {name:?} (known: {known})"))
        })?;
        Ok((scheme, rest, query))
    }

    fn target(self, scheme: Scheme, address: &str) -> Result<Target> {
        match scheme {
            Scheme::Unix => self.unix_target(address),
            Scheme::Fd => self.descriptor(address),
            _ => self.inet_target(scheme, address),
        }
    }

    /// A path, or a name behind `@`; either may have escapes.
    fn unix_target(self, path: &str) -> Result<Target> {
        // sockaddr_un holds 108 bytes; a path also needs its terminating zero, a name its leading one.
        const LONGEST: usize = 107;
        let (text, is_path) = path.strip_prefix('@').map_or((path, true), |name| (name, false));
        let malformed = "a % stands before two hexadecimal digits of a byte, and for itself as %25";
        let bytes = unescaped(text).ok_or_else(|| self.wrong(malformed))?;
        match bytes.len() {
            0 => Err(self.wrong("the path is empty")),
            1..=LONGEST if is_path && bytes.contains(&0) => Err(self.wrong("the path contains a zero byte")),
            1..=LONGEST if is_path => Ok(Target::Path(OsString::from_vec(bytes).into())),
            1..=LONGEST => Ok(Target::Abstract(bytes)),
            length => {
                Err(self
                    .wrong(format_args!("the path has {length} bytes, the longest possible is {LONGEST}")))
            }
        }
    }

    fn descriptor(self, digits: &str) -> Result<Target> {
        let wrong = || self.wrong(format_args!("{digits:?} is not a descriptor's number"));
        number(digits).map(Target::Descriptor).ok_or_else(wrong)
    }

    /// What is said of an address without a port: a path or a number alone is meant as another one.
    fn without_port(self, address: &str) -> Error {
        let missing = "the port is missing";
        if address.starts_with('/') {
            self.wrong(format_args!("{missing}; a path has a scheme of its own, unix://{address}"))
        } else if number::<u16>(address).is_some() {
            self.wrong(format_args!("{missing}; a port alone is written :{address}"))
        } else {
            self.wrong(missing)
        }
    }

    fn inet_target(self, scheme: Scheme, address: &str) -> Result<Target> {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        if port.is_empty() {
            return Err(self.without_port(address));
        }
        let wrong_port = || self.wrong(format_args!("{port:?} is not a port between 0 and 65535"));
        let port: u16 = number(port).ok_or_else(wrong_port)?;
        if is_everywhere(host) {
            return Ok(any_target(scheme, port));
        }
        let Some((ip, zone)) = self.literal(host)? else {
            return Ok(Target::Name { host: host.to_owned(), port });
        };
        match (ip, zone) {
            (ip, _) if !scheme.takes(ip) => {
                Err(self.wrong(format_args!("{ip} does not fit the scheme {scheme}")))
            }
            (IpAddr::V6(ip), Some(zone)) => Ok(zoned_target(ip, zone, port)),
            (ip, None) => Ok(Target::Inet { addr: (ip, port).into(), dual_stack: false }),
            (_, Some(_)) => Err(self.wrong("an IPv4 address has no zone")),
        }
    }

    /// The address that `host` spells out, and its zone if there is one; `None` for a name.
    fn literal(self, host: &str) -> Result<Option<(IpAddr, Option<&str>)>> {
        match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(inner)) => {
                let (ip, zone) = inner.split_once('%').map_or((inner, None), |(ip, zone)| (ip, Some(zone)));
                let wrong = |_| self.wrong(format_args!("{inner:?} is not an IPv6 address"));
                let ip = ip.parse::<Ipv6Addr>().map_err(wrong)?;
                if zone == Some("") {
                    return Err(self.wrong(format_args!("the zone of {inner:?} is empty")));
                }
                // One of IPv4 that is written as IPv6 is one of IPv4.
                Ok(Some((ip.to_canonical(), zone)))
            }
            Some(None) => Err(self.wrong("the closing bracket is missing")),
            None if host.contains(':') => {
                Err(self.wrong("an IPv6 address must stand in brackets, as in [::1]:5000"))
            }
            None => Ok(host.parse::<Ipv4Addr>().ok().map(|ip| (ip.into(), None))),
        }
    }
}

/// An address in a zone, which is the number or the name of an interface.
fn zoned_target(ip: Ipv6Addr, zone: &str, port: u16) -> Target {
    match number(zone) {
        Some(scope) => Target::Inet { addr: SocketAddrV6::new(ip, port, 0, scope).into(), dual_stack: false },
        None => Target::Zoned { ip, zone: zone.to_owned(), port },
    }
}

/// Whether no host is named: every address of the machine is meant.
fn is_everywhere(host: &str) -> bool {
    matches!(host, "" | "*")
}

/// Every address of the machine.
fn any_target(scheme: Scheme, port: u16) -> Target {
    match scheme {
        Scheme::Tcp4 | Scheme::Udp4 => {
            Target::Inet { addr: (Ipv4Addr::UNSPECIFIED, port).into(), dual_stack: false }
        }
        _ => {
            let dual_stack = matches!(scheme, Scheme::Tcp | Scheme::Udp);
            Target::Inet { addr: (Ipv6Addr::UNSPECIFIED, port).into(), dual_stack }
        }
    }
}

//! An address on its way: which addresses there are to try for an outgoing connection, and what came of them.

pub(crate) mod resolver;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use socket2::SockAddr;

use crate::address::{ConnectUrl, DialOptions, Scheme, Target};
use crate::base::error::{Error, Result};

/// What is needed to reach a peer.
pub(crate) struct Dial {
    scheme: Scheme,
    options: DialOptions,
    /// A name that is not looked up yet, and the port to use with the addresses of one.
    name: Option<String>,
    name_port: u16,
    addresses: VecDeque<SockAddr>,
    /// Why the last address that was tried failed.
    errno: Option<i32>,
}

impl Dial {
    /// What a URL asks for.
    pub(crate) fn new(url: &str, parsed: ConnectUrl) -> Result<Dial> {
        let ConnectUrl { scheme, target, options, .. } = parsed;
        let failed = |error| Error::system(format_args!("connect to {url:?}"), &error);
        let (mut name, mut name_port) = (None, 0);
        let address = match target {
            Target::Inet { addr, .. } => Some(addr.into()),
            Target::Path(path) => Some(SockAddr::unix(path).map_err(failed)?),
            Target::Abstract(name) => Some(SockAddr::unix(format!("\0{name}")).map_err(failed)?),
            Target::Name { host, port } => {
                (name, name_port) = (Some(host), port);
                None
            }
            Target::Descriptor(_) => None,
        };
        let addresses = address.into_iter().collect();
        let errno = None;
        Ok(Dial { scheme, options, name, name_port, addresses, errno })
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.scheme.is_udp()
    }

    /// The name that has to be looked up first; asking takes it.
    pub(crate) fn take_name(&mut self) -> Option<String> {
        self.name.take()
    }

    /// The name's addresses, to be tried in this order.
    pub(crate) fn resolved(&mut self, found: io::Result<Vec<IpAddr>>) {
        match found {
            Ok(ips) => {
                let fitting = ips.into_iter().filter(|ip| self.scheme.takes(*ip));
                let port = self.name_port;
                self.addresses = fitting.map(|ip| std::net::SocketAddr::from((ip, port)).into()).collect();
            }
            Err(error) => self.errno = error.raw_os_error(),
        }
    }

    /// The next address to try, and what its socket is told; `None` when there is none left.
    pub(crate) fn next_address(&mut self) -> Option<(SockAddr, &DialOptions)> {
        Some((self.addresses.pop_front()?, &self.options))
    }

    /// The address that was tried last does not answer.
    pub(crate) fn failed(&mut self, errno: i32) {
        self.errno = Some(errno);
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        self.errno
    }
}

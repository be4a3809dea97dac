//! An address on its way: which addresses there are to try for an outgoing connection, and what came of them.

pub(crate) mod resolver;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use socket2::SockAddr;

use crate::address::{abstract_address, Address, ConnectUrl, DialOptions, Scheme, Target};
use crate::base::error::{Error, Result};

/// What is needed to reach a peer.
pub(crate) struct Dial {
    scheme: Scheme,
    options: DialOptions,
    /// A name that is not looked up yet, and the port to use with the addresses of one.
    name: Option<String>,
    name_port: u16,
    addresses: VecDeque<SockAddr>,
    /// The address that was tried last.
    tried: Option<Address>,
    /// This side's address in that attempt, if it had one.
    local: Option<Address>,
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
            Target::Abstract(name) => Some(abstract_address(&name).map_err(failed)?),
            Target::Name { host, port } => {
                (name, name_port) = (Some(host), port);
                None
            }
            // A zone was looked up before, and nobody connects to a descriptor.
            Target::Zoned { .. } | Target::Descriptor(_) => None,
        };
        let addresses = address.into_iter().collect();
        let errno = None;
        Ok(Dial { scheme, options, name, name_port, addresses, tried: None, local: None, errno })
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.scheme.is_udp()
    }

    /// The name that has to be looked up first; asking takes it.
    pub(crate) fn take_name(&mut self) -> Option<String> {
        self.name.take()
    }

    /// The name's addresses, whatever their ports, to be tried in this order.
    pub(crate) fn resolved(&mut self, found: io::Result<Vec<SocketAddr>>) {
        match found {
            Ok(addresses) => {
                let fitting = addresses.into_iter().filter(|address| self.scheme.takes(address.ip()));
                let port = self.name_port;
                let with_port = fitting.map(|mut address| {
                    address.set_port(port);
                    address.into()
                });
                self.addresses = with_port.collect();
            }
            Err(error) => self.errno = error.raw_os_error(),
        }
    }

    /// The next address to try, and what its socket is told; `None` when there is none left.
    pub(crate) fn next_address(&mut self) -> Option<(SockAddr, &DialOptions)> {
        let next = self.addresses.pop_front()?;
        (self.tried, self.local) = (Some(Address::of(&next)), None);
        Some((next, &self.options))
    }

    /// The address that was tried last.
    pub(crate) fn tried(&self) -> Option<Address> {
        self.tried.clone()
    }

    /// This side's address in an attempt that has failed, if it had one.
    pub(crate) fn local(&self) -> Option<Address> {
        self.local.clone()
    }

    /// The address that was tried last, from this one, does not answer.
    pub(crate) fn failed(&mut self, errno: i32, local: Option<Address>) {
        self.errno = Some(errno);
        self.local = local;
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        self.errno
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::options::ConnOptions;

    #[test]
    fn a_names_addresses_keep_their_zones_and_are_given_its_port() {
        let url = "tcp6://name:7";
        let mut dial = Dial::new(url, ConnectUrl::parse(url, &ConnOptions::default()).unwrap()).unwrap();
        assert_eq!(dial.take_name().as_deref(), Some("name"));
        dial.resolved(Ok(vec!["1.2.3.4:0".parse().unwrap(), "[fe80::1%3]:0".parse().unwrap()]));
        let expected: SocketAddr = "[fe80::1%3]:7".parse().unwrap();
        assert_eq!(dial.next_address().unwrap().0.as_socket(), Some(expected));
        assert!(dial.next_address().is_none());
        assert_eq!(dial.tried(), Some(Address::Inet(expected)));
    }
}

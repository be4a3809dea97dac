//! An outgoing connection on its way: the addresses to try, and what the connection will begin with.

pub(crate) mod resolver;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockAddr;

use crate::address::{ConnectUrl, DialOptions, Scheme, Target};
use crate::base::error::{Error, Result};
use crate::conn::shared::ConnShared;
use crate::contract::options::{ConnOptions, Context};
use crate::sys::socket;

/// What is needed to make a connection.
pub(crate) struct Dial {
    pub(crate) shared: Arc<ConnShared>,
    pub(crate) conn: ConnOptions,
    /// Until the connection has it.
    pub(crate) context: Option<Context>,
    pub(crate) timeout: Duration,
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
    pub(crate) fn new(
        url: &str,
        parsed: ConnectUrl,
        shared: Arc<ConnShared>,
        conn: ConnOptions,
        context: Option<Context>,
        timeout: Duration,
    ) -> Result<Dial> {
        let ConnectUrl { scheme, target, options } = parsed;
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
        Ok(Dial { shared, conn, context, timeout, scheme, options, name, name_port, addresses, errno })
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.scheme == Scheme::Unix
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

    /// Begins to connect to the next address: the socket, and whether it is connected already; `None` when
    /// there is no address left.
    pub(crate) fn try_next(&mut self) -> Option<(OwnedFd, bool)> {
        while let Some(address) = self.addresses.pop_front() {
            match socket::connect_start(&address, self.is_udp(), &self.options) {
                Ok(started) => return Some(started),
                Err(error) => self.errno = error.raw_os_error(),
            }
        }
        None
    }

    /// The address that was tried last does not answer.
    pub(crate) fn failed(&mut self, errno: i32) {
        self.errno = Some(errno);
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        self.errno
    }
}

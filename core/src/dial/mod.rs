//! An address on its way: which addresses there are to try for an outgoing connection, what is being tried, and what came
//! of it. RFC 8305 says in which order, and how long a silent address holds up the next.

mod look_up;
pub(crate) mod resolver;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockAddr;

use crate::address::{abstract_address, Address, ConnectUrl, DialOptions, Scheme, Target};
use crate::base::error::{Error, Result};
use crate::base::timer::TimerId;

pub(crate) use look_up::LookUp;

/// How long an address that does not answer holds up the next: the Connection Attempt Delay of RFC 8305, section 5.
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// After so long a Unix server whose queue is full is tried again; after twice as long each further time, up to the
/// longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A name's addresses, in the system's order of preference and without a port, or the system's reason.
pub(crate) type Found = std::result::Result<Vec<SocketAddr>, Arc<io::Error>>;

/// What is needed to reach a peer.
pub(crate) struct Dial {
    scheme: Scheme,
    options: DialOptions,
    /// A name that is not looked up yet, and the port to use with the addresses of one.
    name: Option<String>,
    name_port: u16,
    /// The name is being looked up for this.
    pub(crate) look_up: Option<LookUp>,
    /// Those that were not tried yet.
    addresses: VecDeque<SockAddr>,
    /// Sockets that are being connected, in the order in which that was begun. The poller has them under the connection's
    /// id: they must be forgotten there before they are closed.
    pub(crate) attempts: Vec<OwnedFd>,
    /// When it is due the next address is tried.
    pub(crate) timer: Option<TimerId>,
    /// How long to wait for room in a Unix server's queue.
    pause: Duration,
    /// The address that was tried last.
    tried: Option<Address>,
    /// This side's address in the attempt that has failed last, if it had one.
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
        Ok(Dial {
            scheme,
            options,
            name,
            name_port,
            look_up: None,
            addresses: address.into_iter().collect(),
            attempts: Vec::new(),
            timer: None,
            pause: FIRST_PAUSE,
            tried: None,
            local: None,
            errno: None,
        })
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.scheme.is_udp()
    }

    /// The name that has to be looked up first; asking takes it.
    pub(crate) fn take_name(&mut self) -> Option<String> {
        self.name.take()
    }

    /// The name's addresses, to be tried in the order that RFC 8305 gives them.
    pub(crate) fn resolved(&mut self, found: Found) {
        self.look_up = None;
        match found {
            Ok(addresses) => {
                let fitting = addresses.into_iter().filter(|address| self.scheme.takes(address.ip()));
                let port = self.name_port;
                let with_port = |mut address: SocketAddr| {
                    address.set_port(port);
                    address.into()
                };
                self.addresses = in_turn(fitting.collect()).into_iter().map(with_port).collect();
            }
            Err(error) => self.errno = error.raw_os_error(),
        }
    }

    /// The next address to try, and what its socket is told; `None` when there is none left.
    pub(crate) fn next_address(&mut self) -> Option<(SockAddr, &DialOptions)> {
        let next = self.addresses.pop_front()?;
        self.tried = Some(Address::of(&next));
        Some((next, &self.options))
    }

    /// The address that was tried last.
    pub(crate) fn tried(&self) -> Option<Address> {
        self.tried.clone()
    }

    /// This side's address in the attempt that has failed last, if it had one.
    pub(crate) fn local(&self) -> Option<Address> {
        self.local.clone()
    }

    /// An attempt from this address has failed.
    pub(crate) fn left(&mut self, local: Option<Address>) {
        self.local = local;
    }

    /// Whether an address is left to be tried.
    pub(crate) fn has_next(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// There was no room in this Unix server's queue: it is tried again, after the pause that is returned. Nothing but time
    /// tells that there is room.
    pub(crate) fn try_again(&mut self, address: SockAddr) -> Duration {
        self.addresses.push_front(address);
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause
    }

    /// An address that was tried does not answer.
    pub(crate) fn failed(&mut self, errno: i32) {
        self.errno = Some(errno);
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        self.errno
    }
}

/// The families take turns, and the one that the system prefers begins: where one of them leads nowhere, the other is
/// tried soon. No address comes twice.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let begins = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut next, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == begins);
    let mut all = Vec::new();
    while !next.is_empty() || !other.is_empty() {
        let address = next.pop_front().filter(|address| !all.contains(address));
        all.extend(address);
        std::mem::swap(&mut next, &mut other);
    }
    all
}

//! Addresses to connect to.

use std::net::SocketAddr;

use super::asked::Asked;
use super::{is_everywhere, query, KeepAlive, ListenOptions, Role, Scheme, Source, Target, Terms};
use crate::base::error::Result;
use crate::contract::options::ConnOptions;

/// What a URL to connect to, and the options beside it, ask for.
#[derive(Clone, Debug)]
pub(crate) struct ConnectUrl {
    pub(crate) scheme: Scheme,
    /// Never a descriptor, never port 0.
    pub(crate) target: Target,
    pub(crate) options: DialOptions,
    /// What the connection begins with.
    pub(crate) conns: ConnOptions,
}

/// The options of an outgoing connection. Zero and `None` mean the default, as for
/// [`ListenOptions`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DialOptions {
    /// Whether small writes leave at once (TCP only). Default: yes. `nodelay=BOOL`.
    pub(crate) nodelay: Option<bool>,
    /// TCP only. `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]`, in seconds.
    pub(crate) keepalive: Option<KeepAlive>,
    /// Bytes. `rcvbuf=N`.
    pub(crate) recv_buffer: usize,
    /// Bytes. `sndbuf=N`.
    pub(crate) send_buffer: usize,
    /// Whether datagrams may go to a broadcast address, also that of the URL (UDP only). `broadcast=BOOL`.
    pub(crate) broadcast: Option<bool>,
    /// The interface to leave by (TCP and UDP). `device=NAME`.
    pub(crate) device: Option<String>,
    /// The local address (TCP and UDP); port 0 leaves the port to the system. `bind=IP[:PORT]`.
    pub(crate) bind: Option<SocketAddr>,
    /// Its zone, if that was given by name.
    pub(crate) bind_zone: Option<String>,
}

impl ConnectUrl {
    /// Parses `[scheme://]address[?option=value&…]`, the schemes being those of listeners without `fd`. What the query
    /// says wins over `terms`, and `conns`.
    ///
    /// # Errors
    /// [`InvalidAddress`](crate::ErrorKind::InvalidAddress), which quotes the URL, also where host or port are
    /// missing, and for port 0.
    pub(crate) fn parse(url: &str, terms: &Terms, conns: &ConnOptions) -> Result<ConnectUrl> {
        let source = Source { role: Role::Connect, url };
        let (scheme, address, query) = source.split()?;
        if scheme == Scheme::Fd {
            return Err(source.wrong("the scheme fd is for listeners"));
        }
        let target = source.target(scheme, address)?;
        if scheme != Scheme::Unix && address.rsplit_once(':').is_some_and(|(host, _)| is_everywhere(host)) {
            return Err(source.wrong("the host is missing"));
        }
        if port(&target) == Some(0) {
            return Err(source.wrong("nobody can be reached at port 0"));
        }
        let mut asked = Asked { conns: ConnOptions::default(), ..terms.asked.clone() };
        query::check_members(source, (scheme, &target), &mut asked)?;
        // What these have no meaning for is told later, as for listeners.
        asked.conns = conns.clone();
        query::read(source, (scheme, &target), query, &mut asked)?;
        let options = dial_options(asked.listen, asked.dial);
        Ok(ConnectUrl { scheme, target, options, conns: asked.conns })
    }
}

/// What outgoing connections have in common with listeners, and what they have for themselves.
fn dial_options(shared: ListenOptions, own: DialOptions) -> DialOptions {
    let ListenOptions { nodelay, keepalive, recv_buffer, send_buffer, broadcast, device, .. } = shared;
    let DialOptions { bind, bind_zone, .. } = own;
    DialOptions { nodelay, keepalive, recv_buffer, send_buffer, broadcast, device, bind, bind_zone }
}

fn port(target: &Target) -> Option<u16> {
    match target {
        Target::Inet { addr, .. } => Some(addr.port()),
        Target::Zoned { port, .. } | Target::Name { port, .. } => Some(*port),
        _ => None,
    }
}

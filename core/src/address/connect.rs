//! Addresses to connect to.

use std::net::SocketAddr;

use super::options::{buffer_fault, device_fault};
use super::query::{local_address, set, split};
use super::{KeepAlive, ListenOptions, Scheme, Source, Target};
use crate::base::error::Result;

/// What a URL to connect to asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectUrl {
    pub(crate) scheme: Scheme,
    /// Never a descriptor, never port 0.
    pub(crate) target: Target,
    pub(crate) options: DialOptions,
}

/// The options of an outgoing connection. Zero and `None` mean the default, as for
/// [`ListenOptions`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DialOptions {
    /// Whether small writes leave at once (TCP only). Default: yes. `nodelay=BOOL`.
    pub(crate) nodelay: Option<bool>,
    /// TCP only. `keepalive=BOOL` or `keepalive=IDLE[,INTERVAL[,COUNT]]` in seconds.
    pub(crate) keepalive: Option<KeepAlive>,
    /// Bytes. `rcvbuf=N`.
    pub(crate) recv_buffer: usize,
    /// Bytes. `sndbuf=N`.
    pub(crate) send_buffer: usize,
    /// The interface to leave by (TCP and UDP). `device=NAME`.
    pub(crate) device: Option<String>,
    /// The local address (TCP and UDP); port 0 leaves the port to the system. `bind=IP[:PORT]`.
    pub(crate) bind: Option<SocketAddr>,
}

impl ConnectUrl {
    /// Parses `[scheme://]address[?option=value&…]`, the schemes being those of listeners without `fd`.
    ///
    /// # Errors
    /// [`InvalidAddress`](crate::ErrorKind::InvalidAddress), which quotes the URL, also where host or port are
    /// missing, and for port 0.
    pub(crate) fn parse(url: &str) -> Result<ConnectUrl> {
        let source = Source { role: "connect address", url };
        let (scheme, address, query) = source.split()?;
        if scheme == Scheme::Fd {
            return Err(source.wrong("the scheme fd is for listeners"));
        }
        let target = source.target(scheme, address)?;
        if scheme != Scheme::Unix && address.starts_with(':') {
            return Err(source.wrong("the host is missing"));
        }
        if port(&target) == Some(0) {
            return Err(source.wrong("nobody can be reached at port 0"));
        }
        let options = connect_options(source, scheme, &target, query)?;
        Ok(ConnectUrl { scheme, target, options })
    }
}

fn port(target: &Target) -> Option<u16> {
    match target {
        Target::Inet { addr, .. } => Some(addr.port()),
        Target::Name { port, .. } => Some(*port),
        _ => None,
    }
}

fn connect_options(source: Source<'_>, scheme: Scheme, target: &Target, query: &str) -> Result<DialOptions> {
    // The values are those of listeners, and read as such.
    let (mut shared, mut bind) = (ListenOptions::default(), None);
    for (option, name, value) in split(query) {
        if !knows(scheme, name) {
            return Err(source.wrong(format_args!("unknown option {option:?} for the scheme {scheme}")));
        }
        let parsed = match name {
            "bind" => local_address(value).map(|addr| bind = Some(addr)),
            _ => set(&mut shared, name, value),
        };
        parsed.ok_or_else(|| source.wrong(format_args!("malformed option {option:?}")))?;
        if let Some(why) = fault(&shared).or_else(|| bind_fault(bind?, scheme, target)) {
            return Err(source.wrong(format_args!("option {option:?}: {why}")));
        }
    }
    let ListenOptions { nodelay, keepalive, recv_buffer, send_buffer, device, .. } = shared;
    Ok(DialOptions { nodelay, keepalive, recv_buffer, send_buffer, device, bind })
}

fn knows(scheme: Scheme, name: &str) -> bool {
    match name {
        "sndbuf" => true,
        "nodelay" | "keepalive" => scheme.is_tcp(),
        "rcvbuf" | "device" | "bind" => scheme != Scheme::Unix,
        _ => false,
    }
}

fn fault(shared: &ListenOptions) -> Option<String> {
    let device = || shared.device.as_deref().and_then(device_fault);
    let keepalive = shared.keepalive.and_then(|keepalive| keepalive.fault());
    let buffers = || buffer_fault(shared.recv_buffer).or_else(|| buffer_fault(shared.send_buffer));
    keepalive.or_else(buffers).or_else(device)
}

/// Why a local address cannot reach the target.
fn bind_fault(bind: SocketAddr, scheme: Scheme, target: &Target) -> Option<String> {
    let fits = match target {
        Target::Inet { addr, .. } => addr.is_ipv4() == bind.is_ipv4(),
        _ => scheme.takes(bind.ip()),
    };
    (!fits).then(|| format!("{} does not fit the address's family", bind.ip()))
}

//! Connections that this side makes, or is given.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::address::{wrong_to_connect, Address, ConnectUrl, Scheme, Target, Terms};
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::conn::shared::{ConnKind, ConnShared};
use crate::conn::stream::opening::{Opening, Source};
use crate::contract::options::ConnectOptions;
use crate::dial::Dial;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::Command;
use crate::shared::mailbox::Mailbox;
use crate::sys::socket;

/// New connections.
impl Handle {
    /// Connects to `[scheme://]address[?option=value&…]`, over TCP, UDP (`udp`, `udp4`, `udp6`) or a Unix
    /// socket. Names are looked up on threads of their own. Every address of a name is tried, as RFC 8305 says: the next
    /// is begun when one fails or has been silent for 250 ms, and the first that connects wins. A Unix socket whose queue
    /// is full is tried until the time-out. The id is good at once:
    /// writes are queued until the connection is made and `on_open` is called; but over UDP they answer `closed`
    /// before `on_open`, because a queue of bytes keeps no borders. If it fails `on_close` is called
    /// alone, with [`ConnectFailed`](crate::CloseReason::ConnectFailed) or
    /// [`TimedOut`](crate::CloseReason::TimedOut).
    ///
    /// Options, as for listeners, and the local address: `nodelay=BOOL`, `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]`,
    /// `rcvbuf=N`, `sndbuf=N`, `broadcast=BOOL`, `device=NAME`, `bind=IP[:PORT]`, and what the connection begins with, where the query wins
    /// over `options`: `idle=MS`, `read=MS`, `write=MS`, `half_open=BOOL`, `framing=FRAMING`.
    ///
    /// # Errors
    /// [`InvalidAddress`](crate::ErrorKind::InvalidAddress);
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a loop that there is not, or a framing that
    /// cannot be; [`WrongState`](crate::ErrorKind::WrongState) before the start and after a stop.
    pub fn connect(&self, url: &str, options: ConnectOptions) -> Result<ConnId> {
        self.connect_on(url, &Terms::default(), options)
    }

    /// As [`connect`](Self::connect), with options of the socket beside the URL, where those of the query win. What the
    /// connection begins with is in `options`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[doc(hidden)]
    pub fn connect_on(&self, url: &str, terms: &Terms, mut options: ConnectOptions) -> Result<ConnId> {
        let parsed = in_its_zone(url, ConnectUrl::parse(url, terms, &options.conn)?)?;
        options.conn = parsed.conns.clone();
        let mailbox = choose(self, &options)?;
        let (udp, unix) = (parsed.scheme.is_udp(), parsed.scheme == Scheme::Unix);
        if udp {
            options.conn.refuse_for_datagrams(url)?;
        }
        let source = Source::Dial(Box::new(Dial::new(url, parsed)?));
        let kind = if udp { ConnKind::ConnectedDatagram } else { ConnKind::Stream };
        let shared = new_shared(self, kind, &options);
        let ConnectOptions { conn, timeout, context, .. } = options;
        let timeout = if timeout.is_zero() { ConnectOptions::DEFAULT_TIMEOUT } else { timeout };
        begin(mailbox, Opening { shared, unix, options: conn, context, timeout, source })
    }

    /// Gives a connected TCP or Unix stream to the engine, which owns the descriptor from then on; `on_open`
    /// follows. `options.timeout` has no meaning here.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the
    /// descriptor is no connected stream socket. It is closed then.
    pub fn enroll(&self, descriptor: OwnedFd, options: ConnectOptions) -> Result<ConnId> {
        let refused = |why: &dyn std::fmt::Display| {
            Error::new(ErrorKind::InvalidArgument, format!("cannot enroll the descriptor: {why}"))
        };
        if !socket::is_stream(descriptor.as_fd()).map_err(|error| refused(&error))? {
            return Err(refused(&"it is no stream socket"));
        }
        let peer = socket::peer_address(descriptor.as_fd()).map_err(|error| refused(&error))?;
        let mailbox = choose(self, &options)?;
        // Last: a copy that the caller keeps of a descriptor that is refused has the same mode.
        socket::set_nonblocking(descriptor.as_fd()).map_err(|error| refused(&error))?;
        let shared = new_shared(self, ConnKind::Stream, &options);
        let unix = !matches!(peer, Address::Inet(_));
        shared.note_peer(peer);
        let ConnectOptions { conn, context, .. } = options;
        let source = Source::Given(Some(descriptor));
        begin(mailbox, Opening { shared, unix, options: conn, context, timeout: Duration::MAX, source })
    }
}

/// Looks the zone of an address up, if that is there by name.
fn in_its_zone(url: &str, parsed: ConnectUrl) -> Result<ConnectUrl> {
    let Target::Zoned { ip, zone, port } = &parsed.target else { return Ok(parsed) };
    let wrong = |error| wrong_to_connect(url, format_args!("the zone {zone:?}: {error}"));
    let addr = socket::in_zone(*ip, *port, zone).map_err(wrong)?;
    Ok(ConnectUrl { target: Target::Inet { addr, dual_stack: false }, ..parsed })
}

/// The loop that a connection is to live on.
fn choose<'a>(server: &'a Handle, options: &ConnectOptions) -> Result<&'a Arc<Mailbox>> {
    server.shared.expect_framing(options.conn.framing.as_ref())?;
    server.shared.expect_running("connect")?;
    match options.on_loop.or_else(|| server.current_loop()) {
        Some(index) => server.shared.mailbox_at(index),
        None => server.shared.next_mailbox(),
    }
}

fn new_shared(server: &Handle, kind: ConnKind, options: &ConnectOptions) -> Arc<ConnShared> {
    let shared = ConnShared::new(kind, 0, server.shared.clock.now(), None);
    shared.set_framing(options.conn.framing.clone().map(Arc::new));
    shared
}

/// Gives a connection its id, and leaves the rest to its loop.
fn begin(mailbox: &Arc<Mailbox>, mut opening: Opening) -> Result<ConnId> {
    let full = || Error::new(ErrorKind::WrongState, "the loop takes no more connections");
    let id = mailbox.register(Arc::clone(&opening.shared)).ok_or_else(full)?;
    // On its own loop the connection is there when this returns, for writes to find.
    if let Some(state) = LoopState::current(mailbox) {
        state.begin(id, &mut opening);
    }
    match mailbox.send(Command::Open(id, Box::new(opening))) {
        true => Ok(id),
        false => {
            mailbox.forget(id);
            Err(full())
        }
    }
}

//! Connections that this side makes, or is given.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::address::{Address, ConnectUrl};
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::conn::shared::{ConnKind, ConnShared};
use crate::contract::config::Timeouts;
use crate::contract::options::{ConnOptions, ConnectOptions};
use crate::dial::Dial;
use crate::framing::Framing;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::{Command, Enrolled};
use crate::shared::mailbox::Mailbox;
use crate::sys::socket;

pub(crate) fn connect(server: &Handle, url: &str, options: ConnectOptions) -> Result<ConnId> {
    let parsed = ConnectUrl::parse(url)?;
    let mailbox = choose(server, &options)?;
    let udp = parsed.scheme.is_udp();
    if udp && !server.shared.takes_datagrams {
        let message = format!("connect to {url:?}: this way of delivery has no datagrams");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if udp {
        refuse_for_datagrams(url, &options.conn)?;
    }
    let kind = if udp { ConnKind::ConnectedDatagram } else { ConnKind::Stream };
    let shared = new_shared(server, kind, &options);
    let ConnectOptions { conn, timeout, context, .. } = options;
    let timeout = if timeout.is_zero() { ConnectOptions::DEFAULT_TIMEOUT } else { timeout };
    let mut dial = Box::new(Dial::new(url, parsed, Arc::clone(&shared), conn, context, timeout)?);
    take_in(mailbox, shared, |id| {
        // On its own loop the connection is there when this returns, for writes to find.
        if let Some(state) = LoopState::current(mailbox) {
            state.begin_connect(id, &mut dial);
        }
        Command::Connect(id, dial)
    })
}

pub(crate) fn enroll(server: &Handle, descriptor: OwnedFd, options: ConnectOptions) -> Result<ConnId> {
    let refused = |why: &dyn std::fmt::Display| {
        Error::new(ErrorKind::InvalidArgument, format!("cannot enroll the descriptor: {why}"))
    };
    if !socket::is_stream(descriptor.as_fd()).map_err(|error| refused(&error))? {
        return Err(refused(&"it is no stream socket"));
    }
    let peer = socket::peer_address(descriptor.as_fd()).map_err(|error| refused(&error))?;
    socket::set_nonblocking(descriptor.as_fd()).map_err(|error| refused(&error))?;
    let mailbox = choose(server, &options)?;
    let shared = new_shared(server, ConnKind::Stream, &options);
    let unix = match peer {
        Address::Inet(peer) => {
            shared.set_peer(peer);
            false
        }
        _ => true,
    };
    let ConnectOptions { conn, context, .. } = options;
    let mut enrolled =
        Enrolled { socket: descriptor, unix, options: conn, context, shared: Arc::clone(&shared) };
    take_in(mailbox, shared, |id| {
        if let Some(state) = LoopState::current(mailbox) {
            state.begin_enroll(id, &mut enrolled);
        }
        Command::Enroll(id, Box::new(enrolled))
    })
}

/// What has no meaning for datagrams is refused, not ignored.
pub(crate) fn refuse_for_datagrams(url: &str, options: &ConnOptions) -> Result<()> {
    let asks = [
        (options.framing.is_some(), "a framing"),
        (options.timeouts != Timeouts::default(), "time-outs"),
        (options.half_open, "half_open"),
    ];
    match asks.iter().find(|(asked, _)| *asked) {
        None => Ok(()),
        Some((_, what)) => {
            let message = format!("{url:?}: {what} is for streams, and this is UDP");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

/// The loop that a connection is to live on.
fn choose<'a>(server: &'a Handle, options: &ConnectOptions) -> Result<&'a Arc<Mailbox>> {
    options.conn.framing.iter().try_for_each(Framing::check)?;
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

fn take_in(
    mailbox: &Arc<Mailbox>,
    shared: Arc<ConnShared>,
    command: impl FnOnce(ConnId) -> Command,
) -> Result<ConnId> {
    let full = || Error::new(ErrorKind::WrongState, "the loop takes no more connections");
    let id = mailbox.register(shared).ok_or_else(full)?;
    match mailbox.send(command(id)) {
        true => Ok(id),
        false => {
            mailbox.forget(id);
            Err(full())
        }
    }
}

//! What is refused, in words; the same on a connection's own loop and elsewhere.

use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::conn::request::Request;
use crate::conn::shared::{ConnKind, ConnShared};

/// The error of every call on a connection that is no more.
pub(crate) fn closed_error(id: ConnId) -> Error {
    Error::new(ErrorKind::Closed, format!("connection {id} is closed"))
}

/// The error of a write beyond the hard limit.
pub(crate) fn full_error(id: ConnId, len: usize, limit: usize) -> Error {
    let message =
        format!("connection {id}: {len} bytes more would exceed the hard limit of {limit} unsent bytes");
    Error::new(ErrorKind::Full, message)
}

/// The error of a write beyond the server's byte budget.
pub(crate) fn budget_error(id: ConnId, len: usize, limit: usize) -> Error {
    let message =
        format!("connection {id}: {len} bytes more would exceed the server's byte budget of {limit} bytes");
    Error::new(ErrorKind::Full, message)
}

/// The error of a call that has no meaning for a UDP socket.
fn datagram_error(id: ConnId, call: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{id} is a UDP socket: it cannot {call}"))
}

/// The error of a write to a UDP endpoint outside the callback of a datagram.
pub(crate) fn no_sender_error(id: ConnId) -> Error {
    let message = format!("{id} is a UDP endpoint, and this is no answer to a datagram: use send_to");
    Error::new(ErrorKind::Unsupported, message)
}

/// The error of sending to an address through what has one peer.
pub(crate) fn no_endpoint_error(id: ConnId) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{id} is a connection: it sends to its peer only"))
}

/// The error of detaching where nobody could be handed the descriptor.
pub(crate) fn no_detach_error(id: ConnId) -> Error {
    let message =
        format!("connection {id} cannot be detached: this way of delivery hands no descriptors out");
    Error::new(ErrorKind::Unsupported, message)
}

/// The error of a release without a hold.
fn not_held_error(id: ConnId) -> Error {
    let message = format!("connection {id} is not held: it was released as often as it was held");
    Error::new(ErrorKind::WrongState, message)
}

/// The error of a hold beyond what can be counted.
fn held_too_often_error(id: ConnId) -> Error {
    Error::new(ErrorKind::WrongState, format!("connection {id} is held as often as can be counted"))
}

/// Notes on the shared part what a request asks for, before the loop hears of it; says whether there is
/// anything left to do. On the connection's own loop and elsewhere alike.
pub(crate) fn note_request(id: ConnId, shared: &ConnShared, request: &Request) -> Result<bool> {
    if shared.kind != ConnKind::Stream {
        refuse_datagram(id, shared.kind, request)?;
    }
    let accepted = match request {
        Request::Close(_) | Request::Detach => shared.close(),
        Request::End => shared.end(),
        // Also of a connection that is being closed and takes its time.
        Request::Abort => {
            shared.close();
            true
        }
        Request::Wake if shared.is_live() => return Ok(shared.wake()),
        Request::Framing(framing) if shared.is_live() => {
            // At once, for the frames that the calling thread writes next.
            shared.set_framing(framing.clone());
            true
        }
        Request::Hold if shared.is_live() && !shared.hold() => return Err(held_too_often_error(id)),
        Request::Release if shared.is_live() && !shared.release() => return Err(not_held_error(id)),
        _ => shared.is_live(),
    };
    accepted.then_some(true).ok_or_else(|| closed_error(id))
}

/// Whether a request would be accepted now, of which nothing is noted.
pub(crate) fn expect_request(id: ConnId, shared: &ConnShared, request: &Request) -> Result<()> {
    if shared.kind != ConnKind::Stream {
        refuse_datagram(id, shared.kind, request)?;
    }
    shared.is_live().then_some(()).ok_or_else(|| closed_error(id))
}

fn refuse_datagram(id: ConnId, kind: ConnKind, request: &Request) -> Result<()> {
    let call = match request {
        Request::Close(_) | Request::Abort if kind == ConnKind::ConnectedDatagram => return Ok(()),
        Request::Close(_) => "be closed by itself: close its listener",
        Request::Abort => "be aborted",
        Request::End => "be ended",
        Request::Detach => "be detached",
        Request::Framing(_) => "have a framing: a datagram is one already",
        Request::Timeouts(_) => "have time-outs: use a timer",
        Request::Hold | Request::Release => "be held: its datagrams are answered one by one",
        Request::Wake | Request::Pause | Request::Resume => return Ok(()),
        // Of the engine's own, for streams.
        Request::Overflow | Request::Evict => return Ok(()),
    };
    Err(datagram_error(id, call))
}

//! All that can happen on a loop, but for input of a stream, which [`Receiver::data`](super::receiver::Receiver::data)
//! is given by itself.

use std::time::Duration;

use super::handler::Detached;
use crate::api::conn::Conn;
use crate::base::timer::TimerId;
use crate::contract::action::{Closed, Completed, Completion};
use crate::shared::handle::Handle;

/// What happened. A carrier matches it without a catch-all, so that one which forgot an event does not compile.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection is open and takes writes.
    Open(&'a Conn<'a>),
    /// A datagram came for a UDP endpoint or an outgoing UDP connection.
    Datagram(&'a Conn<'a>, &'a [u8]),
    /// What the system says of a datagram that was sent, by the number of its error: it refused it, or the network reported
    /// that it did not arrive. UDP promises nothing, so a carrier may keep it to itself.
    Undelivered(&'a Conn<'a>, i32),
    /// The peer has shut its writing side down; only with `half_open`.
    Eof(&'a Conn<'a>),
    /// The queue of unsent output has fallen to the low-water mark.
    Drain(&'a Conn<'a>),
    /// Somebody has called `wake`.
    Wake(&'a Conn<'a>),
    /// A timer of the connection's is due.
    Timer(&'a Conn<'a>, TimerId),
    /// A write with a completion has come to its end: the carrier calls it.
    Completed(Pending, Completed),
    /// The connection was detached: its last event.
    Detached(&'a Conn<'a>, Detached),
    /// The connection is gone: its last event.
    Closed(&'a Conn<'a>, Closed),
    /// Time passes; when it shall be told again goes into the second part.
    Tick(&'a Handle, &'a mut Option<Duration>),
    /// The first output of a turn is about to be sent.
    PreWrite(&'a Handle),
    /// A graceful stop has begun.
    Stopping(&'a Handle),
}

/// A completion that is to be called.
pub struct Pending(pub(crate) Completion);

impl Pending {
    /// Calls it.
    pub fn call(self, completed: Completed) {
        self.0.call(completed);
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

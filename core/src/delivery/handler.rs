//! What the user of the engine writes: the callbacks.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::api::conn::Conn;
use crate::base::timer::TimerId;
use crate::contract::action::{Action, Closed};
use crate::shared::handle::Handle;

/// An error of the user's, of whatever type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What [`Handler::on_detach`] hands out: the descriptor, and the bytes that the engine still held.
#[derive(Debug)]
pub struct Detached {
    /// The connection's descriptor, non-blocking and close-on-exec. The engine never touches it again.
    pub descriptor: OwnedFd,
    /// Input that was read and not consumed: what was kept, or half a frame.
    pub input: Vec<u8>,
    /// Output that the kernel did not take in the one attempt that was made.
    pub output: Vec<u8>,
}

/// The user's callbacks, called inline: on the thread of the connection's loop.
///
/// One value serves all loops, hence `&self` and `Sync`. The callbacks of one connection come in order and
/// never two at once. A callback must not block: the other connections of its loop wait meanwhile. One that
/// panics closes its connection with [`CloseReason::HandlerError`](crate::CloseReason::HandlerError); the
/// server lives on. Every callback has a default that does nothing.
///
/// A child that a callback forks, and that returns from it, ends there: its thread, and the process if there is no other, with
/// 0, and nothing is dropped. A host's [`turn`](crate::Hosted::turn) answers an error in it.
pub trait Handler: Send + Sync + 'static {
    /// The server starts: once, before any other callback, on the thread that starts it (for a server that
    /// its host drives, in the first turn). Returning [`Action::Stop`] refuses the start, an error fails it.
    ///
    /// # Errors
    /// Whatever keeps the server from starting; the start reports its text.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        let _ = server;
        Ok(Action::None)
    }

    /// A connection is open and takes writes. UDP endpoints have no such event.
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::None
    }

    /// Bytes came in: whatever there is; with a [`Framing`](crate::Framing), one whole frame; on UDP, one
    /// datagram, whose sender [`Conn::sender`] tells. They are contiguous, valid until the callback returns,
    /// and count as consumed but for what [`Conn::keep`] keeps.
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let _ = (conn, data);
        Action::None
    }

    /// The peer has shut its writing side down, and everything before was delivered. Only for connections
    /// with [`half_open`](crate::ConnOptions::half_open); others are closed then. The connection goes on until
    /// [`end`](Conn::end) or close.
    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::Close
    }

    /// The queue of unsent output, once above the high-water mark, has fallen to the low-water mark.
    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::None
    }

    /// [`wake`](Conn::wake) was called for the connection, once or several times.
    fn on_wake(&self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::None
    }

    /// A timer of the connection's is due: the one that [`Conn::start_timer`] returned.
    fn on_timer(&self, conn: &Conn<'_>, timer: TimerId) -> Action {
        let _ = (conn, timer);
        Action::None
    }

    /// The connection was detached, and is the handler's from now on: the last of its callbacks, instead of
    /// `on_close`. By default the descriptor is closed.
    fn on_detach(&self, conn: &Conn<'_>, detached: Detached) {
        let _ = (conn, detached);
    }

    /// The connection is gone: the last of its callbacks, exactly once after each `on_open`, and for an
    /// outgoing connection that failed the only one.
    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        let _ = (conn, closed);
    }

    /// Time passes: called on loop 0 as soon as the loops run, and again after the delay that it returns;
    /// `None` ends it. One that panics is called again after the delay before, or a second.
    fn on_tick(&self, server: &Handle) -> Option<Duration> {
        let _ = server;
        None
    }

    /// A loop is about to send the first output of a turn: once a turn at most, on the loop's thread. What is
    /// written here leaves along. While a handler has this, nothing is sent before it.
    fn on_pre_write(&self, server: &Handle) {
        server.has_no_pre_write();
    }

    /// A graceful stop has begun: once, on loop 0. When it returns the listeners are closed, and connections may
    /// finish until the deadline.
    fn on_stopping(&self, server: &Handle) {
        let _ = server;
    }

    /// The server has stopped: once, after the last callback, when all loops have ended.
    fn on_stop(&self, server: &Handle) {
        let _ = server;
    }
}

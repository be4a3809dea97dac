//! What the user of the engine writes: the callbacks.

use crate::action::{Action, Closed};
use crate::batch::Turn;
use crate::handle::{Conn, Handle};

/// An error of the user's, of whatever type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The user's callbacks, called inline: on the thread of the connection's loop.
///
/// One value serves all loops, hence `&self` and `Sync`. The callbacks of one connection come in order and
/// never two at once. A callback must not block: the other connections of its loop wait meanwhile. One that
/// panics closes its connection with [`CloseReason::HandlerError`](crate::CloseReason::HandlerError); the
/// server lives on. Every callback has a default that does nothing.
pub trait Handler: Send + Sync + 'static {
    /// The server starts: once, before any other callback, on the thread that starts it. Returning
    /// [`Action::Stop`] refuses the start, an error fails it.
    ///
    /// # Errors
    /// Whatever keeps the server from starting; the start reports its text.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        let _ = server;
        Ok(Action::None)
    }

    /// A connection is open and takes writes.
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::None
    }

    /// Bytes came in; they are valid until the callback returns and count as consumed.
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let _ = (conn, data);
        Action::None
    }

    /// The queue of unsent output, once above the high-water mark, has fallen to the low-water mark.
    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::None
    }

    /// The connection is gone: the last of its callbacks, exactly once after each `on_open`.
    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        let _ = (conn, closed);
    }

    /// The server has stopped: once, after the last callback, when all loops have ended.
    fn on_stop(&self, server: &Handle) {
        let _ = server;
    }

    /// Runs a loop on the calling thread, for handlers that need something set up around it. Call `run` once.
    #[doc(hidden)]
    fn around_loop(&self, run: &mut dyn FnMut()) {
        run();
    }

    /// A turn's callbacks have been called and nothing has been flushed yet: where batches are handed over.
    #[doc(hidden)]
    fn on_turn_end(&self, turn: &Turn<'_>) {
        let _ = turn;
    }
}

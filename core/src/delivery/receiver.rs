//! What a carrier is: how one way of calling user code is told what happens.

use std::any::Any;
use std::ops::Range;
use std::time::Duration;

use super::event::Event;
use super::handler::BoxError;
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::base::error::ErrorKind;
use crate::base::panics::report;
use crate::conn::request::Request;
use crate::contract::action::{Action, CloseReason};
use crate::contract::carries::Carries;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;

/// A way of delivery, for a whole server: it makes a receiver for each loop. Called from several threads.
pub trait Delivery: Send + Sync + 'static {
    /// The receiver of one loop, made on the loop's thread and used there only.
    fn receiver(&self) -> Box<dyn Receiver>;

    /// What it cannot carry is refused when it is asked for.
    fn carries(&self) -> Carries;

    /// The server starts: as [`Handler::on_start`](super::handler::Handler::on_start).
    ///
    /// # Errors
    /// Whatever keeps the server from starting.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError>;

    /// The server has stopped: once, after the last event, when all loops have ended.
    fn on_stop(&self, server: &Handle);

    /// Whether the loops' threads run code of the program's. If so they have its signal mask, or else none of its signals.
    fn runs_user_code(&self) -> bool {
        true
    }

    /// Runs a loop on the calling thread, for deliveries that need something set up around it. Calls `run` once.
    fn around_loop(&self, run: &mut dyn FnMut()) {
        run();
    }
}

/// Who is told what happens on one loop. It needs no lock: its loop's thread alone calls it, one call at a time.
pub trait Receiver {
    /// Bytes came in for a connection: whatever there is, or one frame.
    fn data(&mut self, conn: &Conn<'_>, data: &[u8]) -> Action;

    /// A frame came in, which takes this piece of the stream. Instead of [`data`](Self::data), with [`Carries::lends`].
    fn frame(&mut self, conn: &Conn<'_>, piece: &[u8], frame: Range<usize>) -> Action {
        self.data(conn, &piece[frame])
    }

    /// The same for a command, of which `data` has the arguments.
    fn command(&mut self, conn: &Conn<'_>, piece: &[u8], data: &[u8]) -> Action {
        let _ = piece;
        self.data(conn, data)
    }

    /// Memory that input is to be read into, behind what is in it, with room for that many bytes: so that a receiver which
    /// keeps input need not copy it. `None`: input comes by [`data`](Self::data). Only with [`Carries::lends`].
    fn lend(&mut self, room: usize) -> Option<&mut Vec<u8>> {
        let _ = room;
        None
    }

    /// Bytes came in for a connection, which nothing has cut; they are what it lent last, from here on.
    fn data_lent(&mut self, conn: &Conn<'_>, from: usize) -> Action {
        let _ = (conn, from);
        Action::None
    }

    /// The frames or commands of a read were all delivered, by [`data`](Self::data): those that this has gathered are to be
    /// handled now. What comes of the same input comes after that. There may be none. Only with [`Carries::gathers`].
    fn delivered(&mut self, conn: &Conn<'_>) -> Action {
        let _ = conn;
        Action::None
    }

    /// Whether what was told last is cut input of this connection that is handed over later. If so, the connection is held from now
    /// until that was answered: an end, or what cannot be cut, waits for it. Only with [`Carries::lends`].
    fn awaits_answer(&mut self, conn: ConnId) -> bool {
        let _ = conn;
        false
    }

    /// Anything else happened. The action counts for events of a connection only.
    fn event(&mut self, event: Event<'_>) -> Action;

    /// The turn's input was delivered, and nothing has been flushed. Only with [`Carries::turns`].
    fn before_flush(&mut self, turn: &Turn<'_>) {
        let _ = turn;
    }

    /// The turn is over: the loop may sleep next. Only with [`Carries::turns`].
    fn turn_ends(&mut self, turn: &Turn<'_>) {
        let _ = turn;
    }

    /// Whether it has something to hand over at the end of a turn, without a further event.
    fn is_due(&self) -> bool {
        false
    }

    /// In what time it will have something to hand over, without a further event, if not now.
    fn due_in(&self) -> Option<Duration> {
        None
    }

    /// This is a forked child, in which the loop ends here and now: what the thread holds of others is given back. Nothing
    /// else is to be done, nor is this dropped.
    fn leave(&mut self) {}

    /// What it has handed over was answered, by a command.
    fn answered(&mut self, turn: &Turn<'_>, answer: Box<dyn Any + Send>) {
        let _ = (turn, answer);
    }
}

/// A turn of a loop, as a receiver sees it.
pub struct Turn<'a> {
    pub(crate) state: &'a LoopState,
    /// The loop has stopped; this is its last turn.
    pub(crate) last: bool,
}

impl Turn<'_> {
    /// The server.
    #[must_use]
    pub fn server(&self) -> &Handle {
        self.state.server()
    }

    /// Whether the loop has stopped and nothing comes after this.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Too much waits for the handler: input and new connections are left alone. Or no longer.
    pub fn set_full(&self, full: bool) {
        self.state.delivery_is_full.set(full);
    }

    /// Stops reading a connection until it is released.
    pub fn hold(&self, conn: ConnId) {
        self.state.hold(conn);
    }

    /// Goes on with a connection that its receiver held.
    pub fn release(&self, conn: ConnId) {
        self.state.release(conn);
    }

    /// Does what a callback has answered later than within the call. What is refused counts as its failure.
    pub fn act(&self, conn: ConnId, action: Action) {
        let done = match action {
            Action::None => return,
            Action::Stop => return self.server().stop(),
            Action::Close => self.state.request(conn, Request::Close(CloseReason::LocalClose)),
            Action::Detach => self.state.request(conn, Request::Detach),
        };
        match done {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                report(format_args!("a callback asked for what there is not: {error}"));
                self.state.fail(conn);
            }
            // It may have closed the connection itself before.
            _ => {}
        }
    }

    /// The end of what was handed over of a connection's input is not consumed: it comes again, in front of the next.
    pub fn keep(&self, conn: ConnId, bytes: &[u8]) {
        self.state.keep_handed_over(conn, bytes);
    }
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("last", &self.last).finish_non_exhaustive()
    }
}

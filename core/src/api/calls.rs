//! Calls on connections, by id.

use std::rc::Rc;
use std::sync::Arc;

use crate::address::{Address, Credentials, SocketOption};
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::conn::request::Request;
use crate::contract::action::CloseReason;
use crate::contract::config::Timeouts;
use crate::contract::options::ConnInfo;
use crate::framing::{Framing, Place};
use crate::loop_state::{conn_info, LoopState};
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::Command;
use crate::shared::mailbox::{closed_error, expect_request};
use crate::sys::socket;
use crate::sys::socket_options;

/// Calls on connections, by id.
impl Handle {
    /// Shuts the writing side of a connection down, behind what is queued: the peer sees EOF. Reading goes on;
    /// the connection is closed when the peer's side has ended, too.
    ///
    /// # Errors
    /// As [`close`](Self::close); also if it was called before.
    pub fn end(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::End)
    }

    /// Closes a connection: from now on writes answer `closed`; what is queued is sent, then writing is shut
    /// down; input is discarded until the peer closes too or the linger limit is over; then comes `on_close`.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is closed or closing, or belongs to another
    /// server; [`Unsupported`](crate::ErrorKind::Unsupported) for a UDP endpoint.
    pub fn close(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Close(CloseReason::LocalClose))
    }

    /// Closes a connection as if a callback of its had failed: the same as [`close`](Self::close), with the
    /// reason [`HandlerError`](CloseReason::HandlerError).
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn fail(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Close(CloseReason::HandlerError))
    }

    /// Resets a connection at once: what is queued is dropped. Also one that is being closed.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is gone, or belongs to another server;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a UDP endpoint.
    pub fn abort(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Abort)
    }

    /// Takes a connection out of the engine: its completions are cancelled, one attempt is made to send what is
    /// queued, then [`on_detach`](crate::Handler::on_detach) gets the descriptor. One that is broken, or not made
    /// yet, has nothing to hand out, and is closed.
    ///
    /// # Errors
    /// As [`close`](Self::close); [`Unsupported`](crate::ErrorKind::Unsupported) where the way of delivery hands no
    /// descriptors out.
    pub fn detach(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Detach)
    }

    /// Has `on_wake` called. Several calls before it comes are one.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn wake(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Wake)
    }

    /// Stops reading a connection, until [`resume`](Self::resume): the peer feels it as backpressure. Frames
    /// that were read already wait, too. So does the peer's EOF; but a reset ends the connection at once, with what
    /// was not read.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn pause(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Pause)
    }

    /// Reads a connection again.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn resume(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Resume)
    }

    /// Holds a connection while an answer is made elsewhere: by a thread pool, say. Until it is
    /// [released](Self::release) it is not read, frames that were read already wait, and the peer's EOF does not close it.
    /// Its idle and read time-outs do not run. Writes, timers and wakes go on. Holds are counted: it goes on when it was
    /// released as often as it was held. A reset, a close, the write time-out and the server's stop end it all the same.
    ///
    /// # Errors
    /// As [`wake`](Self::wake); [`Unsupported`](crate::ErrorKind::Unsupported) for a UDP socket;
    /// [`WrongState`](crate::ErrorKind::WrongState) beyond 2,147,483,647 holds.
    pub fn hold(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Hold)
    }

    /// Takes one [hold](Self::hold) back. What the calling thread has written before comes before the end that the
    /// peer's EOF may have been waiting for. The idle and the read time-out begin anew with the last release.
    ///
    /// # Errors
    /// As [`hold`](Self::hold); [`WrongState`](crate::ErrorKind::WrongState) if the connection is not held.
    pub fn release(&self, id: ConnId) -> Result<()> {
        self.request(id, Request::Release)
    }

    /// How often a connection is held, by whomever.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    #[doc(hidden)]
    pub fn holds(&self, id: ConnId) -> Result<u32> {
        Ok(self.mailbox(id)?.shared(id)?.holds())
    }

    /// Whether [`pause`](Self::pause) and [`resume`](Self::resume) would be accepted now: for who has another thread make the call.
    ///
    /// # Errors
    /// What they would answer.
    #[doc(hidden)]
    pub fn expect_pause(&self, id: ConnId) -> Result<()> {
        self.expect(id, &Request::Pause)
    }

    /// The same of [`hold`](Self::hold).
    ///
    /// # Errors
    /// What it would answer.
    #[doc(hidden)]
    pub fn expect_hold(&self, id: ConnId) -> Result<()> {
        self.expect(id, &Request::Hold)
    }

    /// The same of [`detach`](Self::detach).
    ///
    /// # Errors
    /// What it would answer.
    #[doc(hidden)]
    pub fn expect_detach(&self, id: ConnId) -> Result<()> {
        self.expect(id, &Request::Detach)
    }

    fn expect(&self, id: ConnId, request: &Request) -> Result<()> {
        let shared = self.mailbox(id)?.shared(id)?;
        expect_request(id, &shared, request)
    }

    /// Changes a connection's time-outs. They begin anew.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn set_timeouts(&self, id: ConnId, timeouts: Timeouts) -> Result<()> {
        self.request(id, Request::Timeouts(timeouts))
    }

    /// Changes how a connection's input is cut into frames, from the next byte that the handler has not had.
    ///
    /// # Errors
    /// As [`close`](Self::close); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a framing that
    /// cannot be; [`Unsupported`](crate::ErrorKind::Unsupported) for one that cuts commands, where the way of delivery
    /// cannot tell their arguments.
    pub fn set_framing(&self, id: ConnId, framing: Option<Framing>) -> Result<()> {
        self.shared.expect_framing(framing.as_ref())?;
        self.request(id, Request::Framing(framing.map(Arc::new)))
    }

    /// Runs a function on the loop of a connection, which it is given; if the connection has gone meanwhile,
    /// its calls answer `closed`. A function that panics is reported.
    ///
    /// # Errors
    /// As [`close`](Self::close); the function is dropped then.
    pub fn run_on_conn(&self, id: ConnId, run: impl FnOnce(&Conn<'_>) + Send + 'static) -> Result<()> {
        let mailbox = self.mailbox(id)?;
        mailbox.shared(id)?;
        let job = move |server: &Handle| {
            // It runs on that loop, and nowhere else.
            if let Some(state) = server.mailbox(id).ok().and_then(|mailbox| LoopState::current(mailbox)) {
                run(&Conn::new(id, &state));
            }
        };
        let takes = mailbox.send(Command::Run(Box::new(job)));
        takes.then_some(()).ok_or_else(|| closed_error(id))
    }

    /// Input that was handed over and is not consumed comes again, in front of the next, cut as is said now: for who finds so while
    /// the connection is held, or on its loop. Without a framing, when there is more.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    #[doc(hidden)]
    pub fn give_back(&self, id: ConnId, bytes: Vec<u8>) -> Result<()> {
        self.on_loop_of(id, move |state| state.take_back(id, &bytes, false))
    }

    /// The same for input that the handler has not had: without a framing it comes at once.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    #[doc(hidden)]
    pub fn hand_over_again(&self, id: ConnId, bytes: Vec<u8>) -> Result<()> {
        self.on_loop_of(id, move |state| state.take_back(id, &bytes, true))
    }

    /// Runs a part on a connection's loop: at once if this is its thread.
    fn on_loop_of(&self, id: ConnId, run: impl FnOnce(&LoopState) + Send + 'static) -> Result<()> {
        let mailbox = self.mailbox(id)?;
        mailbox.shared(id)?;
        match LoopState::current(mailbox) {
            Some(state) => run(&state),
            None => self.run_on_conn(id, move |conn| conn.on_its_loop(run))?,
        }
        Ok(())
    }

    /// In `on_data` of a command: where its arguments stand, as [`Conn::arguments`] has them; `None` elsewhere.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn argument_places(&self, id: ConnId) -> Option<Rc<Vec<Place>>> {
        self.with_own_loop(id, |state| state.arguments_of(id)).filter(|places| !places.is_empty())
    }

    /// Whether the calling thread runs a connection's loop, be it as its host between two turns.
    #[must_use]
    pub fn is_loop_of(&self, id: ConnId) -> bool {
        self.mailbox(id).is_ok_and(|mailbox| mailbox.is_here())
    }

    /// Uses a connection of the calling loop's, as its callbacks would, also the one whose last callback runs.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is gone, or belongs to another server;
    /// [`WrongThread`](crate::ErrorKind::WrongThread) elsewhere than on its loop: see
    /// [`run_on_conn`](Self::run_on_conn).
    pub fn with_conn<T>(&self, id: ConnId, use_it: impl FnOnce(&Conn<'_>) -> T) -> Result<T> {
        let mailbox = self.mailbox(id)?;
        let Some(state) = LoopState::current(mailbox) else {
            mailbox.shared(id)?;
            let message = format!("connection {id} lives on another loop than the calling thread's");
            return Err(Error::new(ErrorKind::WrongThread, message));
        };
        let conn = Conn::new(id, &state);
        conn.info()?;
        Ok(use_it(&conn))
    }

    /// What can be read of a connection.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is gone, or belongs to another server.
    pub fn info(&self, id: ConnId) -> Result<ConnInfo> {
        let mailbox = self.mailbox(id)?;
        let on_loop = self.mailboxes().iter().position(|other| Arc::ptr_eq(other, mailbox)).unwrap_or(0);
        let shared = mailbox.shared(id)?;
        Ok(conn_info(&shared, on_loop, self.shared.clock.now()))
    }

    /// The peer's address.
    ///
    /// # Errors
    /// As [`info`](Self::info); [`System`](crate::ErrorKind::System) if the socket has no peer.
    pub fn remote_address(&self, id: ConnId) -> Result<Address> {
        let mailbox = self.mailbox(id)?;
        if let Some(peer) = mailbox.shared(id)?.known_peer() {
            return Ok(peer);
        }
        let failed =
            |error| Error::system(format_args!("connection {id}: ask for the peer's address"), &error);
        mailbox.with_descriptor(id, socket::peer_address)?.map_err(failed)
    }

    /// The address of this side.
    ///
    /// # Errors
    /// As [`info`](Self::info); [`WrongState`](crate::ErrorKind::WrongState) of an outgoing connection that has no
    /// socket yet.
    pub fn local_address(&self, id: ConnId) -> Result<Address> {
        let failed = |error| Error::system(format_args!("connection {id}: ask for its own address"), &error);
        self.mailbox(id)?.with_descriptor(id, socket::local_address)?.map_err(failed)
    }

    /// The process at the other end of a Unix connection, as it was when it connected.
    ///
    /// # Errors
    /// As [`info`](Self::info); [`System`](crate::ErrorKind::System) if it is no Unix socket.
    pub fn peer_credentials(&self, id: ConnId) -> Result<Credentials> {
        let failed =
            |error| Error::system(format_args!("connection {id}: ask for the peer's credentials"), &error);
        self.mailbox(id)?.with_descriptor(id, socket::peer_credentials)?.map_err(failed)
    }

    /// Sets an option of a connection's socket, at once.
    ///
    /// # Errors
    /// As [`local_address`](Self::local_address); [`System`](crate::ErrorKind::System) with the system's reason.
    pub fn set_option(&self, id: ConnId, option: &SocketOption) -> Result<()> {
        self.mailbox(id)?.with_descriptor(id, |descriptor| socket_options::apply(descriptor, option))?
    }

    /// Whether the connection takes writes.
    #[must_use]
    pub fn is_open(&self, id: ConnId) -> bool {
        self.mailbox(id).is_ok_and(|mailbox| mailbox.is_open(id))
    }
}

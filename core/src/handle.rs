//! A server as callbacks and other threads see it.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::action::{CloseReason, Completed, Completion, Pressure};
use crate::addr::{Address, Credentials, ListenOptions};
use crate::codec::Framing;
use crate::command::{Job, Request};
use crate::config::Timeouts;
use crate::conn_handle::Conn;
use crate::error::{Error, ErrorKind, Result};
use crate::loop_state::{conn_info, LoopState};
use crate::mailbox::{closed_error, Mailbox};
use crate::metrics::Metrics;
use crate::options::{ConnInfo, ConnOptions, ConnectOptions, ListenerId, Listening};
use crate::outgoing;
use crate::server_state::{Phase, Shared};
use crate::socket_options::{self, SocketOption};
use crate::sys::socket;
use crate::timer::TimerId;
use crate::token::ConnId;

/// A server as seen from anywhere: cheap to clone, usable from any thread, never blocking (but for looking up
/// the name of a listener).
///
/// Calls by id on the thread of the connection's own loop take the same path as the connection's own; from
/// elsewhere they go through the loop's mailbox. The order of the calls of one thread is kept. A handle does
/// not keep the server running.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// Writing.
impl Handle {
    /// Queues a copy of `bytes` for a connection. They leave at the end of the loop's turn.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is closed or closing, its writing side was ended,
    /// or it belongs to another server; [`Full`](crate::ErrorKind::Full) if the queue would exceed the hard
    /// limit, or, from another thread, the server its byte budget;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a UDP endpoint outside the callback of a datagram. Then
    /// nothing is queued; and beyond the hard limit, on the connection's own loop, the connection is closed
    /// with `overflow`.
    pub fn write(&self, id: ConnId, bytes: &[u8]) -> Result<Pressure> {
        self.write_all(id, &[bytes], None)
    }

    /// Queues a copy of several slices, in order, as one write: what other threads write does not come between.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_gathered(&self, id: ConnId, slices: &[&[u8]]) -> Result<Pressure> {
        self.write_all(id, slices, None)
    }

    /// As [`write_gathered`](Self::write_gathered); `completion` is called exactly once if the write is
    /// accepted, on the connection's loop and never from inside this call: after the kernel took the last byte,
    /// or with [`Completed::Cancelled`] before `on_close` and `on_detach`. It is dropped uncalled if the write is
    /// refused. One that panics is reported.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_then(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        completion: impl FnOnce(Completed) + Send + 'static,
    ) -> Result<Pressure> {
        self.write_all(id, slices, Some(Box::new(completion)))
    }

    /// Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter
    /// behind.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the connection has
    /// no framing, or one without an encoder, or the payload does not fit it.
    pub fn write_frame(&self, id: ConnId, payload: &[u8]) -> Result<Pressure> {
        let framing = self.mailbox(id)?.shared(id)?.framing();
        let framing = framing.ok_or_else(|| {
            let message = format!("connection {id} has no framing to write a frame with");
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        let encoded = framing.encode(payload)?;
        self.write_all(id, &[encoded.head(), payload, encoded.tail()], None)
    }

    /// Sends a datagram from a UDP endpoint to any address.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is too long for a
    /// datagram; [`Unsupported`](crate::ErrorKind::Unsupported) for a connection.
    pub fn send_to(&self, id: ConnId, to: SocketAddr, bytes: &[u8]) -> Result<Pressure> {
        let bounds = self.shared.bounds();
        self.route(id, |state| state.send_to(id, to, bytes), |mailbox| mailbox.send_to(id, to, bytes, bounds))
    }

    fn write_all(&self, id: ConnId, slices: &[&[u8]], completion: Option<Completion>) -> Result<Pressure> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => state.write(id, slices, completion),
            None => mailbox.write(id, slices, completion, self.shared.bounds()),
        }
    }
}

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
    /// As [`close`](Self::close).
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
    /// cannot be.
    pub fn set_framing(&self, id: ConnId, framing: Option<Framing>) -> Result<()> {
        framing.iter().try_for_each(Framing::check)?;
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
        let takes = mailbox.send(crate::command::Command::Run(Job::OnConn(id, Box::new(run))));
        takes.then_some(()).ok_or_else(|| closed_error(id))
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
        if let Some(peer) = mailbox.shared(id)?.peer() {
            return Ok(Address::Inet(peer));
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

/// New connections and listeners.
impl Handle {
    /// Connects to `[scheme://]address[?option=value&…]`, over TCP, UDP (`udp`, `udp4`, `udp6`) or a Unix
    /// socket. Names are looked up on a thread of their own, and every address is tried. The id is good at once:
    /// writes are queued until the connection is made and `on_open` is called; but over UDP they answer `closed`
    /// before `on_open`, because a queue of bytes keeps no borders. If it fails `on_close` is called
    /// alone, with [`CloseReason::ConnectFailed`] or [`CloseReason::TimedOut`].
    ///
    /// Options: `nodelay=BOOL`, `keepalive=IDLE[,INTERVAL[,COUNT]]`, `rcvbuf=N`, `sndbuf=N`, `device=NAME`,
    /// `bind=ADDRESS`.
    ///
    /// # Errors
    /// [`InvalidAddress`](crate::ErrorKind::InvalidAddress);
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a loop that there is not, or a framing that
    /// cannot be; [`WrongState`](crate::ErrorKind::WrongState) before the start and after a stop.
    pub fn connect(&self, url: &str, options: ConnectOptions) -> Result<ConnId> {
        outgoing::connect(self, url, options)
    }

    /// Gives a connected TCP or Unix stream to the engine, which owns the descriptor from then on; `on_open`
    /// follows. `options.timeout` has no meaning here.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the
    /// descriptor is no connected stream socket. It is closed then.
    pub fn enroll(&self, descriptor: OwnedFd, options: ConnectOptions) -> Result<ConnId> {
        outgoing::enroll(self, descriptor, options)
    }

    /// As [`Server::listen_with`](crate::Server::listen_with): before the start, in `on_start`, and while the
    /// server runs.
    ///
    /// # Errors
    /// As [`Server::listen_with`](crate::Server::listen_with).
    pub fn listen(&self, url: &str, options: &ListenOptions, conns: &ConnOptions) -> Result<Listening> {
        self.shared.listen(url, options, conns)
    }

    /// Stops listening: connects are refused when this returns. Connections of the listener go on; a UDP
    /// endpoint is closed once its queue is sent.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the server has no such listener any more.
    pub fn close_listener(&self, listener: ListenerId) -> Result<()> {
        self.shared.close_listener(listener)
    }

    /// The listeners, in the order of the `listen` calls.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listening> {
        self.shared.listeners()
    }

    /// The ids of a UDP listener's endpoints, from `on_start` on: one, or with `reuseport` one per loop. Empty
    /// for other listeners.
    #[must_use]
    pub fn endpoints(&self, listener: ListenerId) -> Vec<ConnId> {
        self.shared.endpoints(listener)
    }
}

/// Loops.
impl Handle {
    /// Runs a function on a loop, counted from 0. A function that panics is reported.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a loop that there is not;
    /// [`WrongState`](crate::ErrorKind::WrongState) before the start and after the loop's end.
    pub fn run_on(&self, on_loop: usize, run: impl FnOnce(&Handle) + Send + 'static) -> Result<()> {
        let mailbox = self.shared.mailbox_at(on_loop)?;
        let takes = mailbox.send(crate::command::Command::Run(Job::OnLoop(Box::new(run))));
        let ended = || Error::new(ErrorKind::WrongState, "cannot run a function: the loop has ended");
        takes.then_some(()).ok_or_else(ended)
    }

    /// The index of the loop that runs on the calling thread, if it is one of this server's.
    #[must_use]
    pub fn current_loop(&self) -> Option<usize> {
        self.mailboxes().iter().position(|mailbox| LoopState::current(mailbox).is_some())
    }

    /// Calls a function on the calling loop after `delay`, and again after each `repeat` if it is not zero.
    /// Both to the millisecond, rounded up, and counted from the time of the turn, which is read once when the turn
    /// begins. One that panics is reported. From elsewhere, use
    /// [`run_on`](Self::run_on).
    ///
    /// # Errors
    /// [`WrongThread`](crate::ErrorKind::WrongThread) on a thread that is no loop of this server;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) beyond 16,777,216 timers on one loop.
    pub fn start_timer(
        &self,
        delay: Duration,
        repeat: Duration,
        call: impl FnMut(&Handle) + 'static,
    ) -> Result<TimerId> {
        self.current_state("start a timer")?.start_loop_timer(delay, repeat, Box::new(call))
    }

    /// Ends a timer of the calling loop's; says whether there was one to end.
    ///
    /// # Errors
    /// [`WrongThread`](crate::ErrorKind::WrongThread) on a thread that is no loop of this server.
    pub fn cancel_timer(&self, timer: TimerId) -> Result<bool> {
        Ok(self.current_state("cancel a timer")?.cancel_timer(timer))
    }

    fn current_state(&self, call: &str) -> Result<std::rc::Rc<LoopState>> {
        let current = self.mailboxes().iter().find_map(LoopState::current);
        current.ok_or_else(|| {
            let message = format!("cannot {call}: the calling thread is no loop of this server; use run_on");
            Error::new(ErrorKind::WrongThread, message)
        })
    }

    /// The number of event loops; 0 before the start.
    #[must_use]
    pub fn loops(&self) -> usize {
        match self.shared.phase() {
            Phase::New => 0,
            _ => self.mailboxes().len(),
        }
    }
}

/// The server as a whole.
impl Handle {
    /// Asks the server to stop; it does so at once: each connection gets one more attempt to send what is
    /// queued, and is closed with [`CloseReason::Shutdown`]. Asynchronous; may be repeated, and may come
    /// before the start, which is then refused. Async-signal-safe: it stores a flag and writes to
    /// descriptors.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Asks the server to stop when its connections have finished: `on_stopping` is called, the listeners are
    /// closed, and connections may go on until all have ended or the deadline, counted from now, is over; what
    /// is left is then closed as by [`stop`](Self::stop). Zero is the server's
    /// [`stop_deadline`](crate::Config::stop_deadline). A further call can only bring the deadline forward.
    /// Asynchronous and async-signal-safe, as [`stop`](Self::stop).
    pub fn stop_gracefully(&self, deadline: Duration) {
        self.shared.stop_gracefully(deadline);
    }

    /// Whether [`stop`](Self::stop) or [`stop_gracefully`](Self::stop_gracefully) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// The addresses really bound, as URLs without a query, in the order of the `listen` calls.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.shared.listeners().into_iter().map(|listening| listening.address).collect()
    }

    /// Connections that are open, those being made or closed included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.mailboxes().iter().map(|mailbox| mailbox.connections()).sum()
    }

    /// Bytes written to connections and not yet taken by the kernel. Walks over all connections. 0 in a forked child
    /// of the process that started the server.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        match self.shared.expect_own_process() {
            Ok(()) => self.mailboxes().iter().map(|mailbox| mailbox.unsent()).sum(),
            Err(_) => 0,
        }
    }

    /// What happened so far, of the whole server; after the stop, too. It walks over all connections, for
    /// [`queued_bytes`](Metrics::queued_bytes): cheap enough to take every second.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// The same of one loop; `None` if there is no such loop. Refused connections and failures to accept are
    /// counted where they happen: with several loops, on the accepting thread, which only
    /// [`metrics`](Self::metrics) includes.
    #[must_use]
    pub fn loop_metrics(&self, on_loop: usize) -> Option<Metrics> {
        self.shared.loop_metrics(on_loop)
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        self.shared.mailboxes()
    }

    fn mailbox(&self, id: ConnId) -> Result<&Arc<Mailbox>> {
        self.shared.expect_own_process()?;
        let found = self.mailboxes().iter().find(|mailbox| mailbox.lease() == id.lease());
        found.ok_or_else(|| closed_error(id))
    }

    fn request(&self, id: ConnId, request: Request) -> Result<()> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => state.request(id, request),
            None => mailbox.request(id, request),
        }
    }

    /// Makes a call where the connection lives: on its loop if that runs on this thread, or else through its
    /// mailbox.
    fn route<T>(
        &self,
        id: ConnId,
        own: impl FnOnce(&LoopState) -> Result<T>,
        remote: impl FnOnce(&Arc<Mailbox>) -> Result<T>,
    ) -> Result<T> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => own(&state),
            None => remote(mailbox),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

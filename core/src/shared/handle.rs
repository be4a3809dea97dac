//! A server as callbacks and other threads see it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::address::ListenOptions;
use crate::api::outgoing;
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::timer::TimerId;
use crate::contract::metrics::Metrics;
use crate::contract::options::{ConnOptions, ConnectOptions, ListenerId, Listening};
use crate::loop_state::LoopState;
use crate::shared::mailbox::command::{Job, Request};
use crate::shared::mailbox::{closed_error, Mailbox};
use crate::shared::server::{Phase, Shared};

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

/// New connections and listeners.
impl Handle {
    /// Connects to `[scheme://]address[?option=value&…]`, over TCP, UDP (`udp`, `udp4`, `udp6`) or a Unix
    /// socket. Names are looked up on a thread of their own, and every address is tried. The id is good at once:
    /// writes are queued until the connection is made and `on_open` is called; but over UDP they answer `closed`
    /// before `on_open`, because a queue of bytes keeps no borders. If it fails `on_close` is called
    /// alone, with [`ConnectFailed`](crate::CloseReason::ConnectFailed) or
    /// [`TimedOut`](crate::CloseReason::TimedOut).
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
        let takes = mailbox.send(crate::shared::mailbox::command::Command::Run(Job::OnLoop(Box::new(run))));
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

    pub(crate) fn current_state(&self, call: &str) -> Result<std::rc::Rc<LoopState>> {
        let current = self.mailboxes().iter().find_map(|mailbox| LoopState::current(mailbox));
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
    /// queued, and is closed with [`Shutdown`](crate::CloseReason::Shutdown). Asynchronous; may be repeated, and
    /// may come before the start, which is then refused. Async-signal-safe: it stores a flag and writes to
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

    /// The server's handler has nothing to do before output is sent: it need not be asked again.
    #[doc(hidden)]
    pub fn has_no_pre_write(&self) {
        self.shared.has_no_pre_write();
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        self.shared.mailboxes()
    }

    pub(crate) fn mailbox(&self, id: ConnId) -> Result<&Arc<Mailbox>> {
        self.shared.expect_own_process()?;
        let found = self.mailboxes().iter().find(|mailbox| mailbox.lease() == id.lease());
        found.ok_or_else(|| closed_error(id))
    }

    /// Makes a call that runs no user code on the loop of a connection, if that is this thread's.
    #[inline]
    pub(crate) fn with_own_loop<T>(&self, id: ConnId, call: impl FnOnce(&LoopState) -> T) -> Option<T> {
        let mailbox = self.mailboxes().iter().find(|mailbox| mailbox.lease() == id.lease())?;
        mailbox.here.with(|state| state.is_of_this_process().then(|| call(state)))?
    }

    pub(crate) fn request(&self, id: ConnId, request: Request) -> Result<()> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => state.request(id, request),
            None => mailbox.request(id, request),
        }
    }

    /// Makes a call where the connection lives: on its loop if that runs on this thread, or else through its
    /// mailbox.
    pub(crate) fn route<T>(
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

//! A server as callbacks and other threads see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::address::ListenOptions;
use crate::base::conn_id::ConnId;
use crate::base::error::Result;
use crate::contract::metrics::Metrics;
use crate::contract::options::{ConnOptions, ListenerId, Listening, Waiting};
use crate::shared::mailbox::{closed_error, Mailbox};
use crate::shared::server::{Phase, ServerState};

/// A server as seen from anywhere: cheap to clone, usable from any thread, never blocking (but for looking up
/// the name of a listener).
///
/// Calls by id on the thread of the connection's own loop take the same path as the connection's own; from
/// elsewhere they go through the loop's mailbox. The order of the calls of one thread is kept. A handle does
/// not keep the server running.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<ServerState>,
}

/// Listeners.
impl Handle {
    /// As [`Server::listen_with`](crate::Server::listen_with): before the start, in `on_start`, and while the
    /// server runs.
    ///
    /// # Errors
    /// As [`Server::listen_with`](crate::Server::listen_with).
    pub fn listen(&self, url: &str, options: &ListenOptions, conns: &ConnOptions) -> Result<Listening> {
        self.shared.listen(url, options, conns)
    }

    /// Stops listening: when this returns, connects are refused and the address is free. Connections of the listener go
    /// on, and whoever the kernel had connected before is taken in and served; but who does not find a descriptor
    /// any more is reset. Before the start who waits is accepted and served by the start, in this process: a child that is
    /// forked in between does not serve them. Who waits at a socket that other processes may accept from is left to them then.
    ///
    /// A UDP endpoint's handler is given the datagrams that wait, and its answers are sent; the endpoint is closed
    /// then. The calling thread waits for that: for the loop's callback to return, and five seconds at most. In a callback
    /// of its own loop the endpoint is closed at once, after one attempt to send what is queued, and datagrams that wait
    /// are lost. In a callback of another loop, and on another thread than the host's of a hosted server, nobody waits:
    /// the address is free soon after.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the server has no such listener any more.
    pub fn close_listener(&self, listener: ListenerId) -> Result<()> {
        self.close_listener_with(listener, Waiting::Serve)
    }

    /// As [`close_listener`](Self::close_listener), and says what becomes of those who wait.
    ///
    /// # Errors
    /// As [`close_listener`](Self::close_listener).
    pub fn close_listener_with(&self, listener: ListenerId, waiting: Waiting) -> Result<()> {
        self.shared.close_listener(listener, waiting, false)
    }

    /// As [`close_listener_with`](Self::close_listener_with), for a thread that is not the host's of a hosted server, while the
    /// host goes on turning: it is waited for, as the loops of other servers are.
    ///
    /// # Errors
    /// As [`close_listener`](Self::close_listener).
    #[doc(hidden)]
    pub fn close_listener_beside_host(&self, listener: ListenerId, waiting: Waiting) -> Result<()> {
        self.shared.close_listener(listener, waiting, true)
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

/// The server as a whole.
impl Handle {
    /// The number of event loops; 0 before the start.
    #[must_use]
    pub fn loops(&self) -> usize {
        match self.shared.phase() {
            Phase::New => 0,
            _ => self.mailboxes().len(),
        }
    }

    /// Asks the server to stop; it does so at once: each connection gets one more attempt to send what is
    /// queued, and is closed with [`Shutdown`](crate::CloseReason::Shutdown); whoever has connected and had no
    /// callback yet is reset (TCP). Asynchronous; may be repeated, and
    /// may come before the start, which is then refused. Async-signal-safe: it stores a flag and writes to
    /// descriptors.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Asks the server to stop when its connections have finished: `on_stopping` is called, whoever the kernel has
    /// connected is taken in, datagrams that wait are delivered, the listeners are closed, and connections may go on until all have ended or the deadline, counted from now, is over; what
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

    /// The ids of the connections that are open, those being made or closed included, loop by loop. One that is accepted and
    /// waits for its loop has none yet. Empty in a forked child of the process that started the server.
    #[must_use]
    pub fn connection_ids(&self) -> Vec<ConnId> {
        match self.shared.expect_own_process() {
            Ok(()) => self.mailboxes().iter().flat_map(|mailbox| mailbox.ids()).collect(),
            Err(_) => Vec::new(),
        }
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

    /// The server is let go: an operator is told if it listens and was never started, once.
    #[doc(hidden)]
    pub fn tell_if_unstarted(&self) {
        self.shared.tell_if_unstarted();
    }

    /// A binding tells of a server that was never started.
    #[doc(hidden)]
    pub fn binding_tells_if_unstarted(&self) {
        self.shared.excuses.unstarted();
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
        self.shared.mailbox_of(id.lease()).ok_or_else(|| closed_error(id))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

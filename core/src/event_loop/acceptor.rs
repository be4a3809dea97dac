//! Accepting connections in batches, and surviving whatever accept answers.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::limits::{Admissions, Refusal};
use crate::base::panics::report;
use crate::contract::metrics::LoopMetrics;
use crate::contract::options::ListenerId;
use crate::listen::arrival::{Accepted, Placement};

use crate::sys::poller::Poller;
use crate::sys::socket;

/// Connections accepted from one listener before the others, and the loop, have their turn.
const BATCH: usize = 256;
/// Batches that are accepted at most when listeners close: more than the kernel queues by default.
pub(crate) const LAST_BATCHES: usize = 64;
/// How long accepting pauses when the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// The listeners that one thread accepts from. A listener's number is its token in the thread's poller.
#[derive(Default)]
pub(crate) struct Acceptor {
    listeners: Vec<(Placement, bool)>,
    /// Set while accepting pauses.
    retry_at: Option<Instant>,
    /// An outage has been logged and is not over.
    out: bool,
}

impl Acceptor {
    /// Takes a listener over.
    pub(crate) fn add(&mut self, placed: Placement, poller: &Poller) {
        let token = u64::from(placed.origin.listener.to_u32());
        match poller.add(placed.listener.as_fd(), token) {
            // Connections may wait already.
            Ok(()) => self.listeners.push((placed, true)),
            Err(error) => {
                report(format_args!("{}: cannot be polled: {error}", placed.listener.address()));
            }
        }
    }

    /// Forgets a listener; closing it is its last owner's part.
    pub(crate) fn remove(&mut self, listener: ListenerId, poller: &Poller) {
        let is_it = |placed: &Placement| placed.origin.listener == listener;
        let gone = self.listeners.iter().filter(|(placed, _)| is_it(placed));
        gone.for_each(|(placed, _)| poller.forget(placed.listener.as_fd()));
        self.listeners.retain(|(placed, _)| !is_it(placed));
    }

    /// Stops listening at all of them, and forgets them.
    pub(crate) fn clear(&mut self, poller: &Poller) {
        for (placed, _) in &self.listeners {
            poller.forget(placed.listener.as_fd());
            placed.listener.close_now();
        }
        *self = Acceptor::default();
    }

    /// The poller reported a token that may be a listener's.
    pub(crate) fn ready(&mut self, token: u64) {
        let is_it = |placed: &Placement| u64::from(placed.origin.listener.to_u32()) == token;
        self.listeners.iter_mut().filter(|(placed, _)| is_it(placed)).for_each(|(_, ready)| *ready = true);
    }

    /// Connections may wait at every listener: the poller was not asked lately.
    pub(crate) fn look_at_all(&mut self) {
        self.listeners.iter_mut().for_each(|(_, ready)| *ready = true);
    }

    /// Whether connections can be accepted without polling first.
    pub(crate) fn is_busy(&self) -> bool {
        self.retry_at.is_none() && self.is_due()
    }

    /// Whether connections may wait.
    pub(crate) fn is_due(&self) -> bool {
        self.listeners.iter().any(|(_, ready)| *ready)
    }

    /// When accepting resumes after a pause.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        // A listener that was closed meanwhile has nothing to resume.
        let retry_at = self.retry_at.filter(|_| self.is_due());
        retry_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Accepts a batch from every listener that is ready.
    pub(crate) fn accept(&mut self, door: &Door<'_>, mut take: impl FnMut(Accepted)) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        for (placed, ready) in self.listeners.iter_mut().filter(|(_, ready)| *ready) {
            match door.accept_batch(placed, &mut take) {
                Ok(more) => {
                    *ready = more;
                    self.out = false;
                }
                Err(error) => {
                    door.metrics.accept_errors.add(1);
                    self.retry_at = Some(Instant::now() + PAUSE);
                    if !std::mem::replace(&mut self.out, true) {
                        let address = placed.listener.address();
                        report(format_args!("{address}: cannot accept, trying again: {error}"));
                    }
                }
            }
        }
    }
}

/// What decides who comes in, and where that is counted.
pub(crate) struct Door<'a> {
    pub(crate) admissions: &'a Arc<Admissions>,
    pub(crate) metrics: &'a LoopMetrics,
    pub(crate) poller: &'a Poller,
}

impl Door<'_> {
    /// Accepts until the queue is empty or the batch is full; says whether there may be more.
    fn accept_batch(&self, placed: &Placement, take: &mut impl FnMut(Accepted)) -> io::Result<bool> {
        for _ in 0..BATCH {
            self.metrics.accepts.add(1);
            match socket::accept(placed.listener.as_fd()) {
                Ok((socket, peer)) => match self.admissions.admit(peer.map(|peer| peer.ip())) {
                    Ok(admission) => {
                        placed.listener.prepare_accepted(socket.as_fd())?;
                        let (origin, admission) = (Arc::clone(&placed.origin), admission.map(Box::new));
                        take(Accepted { socket, origin, peer, admission });
                    }
                    Err(Refusal::Connections) => self.metrics.refused_by_total.add(1),
                    Err(Refusal::PerAddress) => self.metrics.refused_by_address.add(1),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.poller.rearm_read(placed.listener.as_fd());
                    return Ok(false);
                }
                // The listener was shut down, and is about to be forgotten.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(false),
                Err(error) if is_of_one_connection(&error) => self.metrics.accept_errors.add(1),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Errors that concern the connection that would have been accepted, not the listener: accept(2), "Error
/// handling".
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EINTR
                | libc::ECONNABORTED
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
                | libc::EPERM
                | libc::ETIMEDOUT
        )
    )
}

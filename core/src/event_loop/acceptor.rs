//! Accepting connections in batches, and surviving whatever accept answers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::base::limits::{Admission, Admissions, Refusal};
use crate::base::notice::{tell, Kind};
use crate::base::panics::debug;
use crate::contract::metrics::LoopMetrics;
use crate::contract::options::ListenerId;
use crate::listen::arrival::{Accepted, Placement, Unserved};
use crate::sys::poller::Poller;

/// Connections accepted from one listener before the others, and the loop, have their turn.
const BATCH: usize = 256;
/// Batches that are accepted at most when listeners close: more than the kernel queues by default.
pub(crate) const LAST_BATCHES: usize = 64;
/// How long accepting from a listener pauses when it fails: descriptors or memory have run out, and may come back.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause after the second failure in a row that concerns one connection only. It doubles with each further one.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

/// The listeners that one thread accepts from. A listener's number is its token in the thread's poller.
#[derive(Default)]
pub(crate) struct Acceptor {
    listeners: Vec<Listening>,
}

/// A listener, and what accepting from it came to. One that fails does not hold the others up.
struct Listening {
    placed: Placement,
    /// Connections may wait.
    ready: bool,
    /// Failures in a row.
    failures: u32,
    /// Set while accepting pauses.
    retry_at: Option<Instant>,
    /// The pause was reported, and no connection was accepted since.
    reported: bool,
}

impl Listening {
    fn is(&self, listener: ListenerId) -> bool {
        self.placed.origin.listener == listener
    }

    /// Whether it accepts, or its pause is over.
    fn may_accept(&self) -> bool {
        self.ready && self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    fn succeeded(&mut self) {
        (self.failures, self.reported) = (0, false);
    }

    /// Says whether accepting pauses: it does after any error that repeats, whatever it is.
    fn failed(&mut self, error: &io::Error) -> bool {
        self.failures = self.failures.saturating_add(1);
        let pause = pause_after(self.failures, is_of_one_connection(error));
        self.retry_at = pause.map(|pause| Instant::now() + pause);
        if pause.is_some() && !std::mem::replace(&mut self.reported, true) {
            let address = self.placed.listener.address();
            tell(kind_of(error), format_args!("{address}: cannot accept, trying again: {error}"));
        }
        pause.is_some()
    }
}

/// Whether the system has run out of something, or the listener does not work.
fn kind_of(error: &io::Error) -> Kind {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Kind::Shortage,
        _ => Kind::Listener,
    }
}

/// How long to wait after so many failures in a row, of which the last may concern one connection only: then the next
/// one may be behind it.
fn pause_after(failures: u32, of_one_connection: bool) -> Option<Duration> {
    match failures {
        _ if !of_one_connection => Some(PAUSE),
        0 | 1 => None,
        _ => Some(SHORT_PAUSE.saturating_mul(1 << (failures - 2).min(16)).min(PAUSE)),
    }
}

impl Acceptor {
    /// Takes a listener over.
    pub(crate) fn add(&mut self, placed: Placement, poller: &Poller) {
        let token = u64::from(placed.origin.listener.to_u32());
        match placed.listener.while_open(|socket| poller.add(socket, token)) {
            // It was closed meanwhile.
            None => {}
            Some(Ok(())) => self.listeners.push(Listening {
                placed,
                // Connections may wait already.
                ready: true,
                failures: 0,
                retry_at: None,
                reported: false,
            }),
            Some(Err(error)) => {
                tell(
                    Kind::Listener,
                    format_args!("{}: cannot be polled: {error}", placed.listener.address()),
                );
            }
        }
    }

    /// Forgets a listener; closing it is its last owner's part.
    pub(crate) fn remove(&mut self, listener: ListenerId, poller: &Poller) {
        let gone = self.listeners.iter().filter(|listening| listening.is(listener));
        gone.for_each(|listening| poller.forget(listening.placed.listener.as_fd()));
        self.listeners.retain(|listening| !listening.is(listener));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self, poller: &Poller) {
        self.listeners.iter().for_each(|listening| poller.forget(listening.placed.listener.as_fd()));
        *self = Acceptor::default();
    }

    /// The poller reported a token that may be a listener's.
    pub(crate) fn ready(&mut self, token: u64) {
        let is_it =
            |listening: &&mut Listening| u64::from(listening.placed.origin.listener.to_u32()) == token;
        self.listeners.iter_mut().filter(is_it).for_each(|listening| listening.ready = true);
    }

    /// Connections may wait at every listener: the poller was not asked lately.
    pub(crate) fn look_at_all(&mut self) {
        self.listeners.iter_mut().for_each(|listening| listening.ready = true);
    }

    /// Whether connections can be accepted without polling first.
    pub(crate) fn is_busy(&self) -> bool {
        self.listeners.iter().any(|listening| listening.ready && listening.retry_at.is_none())
    }

    /// Whether connections may wait.
    pub(crate) fn is_due(&self) -> bool {
        self.listeners.iter().any(|listening| listening.ready)
    }

    /// When accepting resumes after a pause.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let paused = self.listeners.iter().filter(|listening| listening.ready);
        let next = paused.filter_map(|listening| listening.retry_at).min();
        next.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Accepts a batch from every listener that is ready.
    pub(crate) fn accept(&mut self, door: &Door<'_>, mut take: impl FnMut(Accepted)) {
        for listening in self.listeners.iter_mut().filter(|listening| listening.may_accept()) {
            listening.retry_at = None;
            door.accept_batch(listening, &mut take);
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
    /// Accepts until the queue is empty, the batch is full, or accepting pauses.
    fn accept_batch(&self, from: &mut Listening, take: &mut impl FnMut(Accepted)) {
        for _ in 0..BATCH {
            self.metrics.accepts.add(1);
            match from.placed.listener.accept() {
                Ok((socket, peer)) => {
                    from.succeeded();
                    self.admit_new(&from.placed, socket, peer, take);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.poller.rearm_read(from.placed.listener.as_fd());
                    from.succeeded();
                    from.ready = false;
                    return;
                }
                // The listener was closed, and is about to be forgotten.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    from.ready = false;
                    return;
                }
                Err(error) => {
                    self.metrics.accept_errors.add(1);
                    if from.failed(&error) {
                        return;
                    }
                }
            }
        }
    }

    /// Lets a connection in that was accepted, if it is admitted.
    fn admit_new(&self, placed: &Placement, socket: OwnedFd, peer: Address, take: &mut impl FnMut(Accepted)) {
        let Some(admission) = self.admit(&peer) else { return };
        match placed.listener.prepare_accepted(socket.as_fd()) {
            Ok(()) => {
                let (socket, origin) = (Unserved::new(socket), Arc::clone(&placed.origin));
                take(Accepted { socket, origin, peer, admission });
            }
            // It ends this connection, and no other.
            Err(error) => {
                self.metrics.accept_errors.add(1);
                debug(format_args!("{}: a connection is dropped: {error}", placed.listener.address()));
            }
        }
    }

    /// Gives a connection that was accepted elsewhere its place, and says whether it has one. Otherwise it is closed.
    pub(crate) fn let_in(&self, accepted: &mut Accepted) -> bool {
        match self.admit(&accepted.peer) {
            Some(admission) => accepted.admission = admission,
            None => drop(accepted.socket.take()),
        }
        accepted.socket.is_there()
    }

    /// The place of a connection, if the limits leave one; without limits there is none to give back.
    fn admit(&self, peer: &Address) -> Option<Option<Box<Admission>>> {
        match self.admissions.admit(peer.inet().map(|peer| peer.ip())) {
            Ok(admission) => return Some(admission.map(Box::new)),
            Err(Refusal::Connections) => self.metrics.refused_by_total.add(1),
            Err(Refusal::PerAddress) => self.metrics.refused_by_address.add(1),
        }
        None
    }
}

/// Errors that concern the connection that would have been accepted, not the listener: accept(2), "Error
/// handling". A filter can answer any of them for good, so only the first in a row is taken for that.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_repeats_pauses_and_what_concerns_one_connection_longer_each_time() {
        let millis = |failures, one| pause_after(failures, one).map(|pause| pause.as_millis());
        assert_eq!([1, 2, 9].map(|failures| millis(failures, false)), [Some(100); 3]);
        let pauses = [1, 2, 3, 4, 8, 9, 1000, u32::MAX].map(|failures| millis(failures, true));
        assert_eq!(pauses, [None, Some(1), Some(2), Some(4), Some(64), Some(100), Some(100), Some(100)]);
    }
}

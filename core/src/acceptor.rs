//! Accepting connections in batches, and surviving whatever accept answers.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::handle::Handle;
use crate::listener::Listener;
use crate::mailbox::{Accepted, Command};
use crate::panics::report;
use crate::sys::poller::{Event, Events, Poller};
use crate::sys::socket;

/// Connections accepted from one listener before the others, and the loop, have their turn.
const BATCH: usize = 256;
/// How long accepting pauses when the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// The token of a thread's waker in its poller; connection ids are never so small.
pub(crate) const WAKER: u64 = 0;

/// The listeners of a server, polled by one thread. Listener `n` has the token `n + 1`.
pub(crate) struct Acceptor {
    listeners: Vec<(Listener, bool)>,
    /// Set while accepting pauses.
    retry_at: Option<Instant>,
    /// An outage has been logged and is not over.
    out: bool,
}

impl Acceptor {
    /// Registers the listeners with the poller of the thread that will accept.
    pub(crate) fn register(listeners: &[Listener], poller: &Poller) -> io::Result<()> {
        let mut tokens = listeners.iter().zip(WAKER + 1..);
        tokens.try_for_each(|(listener, token)| poller.add(listener.as_fd(), token))
    }

    /// Takes registered listeners over. A connection that waits already is reported by the poller.
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        let listeners = listeners.into_iter().map(|listener| (listener, false)).collect();
        Acceptor { listeners, retry_at: None, out: false }
    }

    /// The poller reported a token that may be a listener's.
    pub(crate) fn ready(&mut self, token: u64) {
        let index = usize::try_from(token - WAKER - 1).unwrap_or(usize::MAX);
        if let Some((_, ready)) = self.listeners.get_mut(index) {
            *ready = true;
        }
    }

    /// Whether connections can be accepted without polling first.
    pub(crate) fn is_busy(&self) -> bool {
        self.retry_at.is_none() && self.listeners.iter().any(|(_, ready)| *ready)
    }

    /// When accepting resumes after a pause.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Accepts a batch from every listener that is ready.
    pub(crate) fn accept(&mut self, mut take: impl FnMut(Accepted)) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        for (listener, ready) in self.listeners.iter_mut().filter(|(_, ready)| *ready) {
            match accept_batch(listener, &mut take) {
                Ok(more) => {
                    *ready = more;
                    self.out = false;
                }
                Err(error) => {
                    self.retry_at = Some(Instant::now() + PAUSE);
                    if !std::mem::replace(&mut self.out, true) {
                        report(format_args!("{}: cannot accept, trying again: {error}", listener.address()));
                    }
                }
            }
        }
    }
}

/// Accepts until the queue is empty or the batch is full; says whether there may be more.
fn accept_batch(listener: &Listener, take: &mut impl FnMut(Accepted)) -> io::Result<bool> {
    for _ in 0..BATCH {
        match socket::accept(listener.as_fd()) {
            Ok(socket) => take(Accepted { socket, unix: listener.is_unix() }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
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

/// The thread that accepts for several loops and deals the connections round-robin.
pub(crate) struct AcceptThread {
    pub(crate) server: Handle,
    pub(crate) poller: Poller,
    pub(crate) acceptor: Acceptor,
}

impl AcceptThread {
    /// Accepts until the server stops.
    pub(crate) fn run(mut self) {
        let mut events = Events::new();
        let mut next = 0;
        while !self.server.is_stopping() {
            let timeout = match self.acceptor.is_busy() {
                true => Some(Duration::ZERO),
                false => self.acceptor.next_due().map(|at| at.saturating_duration_since(Instant::now())),
            };
            if let Err(error) = self.poller.poll(&mut events, timeout) {
                report(format_args!("polling for connections failed: {error}; the server stops"));
                return self.server.stop();
            }
            for Event { token, .. } in events.iter() {
                match token {
                    WAKER => self.server.shared.drain_accept_waker(),
                    _ => self.acceptor.ready(token),
                }
            }
            self.deal(&mut next);
        }
    }

    fn deal(&mut self, next: &mut usize) {
        let loops = self.server.mailboxes();
        let mut dealt: Vec<Vec<Command>> = loops.iter().map(|_| Vec::new()).collect();
        self.acceptor.accept(|accepted| {
            dealt[*next].push(Command::Open(accepted));
            *next = (*next + 1) % loops.len();
        });
        for (mailbox, commands) in loops.iter().zip(dealt).filter(|(_, commands)| !commands.is_empty()) {
            mailbox.post(commands);
            mailbox.wake();
        }
    }
}

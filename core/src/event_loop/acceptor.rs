//! Accepting connections in batches, and surviving whatever accept answers.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::error::{Error, Result};
use crate::base::limits::{Admissions, Refusal};
use crate::base::panics::report;
use crate::contract::metrics::LoopMetrics;
use crate::contract::options::ListenerId;
use crate::listen::balancer::Balancer;
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::{Accepted, Command, Listening};
use crate::sys::poller::{Event, Events, Poller};
use crate::sys::socket;
use crate::sys::waker::Waker;

/// Connections accepted from one listener before the others, and the loop, have their turn.
const BATCH: usize = 256;
/// Batches that are accepted at most when listeners close: more than the kernel queues by default.
pub(crate) const LAST_BATCHES: usize = 64;
/// How long accepting pauses when the system is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// The token of a thread's waker in its poller; connection ids are never so small.
pub(crate) const WAKER: u64 = 0;

/// The listeners that one thread accepts from. A listener's number is its token in the thread's poller.
#[derive(Default)]
pub(crate) struct Acceptor {
    listeners: Vec<(Listening, bool)>,
    /// Set while accepting pauses.
    retry_at: Option<Instant>,
    /// An outage has been logged and is not over.
    out: bool,
}

impl Acceptor {
    /// Takes a listener over.
    pub(crate) fn add(&mut self, listening: Listening, poller: &Poller) {
        let token = u64::from(listening.origin.listener.to_u32());
        match poller.add(listening.listener.as_fd(), token) {
            // Connections may wait already.
            Ok(()) => self.listeners.push((listening, true)),
            Err(error) => {
                report(format_args!("{}: cannot be polled: {error}", listening.listener.address()));
            }
        }
    }

    /// Forgets a listener; closing it is its last owner's part.
    pub(crate) fn remove(&mut self, listener: ListenerId) {
        self.listeners.retain(|(listening, _)| listening.origin.listener != listener);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Acceptor::default();
    }

    /// The poller reported a token that may be a listener's.
    pub(crate) fn ready(&mut self, token: u64) {
        let is_it = |listening: &Listening| u64::from(listening.origin.listener.to_u32()) == token;
        self.listeners
            .iter_mut()
            .filter(|(listening, _)| is_it(listening))
            .for_each(|(_, ready)| *ready = true);
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
        for (listening, ready) in self.listeners.iter_mut().filter(|(_, ready)| *ready) {
            match door.accept_batch(listening, &mut take) {
                Ok(more) => {
                    *ready = more;
                    self.out = false;
                }
                Err(error) => {
                    door.metrics.accept_errors.add(1);
                    self.retry_at = Some(Instant::now() + PAUSE);
                    if !std::mem::replace(&mut self.out, true) {
                        let address = listening.listener.address();
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
}

impl Door<'_> {
    /// Accepts until the queue is empty or the batch is full; says whether there may be more.
    fn accept_batch(&self, listening: &Listening, take: &mut impl FnMut(Accepted)) -> io::Result<bool> {
        for _ in 0..BATCH {
            self.metrics.accepts.add(1);
            match socket::accept(listening.listener.as_fd()) {
                Ok((socket, peer)) => match self.admissions.admit(peer.map(|peer| peer.ip())) {
                    Ok(admission) => {
                        listening.listener.prepare_accepted(socket.as_fd())?;
                        take(Accepted { socket, origin: Arc::clone(&listening.origin), peer, admission });
                    }
                    Err(Refusal::Connections) => self.metrics.refused_by_total.add(1),
                    Err(Refusal::PerAddress) => self.metrics.refused_by_address.add(1),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
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

/// What the accepting thread is asked for.
pub(crate) enum AcceptCommand {
    Listen(Listening),
    Close(ListenerId),
}

/// How other threads reach the accepting thread.
pub(crate) struct AcceptBox {
    poller: Poller,
    waker: Waker,
    pub(crate) metrics: LoopMetrics,
    /// `None` once the thread takes no more.
    commands: Mutex<Option<Vec<AcceptCommand>>>,
    /// The thread has dealt the last connection.
    done: AtomicBool,
}

impl AcceptBox {
    pub(crate) fn new() -> Result<Self> {
        let resources = || -> io::Result<(Poller, Waker)> {
            let (poller, waker) = (Poller::new()?, Waker::new()?);
            poller.add_level(waker.as_fd(), WAKER)?;
            Ok((poller, waker))
        };
        let (poller, waker) = resources().map_err(|error| Error::system("start accepting", &error))?;
        let commands = Mutex::new(Some(Vec::new()));
        Ok(AcceptBox {
            poller,
            waker,
            metrics: LoopMetrics::default(),
            commands,
            done: AtomicBool::new(false),
        })
    }

    /// Asks the thread for something; when it has ended, nobody does it, and a listener is closed.
    pub(crate) fn send(&self, command: AcceptCommand) {
        match &mut *self.lock() {
            Some(commands) => commands.push(command),
            None => return,
        }
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<AcceptCommand>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no further connection will be dealt.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Lets the thread look at the server's state. Async-signal-safe.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    fn take(&self) -> Vec<AcceptCommand> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The thread ends: what is left to do, and nothing more is taken.
    fn end(&self) -> Vec<AcceptCommand> {
        self.lock().take().unwrap_or_default()
    }
}

/// The thread that accepts for several loops and deals the connections out.
pub(crate) struct AcceptThread {
    server: Handle,
    acceptor: Acceptor,
    balancer: Balancer,
}

impl AcceptThread {
    pub(crate) fn new(server: Handle) -> Self {
        let seed = u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let balancer = Balancer::new(server.shared.config.balance, seed);
        AcceptThread { server, acceptor: Acceptor::default(), balancer }
    }

    /// Accepts until the server stops, or begins to.
    pub(crate) fn run(mut self, accepting: &AcceptBox) {
        let mut events = Events::new();
        while !self.server.shared.listeners_are_closing() {
            let timeout = match self.acceptor.is_busy() {
                true => Some(Duration::ZERO),
                false => self.acceptor.next_due(),
            };
            accepting.metrics.polls.add(1);
            if let Err(error) = accepting.poller.poll(&mut events, timeout) {
                report(format_args!("polling for connections failed: {error}; the server stops"));
                return self.server.stop();
            }
            self.turn(accepting, &events);
        }
        self.end(accepting);
    }

    /// Those who connected before the listeners close are let in, if the server takes its time to stop.
    fn end(mut self, accepting: &AcceptBox) {
        self.obey(accepting.end(), accepting);
        self.acceptor.look_at_all();
        for _ in 0..LAST_BATCHES {
            if self.server.shared.is_ending() || !self.acceptor.is_busy() {
                break;
            }
            self.deal(accepting);
        }
        self.acceptor.clear();
        accepting.done.store(true, Ordering::SeqCst);
        self.server.shared.connection_ended();
    }

    fn turn(&mut self, accepting: &AcceptBox, events: &Events) {
        for Event { token, .. } in events.iter() {
            match token {
                WAKER => {
                    accepting.metrics.wakeups.add(1);
                    accepting.waker.drain();
                }
                _ => self.acceptor.ready(token),
            }
        }
        self.obey(accepting.take(), accepting);
        self.deal(accepting);
    }

    fn obey(&mut self, commands: Vec<AcceptCommand>, accepting: &AcceptBox) {
        for command in commands {
            match command {
                AcceptCommand::Listen(listening) => self.acceptor.add(listening, &accepting.poller),
                AcceptCommand::Close(listener) => self.acceptor.remove(listener),
            }
        }
    }

    fn deal(&mut self, accepting: &AcceptBox) {
        if !self.acceptor.is_busy() && self.acceptor.next_due() != Some(Duration::ZERO) {
            return;
        }
        let loops = self.server.mailboxes();
        let mut open: Vec<usize> = loops.iter().map(|mailbox| mailbox.load()).collect();
        let mut dealt: Vec<Vec<Command>> = loops.iter().map(|_| Vec::new()).collect();
        let door = Door { admissions: &self.server.shared.admissions, metrics: &accepting.metrics };
        let balancer = &mut self.balancer;
        self.acceptor.accept(&door, |accepted| {
            let index = balancer.pick(accepted.peer.map(|peer| peer.ip()), &open);
            open[index] += 1;
            dealt[index].push(Command::Open(accepted));
        });
        for (mailbox, commands) in loops.iter().zip(dealt).filter(|(_, commands)| !commands.is_empty()) {
            mailbox.deal(commands);
        }
    }
}

//! What a server shares with its threads and handles: where it stands in its life, its loops, its listeners.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use crate::base::budget::Budget;
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::Admissions;
use crate::contract::carries::Carries;
use crate::contract::config::Config;
use crate::contract::metrics::Metrics;
use crate::dial::resolver::Resolver;
use crate::framing::Framing;
use crate::shared::accept_box::AcceptBox;
use crate::shared::forgotten::Excuses;
use crate::shared::holders::condemn;
use crate::shared::listeners::Records;
use crate::shared::loops::Loops;
use crate::shared::mailbox::{Bounds, Mailbox};
use crate::shared::seed::Seed;
use crate::sys::clock::Clock;
use crate::sys::waker::Waker;
use crate::sys::{fork, memory};

mod stopping;

/// Where a server stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    Starting,
    Running,
    /// Its host drives it, and the first turn is still to come.
    HostedNew,
    /// Its host drives it.
    Hosted,
}

impl Phase {
    /// Whether there are loops that take listeners over.
    pub(crate) fn is_running(self) -> bool {
        matches!(self, Phase::Running | Phase::Hosted)
    }

    pub(crate) fn is_hosted(self) -> bool {
        matches!(self, Phase::HostedNew | Phase::Hosted)
    }
}

/// What the lock of a server guards.
pub(crate) struct Control {
    pub(crate) phase: Phase,
    pub(crate) listeners: Records,
}

pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) carries: Carries,
    pub(crate) clock: Clock,
    pub(crate) admissions: Arc<Admissions>,
    pub(crate) budget: Budget,
    pub(crate) resolver: Resolver,
    /// Why nobody is told that a step was forgotten.
    pub(crate) excuses: Excuses,
    /// How far the stop has come.
    stop: AtomicU8,
    /// Loops whose listeners are closed.
    drained: AtomicUsize,
    /// When the graceful stop is over, in milliseconds of the clock.
    drain_until: AtomicU64,
    /// The loops, from the start on.
    loops: OnceLock<Loops>,
    /// What the loops are made of, between a start that failed and the next.
    seeds: Mutex<Vec<Seed>>,
    /// How to reach the thread that accepts, which there is with several loops.
    accepting: OnceLock<AcceptBox>,
    /// The loop that gets the next outgoing connection.
    next_loop: AtomicUsize,
    /// The process that started the threads, as [`fork::process`] numbers it; 0 before the start.
    started_by: AtomicU32,
    /// Readable when everything has ended. Never drained. Made with the loops: forked processes that each start
    /// their copy of the server must not share it.
    ended: OnceLock<Waker>,
    /// The process that made the loops, as [`fork::process`] numbers it.
    made_by: AtomicU32,
    /// Threads that have not ended.
    pub(crate) running: AtomicUsize,
    /// The handler has nothing to do before output is sent, as was found by asking it.
    pre_write_is_unused: AtomicBool,
    control: Mutex<Control>,
    /// The threads, until somebody has waited for them.
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Locks, also after a panic: what these locks guard is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ServerState {
    pub(crate) fn new(mut config: Config, carries: Carries) -> Result<Self> {
        if config.byte_budget == 0 {
            config.byte_budget = (memory::usable() / 4).max(1);
        }
        Ok(ServerState {
            carries,
            clock: Clock::new(),
            admissions: Admissions::new(config.max_connections, config.max_connections_per_address),
            budget: Budget::new(config.byte_budget),
            resolver: Resolver::new(),
            excuses: Excuses::none(),
            stop: AtomicU8::new(stopping::GOING),
            drained: AtomicUsize::new(0),
            drain_until: AtomicU64::new(u64::MAX),
            loops: OnceLock::new(),
            seeds: Mutex::default(),
            accepting: OnceLock::new(),
            next_loop: AtomicUsize::new(0),
            started_by: AtomicU32::new(0),
            ended: OnceLock::new(),
            made_by: AtomicU32::new(0),
            running: AtomicUsize::new(0),
            pre_write_is_unused: AtomicBool::new(false),
            control: Mutex::new(Control { phase: Phase::New, listeners: Records::default() }),
            threads: Mutex::default(),
            config,
        })
    }

    pub(crate) fn control(&self) -> MutexGuard<'_, Control> {
        lock(&self.control)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.control().phase
    }

    pub(crate) fn bounds(&self) -> Bounds<'_> {
        Bounds { config: &self.config, budget: &self.budget, clock: &self.clock }
    }

    // ---- start ----

    /// Lets one start through.
    pub(crate) fn begin_start(&self) -> Result<()> {
        let mut control = self.control();
        if control.phase != Phase::New {
            return Err(Error::new(ErrorKind::WrongState, "cannot start: the server was started already"));
        }
        if !self.mailboxes().is_empty() && self.made_by.load(Ordering::SeqCst) != fork::process() {
            let message = "cannot start: a start has failed before the fork, and its loops are the parent's";
            return Err(Error::new(ErrorKind::WrongState, message));
        }
        control.phase = Phase::Starting;
        Ok(())
    }

    /// The start is over. One that failed leaves the server as it was, or, when it is to stop, for good.
    pub(crate) fn end_start(&self, started: bool) {
        self.control().phase = if started { Phase::Running } else { Phase::New };
        if started {
            return;
        }
        self.excuses.unstarted();
        if self.is_stopping() {
            self.close_unplaced_listeners();
        }
    }

    pub(crate) fn set_hosted(&self) {
        self.control().phase = Phase::HostedNew;
        self.set_started_here();
    }

    /// What the loops are made of: new, or left over from a start that failed. From here on the loops are
    /// known.
    pub(crate) fn take_seeds(&self) -> Result<Vec<Seed>> {
        let mut seeds = std::mem::take(&mut *lock(&self.seeds));
        if seeds.is_empty() {
            let ended = Waker::new().map_err(|error| Error::system("start", &error))?;
            self.made_by.store(fork::process(), Ordering::SeqCst);
            seeds = (0..self.config.loops).map(|_| Seed::new()).collect::<Result<Vec<_>>>()?;
            if self.config.loops > 1 {
                let accepting = AcceptBox::new()?;
                let _ = self.accepting.set(accepting);
            }
            // A start that failed before this point left nothing, but perhaps this.
            let _ = self.ended.set(ended);
            let mailboxes = seeds.iter().map(|seed| Arc::clone(&seed.mailbox)).collect();
            let fresh = self.loops.set(Loops::new(mailboxes));
            debug_assert!(fresh.is_ok(), "the seeds are made once");
            self.register_endpoints();
        }
        Ok(seeds)
    }

    pub(crate) fn put_seeds_back(&self, seeds: Vec<Seed>) {
        *lock(&self.seeds) = seeds;
    }

    pub(crate) fn accepting(&self) -> Option<&AcceptBox> {
        self.accepting.get()
    }

    /// The threads belong to this process: not to its parent.
    pub(crate) fn is_started_here(&self) -> bool {
        // In this order: a signal handler may ask before there is anything to compare.
        self.is_started() && self.started_by.load(Ordering::SeqCst) == fork::process()
    }

    /// Remembers whose threads they are.
    pub(crate) fn set_started_here(&self) {
        self.started_by.store(fork::process(), Ordering::SeqCst);
    }

    /// The start goes on in the parent of this process, which `on_start` has forked.
    pub(crate) fn left_to(&self, parent: u32) -> Error {
        self.started_by.store(parent, Ordering::SeqCst);
        Error::new(ErrorKind::WrongState, "the server is started in the parent, which has forked in on_start")
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started_by.load(Ordering::SeqCst) != 0
    }

    /// Refuses calls in a child of the process that started the server, before they meet a lock that one of the
    /// parent's threads may have held at the fork.
    pub(crate) fn expect_own_process(&self) -> Result<()> {
        if self.is_started() && !self.is_started_here() {
            let message = "the server was started before the fork, and runs in the parent";
            return Err(Error::new(ErrorKind::WrongState, message));
        }
        Ok(())
    }

    /// Refuses a framing that cannot be, and one that cannot be brought to the handler.
    pub(crate) fn expect_framing(&self, framing: Option<&Framing>) -> Result<()> {
        let Some(framing) = framing else { return Ok(()) };
        framing.check()?;
        match self.carries.commands || !framing.cuts_commands() {
            true => Ok(()),
            false => {
                let message =
                    "the framing resp cuts commands, and there is nobody to tell their arguments (in Node: onCommand)";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    // ---- loops ----

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        self.loops.get().map_or(&[], Loops::all)
    }

    /// The mailbox of the loop whose ids have this lease.
    #[inline]
    pub(crate) fn mailbox_of(&self, lease: u16) -> Option<&Arc<Mailbox>> {
        self.loops.get()?.of_lease(lease)
    }

    pub(crate) fn mailbox_at(&self, index: usize) -> Result<&Arc<Mailbox>> {
        self.expect_own_process()?;
        let mailboxes = self.mailboxes();
        if mailboxes.is_empty() {
            return Err(Error::new(ErrorKind::WrongState, "the server is not started: it has no loops yet"));
        }
        mailboxes.get(index).ok_or_else(|| {
            let message = format!("there is no loop {index}: the server has {}", mailboxes.len());
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }

    /// Each loop in its turn, for outgoing connections.
    pub(crate) fn next_mailbox(&self) -> Result<&Arc<Mailbox>> {
        let next = self.next_loop.fetch_add(1, Ordering::Relaxed);
        self.mailbox_at(next % self.mailboxes().len().max(1))
    }

    /// Refuses what only a server that runs, or is starting, can do.
    pub(crate) fn expect_running(&self, call: &str) -> Result<()> {
        let wrong = |why| Err(Error::new(ErrorKind::WrongState, format!("cannot {call}: {why}")));
        match self.mailboxes().is_empty() {
            true => wrong("the server is not started"),
            false if self.is_stopping() => wrong("the server is stopping"),
            false => self.expect_own_process(),
        }
    }

    /// While more is held than the budget allows: chooses who is closed for it, and tells their loops. Those of the loop
    /// that is `here`, by its lease, are left to the caller.
    pub(crate) fn relieve(&self, here: Option<u16>) -> Vec<ConnId> {
        if !self.budget.is_exceeded() {
            return Vec::new();
        }
        let chosen = condemn(self.mailboxes(), &self.budget, self.clock.now());
        let (own, others): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|id| Some(id.lease()) == here);
        for id in others {
            self.mailbox_of(id.lease()).into_iter().for_each(|mailbox| mailbox.evict(id));
        }
        own
    }

    pub(crate) fn wake_loops(&self) {
        self.mailboxes().iter().for_each(|mailbox| mailbox.wake());
    }

    pub(crate) fn has_no_pre_write(&self) {
        self.pre_write_is_unused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_pre_write_unused(&self) -> bool {
        self.pre_write_is_unused.load(Ordering::Relaxed)
    }

    // ---- seeing inside ----

    pub(crate) fn metrics(&self) -> Metrics {
        if self.expect_own_process().is_err() {
            return Metrics::default();
        }
        let mut sum =
            self.accepting().map_or_else(Metrics::default, |accepting| accepting.metrics.snapshot());
        for mailbox in self.mailboxes() {
            sum += &snapshot(mailbox);
        }
        sum
    }

    pub(crate) fn loop_metrics(&self, index: usize) -> Option<Metrics> {
        self.expect_own_process().ok()?;
        self.mailboxes().get(index).map(|mailbox| snapshot(mailbox))
    }
}

fn snapshot(mailbox: &Mailbox) -> Metrics {
    let mut metrics = mailbox.metrics.snapshot();
    metrics.connections = mailbox.connections() as u64;
    metrics.queued_bytes = mailbox.unsent() as u64;
    metrics
}

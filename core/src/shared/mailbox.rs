//! What reaches a loop from other threads: commands, under a lock held for a few instructions, and a waker
//! that is used only when the loop sleeps. Sending never blocks and never fails for want of room; what bounds
//! it is each connection's own limit.

use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::budget::Budget;
use crate::base::conn_id::{ConnId, Lease};
use crate::base::error::{Error, Result};
use crate::base::panics::{catch, report};
use crate::base::slab::IdTable;
use crate::conn::datagram::endpoint::cost;
use crate::conn::request::Request;
use crate::conn::shared::ConnShared;
use crate::contract::action::Completed;
use crate::contract::config::Config;
use crate::contract::metrics::LoopMetrics;
use crate::loop_state::LoopState;
use crate::shared::holders::Holders;
use crate::shared::mailbox::command::{Closing, Command, HandedIn};
use crate::shared::mailbox::cork::add_corked;
use crate::sys::clock::Clock;
use crate::sys::copies;
use crate::sys::on_thread::OnThread;
use crate::sys::waker::Waker;

pub(crate) mod command;
pub(crate) mod cork;
mod refusals;
mod registry;
mod writing;

pub(crate) use refusals::{
    budget_error, closed_error, expect_request, full_error, no_detach_error, no_endpoint_error,
    no_sender_error, note_request,
};
pub(crate) use writing::{counted, MUCH};

/// What the lock guards.
struct Inner {
    commands: Vec<Command>,
    /// The loop's connections.
    conns: IdTable<Arc<ConnShared>>,
    /// The loop has ended: nothing is delivered any more.
    ended: bool,
}

impl Inner {
    /// The connection, if it is there and the loop still carries out what it is asked.
    fn find(&self, id: ConnId) -> Result<&Arc<ConnShared>> {
        let found = if self.ended { None } else { self.conns.get(id) };
        found.filter(|shared| !shared.is_gone()).ok_or_else(|| closed_error(id))
    }
}

/// What bounds the bytes that are handed in.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) config: &'a Config,
    pub(crate) budget: &'a Budget,
    pub(crate) clock: &'a Clock,
}

pub(crate) struct Mailbox {
    lease: u16,
    waker: Waker,
    /// The loop is about to sleep or sleeps: the next sender must wake it.
    asleep: AtomicBool,
    /// Commands were left since the loop last took some. Set and cleared with the lock held.
    pending: AtomicBool,
    /// Streams that have an id, closing ones included. Changes with the lock held.
    open: AtomicUsize,
    /// Connections that were dealt to the loop and are not taken in yet.
    dealt: AtomicUsize,
    pub(crate) metrics: LoopMetrics,
    /// Who holds bytes on the loop.
    pub(crate) holders: Holders,
    /// The loop itself, for its own thread.
    pub(crate) here: OnThread<Rc<LoopState>>,
    inner: Mutex<Inner>,
}

impl Mailbox {
    pub(crate) fn new() -> Result<Self> {
        let conns = IdTable::under(Lease::take(copies::next_number)?);
        let lease = conns.lease();
        let waker = Waker::new().map_err(|error| Error::system("open an event loop", &error))?;
        Ok(Mailbox {
            lease,
            waker,
            asleep: AtomicBool::new(false),
            pending: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            dealt: AtomicUsize::new(0),
            metrics: LoopMetrics::default(),
            holders: Holders::default(),
            here: OnThread::new(),
            inner: Mutex::new(Inner { commands: Vec::new(), conns, ended: false }),
        })
    }

    /// The lease of the loop's ids.
    pub(crate) fn lease(&self) -> u16 {
        self.lease
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- any thread ----

    /// Leaves commands without waking the loop; gives them back if it has ended.
    #[must_use]
    pub(crate) fn post(&self, commands: Vec<Command>) -> Vec<Command> {
        let mut inner = self.lock();
        if inner.ended {
            return commands;
        }
        match inner.commands.is_empty() {
            // The usual case: no memory is asked for twice.
            true => inner.commands = commands,
            false => inner.commands.extend(commands),
        }
        self.note_pending(&inner);
        Vec::new()
    }

    /// Leaves a command and wakes the loop, now or when the thread's cork is pulled. Says whether the loop will
    /// carry it out, as far as that can be said now.
    pub(crate) fn send(self: &Arc<Self>, command: Command) -> bool {
        let mut command = Some(command);
        if add_corked(self, |commands| commands.extend(command.take())) {
            return !self.lock().ended;
        }
        let Some(command) = command else { return false };
        {
            let mut inner = self.lock();
            if inner.ended {
                drop(inner);
                // Without the lock: what the user gave along may call back.
                drop(command);
                return false;
            }
            inner.commands.push(command);
            self.note_pending(&inner);
        }
        self.wake();
        true
    }

    /// Something was left for the loop; to be called before the lock is given back.
    fn note_pending(&self, _locked: &Inner) {
        self.pending.store(true, Ordering::SeqCst);
    }

    /// Commands that no loop will carry out: completions are cancelled, ids are given back. What was counted for them
    /// is taken back by `uncount`, which gets the connection, the bytes, and what the budget counts for them.
    pub(crate) fn abandon(
        &self,
        commands: Vec<Command>,
        uncount: impl Fn(ConnId, Option<&ConnShared>, usize, usize),
    ) {
        for command in commands {
            let (id, len, counted, completion) = match command {
                Command::Write(id, HandedIn { bytes, counted, completion, .. }) => {
                    (id, bytes.len(), counted, completion)
                }
                Command::WriteDatagram(id, bytes, completion) => {
                    let len = cost(bytes.len());
                    (id, len, counted(len, completion.as_ref()), completion)
                }
                Command::SendTo(id, _, _, bytes) => {
                    let len = cost(bytes.len());
                    (id, len, counted(len, None), None)
                }
                Command::Open(id, _) => {
                    self.forget(id);
                    continue;
                }
                _ => continue,
            };
            let shared = self.lock().conns.get(id).cloned();
            uncount(id, shared.as_deref(), len, counted);
            if let Some(Err(panic)) = completion.map(|it| catch(|| it.call(Completed::Cancelled))) {
                report(format_args!("a completion panicked: {panic}"));
            }
        }
    }

    pub(crate) fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    /// Wakes the loop if it sleeps. Async-signal-safe.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// Leaves a command for the loop to carry out before all others.
    pub(crate) fn send_first(&self, command: Command) {
        let mut inner = self.lock();
        if !inner.ended {
            inner.commands.insert(0, command);
            self.note_pending(&inner);
            drop(inner);
            self.wake();
        }
    }

    /// Has the loop close a connection that was chosen for what it holds; now, whatever the thread's cork holds back.
    pub(crate) fn evict(&self, id: ConnId) {
        drop(self.post(vec![Command::Request(id, Request::Evict)]));
        self.wake();
    }

    /// Whether the loop sleeps, or is about to.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::SeqCst)
    }

    /// Whether the calling thread is the loop's, be it as its host between two turns.
    pub(crate) fn is_here(&self) -> bool {
        self.here().is_some()
    }

    fn here(&self) -> Option<Rc<LoopState>> {
        LoopState::current(self).or_else(|| LoopState::hosted_here(self))
    }

    /// Has the UDP sockets of a closed listener closed: at once on the loop's own thread, or else by the loop.
    pub(crate) fn close_endpoints(&self, closing: Closing, endpoints: &[ConnId]) {
        if let Some(state) = self.here() {
            let own = endpoints.iter().filter(|id| id.lease() == self.lease);
            return own.for_each(|id| state.close_endpoint(*id));
        }
        // Past a cork: the calling thread may wait for it. A loop that has ended has closed them.
        drop(self.post(vec![Command::CloseListener(closing)]));
        self.wake();
    }

    /// Asks for something to be done to a connection.
    pub(crate) fn request(self: &Arc<Self>, id: ConnId, request: Request) -> Result<()> {
        let shared = self.shared(id)?;
        if note_request(id, &shared, &request)? {
            self.send(Command::Request(id, request));
        }
        Ok(())
    }

    /// The loop's connections, those that were dealt to it included: for a balancer.
    pub(crate) fn load(&self) -> usize {
        // In this order: what is taken in meanwhile counts twice rather than not at all.
        let dealt = self.dealt.load(Ordering::SeqCst);
        dealt + self.connections()
    }

    /// Connections are dealt to the loop.
    pub(crate) fn deal(&self, commands: Vec<Command>) {
        self.dealt.fetch_add(commands.len(), Ordering::SeqCst);
        let refused = self.post(commands);
        self.dealt.fetch_sub(refused.len(), Ordering::SeqCst);
        self.wake();
    }

    /// The loop has taken one in, or refused it.
    pub(crate) fn took_in(&self) {
        self.dealt.fetch_sub(1, Ordering::SeqCst);
    }

    // ---- the loop's thread only ----

    /// Before sleeping: asks senders to wake the loop, and says whether there is nothing to do first.
    pub(crate) fn may_sleep(&self) -> bool {
        // In this order, and senders the other way round: either they see it asleep, or it sees what they left.
        self.asleep.store(true, Ordering::SeqCst);
        !self.is_pending()
    }

    /// After sleeping, or instead of it.
    pub(crate) fn is_awake(&self) {
        self.asleep.store(false, Ordering::Release);
    }

    pub(crate) fn drain_waker(&self) {
        self.waker.drain();
    }

    /// Makes the waker readable, whether the loop sleeps or not: for a host that polls.
    pub(crate) fn signal(&self) {
        self.waker.wake();
    }

    /// Whether commands were left.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Swaps the commands with an empty list.
    pub(crate) fn take(&self, commands: &mut Vec<Command>) {
        debug_assert!(commands.is_empty());
        let mut inner = self.lock();
        self.pending.store(false, Ordering::SeqCst);
        std::mem::swap(&mut inner.commands, commands);
    }

    /// A start has failed: what was asked for before there was a loop is forgotten, but for the endpoints of
    /// listeners, which stay.
    pub(crate) fn reset(&self, budget: &Budget) {
        let commands = std::mem::take(&mut self.lock().commands);
        self.abandon(commands, |id, shared, len, counted| {
            self.holders.forget(id, budget);
            budget.change(-(counted as isize));
            shared.into_iter().for_each(|shared| shared.settle(len));
        });
    }

    /// The loop ends: it carries out the commands that are left, and takes no more.
    pub(crate) fn end(&self) -> Vec<Command> {
        let mut inner = self.lock();
        inner.ended = true;
        std::mem::take(&mut inner.commands)
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").field("lease", &self.lease).finish_non_exhaustive()
    }
}

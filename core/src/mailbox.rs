//! What reaches a loop from other threads: commands, under a lock held for a few instructions, and a waker
//! that is used only when the loop sleeps. Sending never blocks and never fails for want of room; what bounds
//! it is each connection's own limit.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::action::{Completed, Completion, Pressure};
use crate::command::{Command, HandedIn, Request};
use crate::config::Config;
use crate::conn_shared::{ConnKind, ConnShared};
use crate::cork::add_corked;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::metrics::LoopMetrics;
use crate::panics::{catch, report};
use crate::slab::IdTable;
use crate::sys::socket;
use crate::sys::waker::Waker;
use crate::token::ConnId;
use crate::udp::{check_family, check_length, cost};

/// Writes below this size are copied with the lock held, which is short then.
const COPIED_LOCKED: usize = 4 << 10;

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

/// The error of every call on a connection that is no more.
pub(crate) fn closed_error(id: ConnId) -> Error {
    Error::new(ErrorKind::Closed, format!("connection {id} is closed"))
}

/// The error of a write beyond the hard limit.
pub(crate) fn full_error(id: ConnId, len: usize, limit: usize) -> Error {
    let message =
        format!("connection {id}: {len} bytes more would exceed the hard limit of {limit} unsent bytes");
    Error::new(ErrorKind::Full, message)
}

/// The error of a write beyond the server's byte budget.
fn budget_error(id: ConnId, len: usize, limit: usize) -> Error {
    let message =
        format!("connection {id}: {len} bytes more would exceed the server's byte budget of {limit} bytes");
    Error::new(ErrorKind::Full, message)
}

/// The error of a call that has no meaning for a UDP socket.
fn datagram_error(id: ConnId, call: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{id} is a UDP socket: it cannot {call}"))
}

/// The error of a write to a UDP endpoint outside the callback of a datagram.
pub(crate) fn no_sender_error(id: ConnId) -> Error {
    let message = format!("{id} is a UDP endpoint, and this is no answer to a datagram: use send_to");
    Error::new(ErrorKind::Unsupported, message)
}

/// The error of sending to an address through what has one peer.
pub(crate) fn no_endpoint_error(id: ConnId) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{id} is a connection: it sends to its peer only"))
}

/// Notes on the shared part what a request asks for, before the loop hears of it; says whether there is
/// anything left to do. On the connection's own loop and elsewhere alike.
pub(crate) fn note_request(id: ConnId, shared: &ConnShared, request: &Request) -> Result<bool> {
    if shared.kind != ConnKind::Stream {
        refuse_datagram(id, shared.kind, request)?;
    }
    let accepted = match request {
        Request::Close(_) | Request::Detach => shared.close(),
        Request::End => shared.end(),
        // Also of a connection that is being closed and takes its time.
        Request::Abort => {
            shared.close();
            true
        }
        Request::Wake if shared.is_live() => return Ok(shared.wake()),
        Request::Framing(framing) if shared.is_live() => {
            // At once, for the frames that the calling thread writes next.
            shared.set_framing(framing.clone());
            true
        }
        _ => shared.is_live(),
    };
    accepted.then_some(true).ok_or_else(|| closed_error(id))
}

fn refuse_datagram(id: ConnId, kind: ConnKind, request: &Request) -> Result<()> {
    let call = match request {
        Request::Close(_) | Request::Abort if kind == ConnKind::ConnectedDatagram => return Ok(()),
        Request::Close(_) => "be closed by itself: close its listener",
        Request::Abort => "be aborted",
        Request::End => "be ended",
        Request::Detach => "be detached",
        Request::Framing(_) => "have a framing: a datagram is one already",
        Request::Timeouts(_) => "have time-outs: use a timer",
        Request::Wake | Request::Pause | Request::Resume => return Ok(()),
    };
    Err(datagram_error(id, call))
}

/// What bounds the bytes that are handed in.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) config: &'a Config,
    pub(crate) budget: &'a Budget,
}

pub(crate) struct Mailbox {
    lease: u16,
    waker: Waker,
    /// The loop is about to sleep or sleeps: the next sender must wake it.
    asleep: AtomicBool,
    /// Streams that have an id, closing ones included. Changes with the lock held.
    open: AtomicUsize,
    /// Connections that were dealt to the loop and are not taken in yet.
    dealt: AtomicUsize,
    pub(crate) metrics: LoopMetrics,
    inner: Mutex<Inner>,
}

impl Mailbox {
    pub(crate) fn new() -> Result<Self> {
        let conns = IdTable::new()?;
        let lease = conns.lease();
        let waker = Waker::new().map_err(|error| Error::system("open an event loop", &error))?;
        Ok(Mailbox {
            lease,
            waker,
            asleep: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            dealt: AtomicUsize::new(0),
            metrics: LoopMetrics::default(),
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
        inner.commands.extend(commands);
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
        }
        self.wake();
        true
    }

    /// Commands that no loop will carry out: completions are cancelled, ids are given back. What was counted for them
    /// is taken back by `uncount`, which gets the connection and the bytes.
    pub(crate) fn abandon(&self, commands: Vec<Command>, uncount: impl Fn(Option<&ConnShared>, usize)) {
        for command in commands {
            let (id, len, completion) = match command {
                Command::Write(id, HandedIn { bytes, completion, .. }) => (id, bytes.len(), completion),
                Command::WriteDatagram(id, bytes, completion) => (id, cost(bytes.len()), completion),
                Command::SendTo(id, _, bytes) => (id, cost(bytes.len()), None),
                Command::Connect(id, _) | Command::Enroll(id, _) => {
                    self.forget(id);
                    continue;
                }
                _ => continue,
            };
            let shared = self.lock().conns.get(id).cloned();
            uncount(shared.as_deref(), len);
            if let Some(Err(panic)) = completion.map(|call| catch(|| call(Completed::Cancelled))) {
                report(format_args!("a completion panicked: {panic}"));
            }
        }
    }

    /// Wakes the loop if it sleeps. Async-signal-safe.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// Hands bytes in for a connection.
    pub(crate) fn write(
        self: &Arc<Self>,
        id: ConnId,
        slices: &[&[u8]],
        mut completion: Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        // One that is refused is dropped here, without the lock: it is the user's.
        self.write_locking(id, slices, &mut completion, bounds)
    }

    fn write_locking(
        self: &Arc<Self>,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        // Many bytes are copied without the lock; a few join the command before, if it is for the same
        // connection.
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut copy = if len < COPIED_LOCKED { Vec::new() } else { slices.concat() };
        let mut inner = self.lock();
        let shared = inner.find(id)?;
        if shared.kind == ConnKind::Endpoint {
            return Err(no_sender_error(id));
        }
        if shared.kind == ConnKind::ConnectedDatagram {
            return self.write_datagram(inner, id, slices.concat(), completion, bounds);
        }
        let pressure = reserve(id, shared, len, bounds)?;
        if completion.is_some() {
            shared.await_completion();
        } else if len == 0 {
            return Ok(pressure);
        }
        let mut add = |commands: &mut Vec<Command>| {
            if let (Some(Command::Write(last, before)), true) = (commands.last_mut(), copy.is_empty()) {
                if *last == id && before.completion.is_none() && before.bytes.len() < COPIED_LOCKED {
                    slices.iter().for_each(|slice| before.bytes.extend_from_slice(slice));
                    before.writes += 1;
                    before.completion = completion.take();
                    return;
                }
            }
            let bytes = if copy.is_empty() { slices.concat() } else { std::mem::take(&mut copy) };
            commands.push(Command::Write(id, HandedIn { bytes, writes: 1, completion: completion.take() }));
        };
        if !add_corked(self, &mut add) {
            add(&mut inner.commands);
            drop(inner);
            self.wake();
        }
        Ok(pressure)
    }

    /// Hands a datagram in, for a connected socket to send: never joined with another.
    fn write_datagram(
        self: &Arc<Self>,
        mut inner: MutexGuard<'_, Inner>,
        id: ConnId,
        bytes: Vec<u8>,
        completion: &mut Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        let shared = inner.find(id)?;
        shared.peer().iter().try_for_each(|peer| check_length(*peer, bytes.len()))?;
        let pressure = reserve(id, shared, cost(bytes.len()), bounds)?;
        completion.iter().for_each(|_| shared.await_completion());
        self.push(&mut inner, Command::WriteDatagram(id, bytes, completion.take()));
        drop(inner);
        self.wake();
        Ok(pressure)
    }

    /// Adds a command while the lock is held that it was accepted under, so that the loop cannot end in between.
    fn push(self: &Arc<Self>, inner: &mut Inner, command: Command) {
        let mut command = Some(command);
        if !add_corked(self, |commands| commands.extend(command.take())) {
            inner.commands.extend(command);
        }
    }

    /// Leaves a command for the loop to carry out before all others.
    pub(crate) fn send_first(&self, command: Command) {
        let mut inner = self.lock();
        if !inner.ended {
            inner.commands.insert(0, command);
            drop(inner);
            self.wake();
        }
    }

    /// Hands a datagram in, for an endpoint to send.
    pub(crate) fn send_to(
        self: &Arc<Self>,
        id: ConnId,
        to: std::net::SocketAddr,
        bytes: &[u8],
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        let bytes = bytes.to_vec();
        let pressure = {
            let mut inner = self.lock();
            let shared = inner.find(id)?;
            if shared.kind != ConnKind::Endpoint {
                return Err(no_endpoint_error(id));
            }
            check_length(to, bytes.len())?;
            check_family(to, shared.is_ipv4())?;
            let pressure = reserve(id, shared, cost(bytes.len()), bounds)?;
            self.push(&mut inner, Command::SendTo(id, to, bytes));
            pressure
        };
        self.wake();
        Ok(pressure)
    }

    /// Asks for something to be done to a connection.
    pub(crate) fn request(self: &Arc<Self>, id: ConnId, request: Request) -> Result<()> {
        let shared = self.shared(id)?;
        if note_request(id, &shared, &request)? {
            self.send(Command::Request(id, request));
        }
        Ok(())
    }

    /// The shared part of a connection.
    pub(crate) fn shared(&self, id: ConnId) -> Result<Arc<ConnShared>> {
        self.lock().find(id).cloned()
    }

    /// Whether the id is a connection's, also when the loop takes no more calls.
    pub(crate) fn knows(&self, id: ConnId) -> bool {
        self.lock().conns.get(id).is_some_and(|shared| !shared.is_gone())
    }

    pub(crate) fn is_open(&self, id: ConnId) -> bool {
        self.lock().find(id).is_ok_and(|shared| shared.takes_writes())
    }

    /// Makes a call on a connection's descriptor, which cannot be closed meanwhile: it must not block.
    pub(crate) fn with_descriptor<T>(&self, id: ConnId, call: impl FnOnce(BorrowedFd<'_>) -> T) -> Result<T> {
        let inner = self.lock();
        let none = || {
            let message = format!("connection {id} has no socket yet: wait for on_open");
            Error::new(ErrorKind::WrongState, message)
        };
        let descriptor = inner.find(id)?.descriptor().ok_or_else(none)?;
        Ok(call(socket::borrow_while_registered(&descriptor)))
    }

    /// The connection has another descriptor from now on: nobody uses the one before any more when this returns.
    pub(crate) fn set_descriptor(&self, id: ConnId, descriptor: BorrowedFd<'_>) {
        if let Ok(shared) = self.lock().find(id) {
            shared.set_descriptor(Some(descriptor.as_raw_fd()));
        }
    }

    /// The connection's descriptor is about to be closed, and the connection to go on without.
    pub(crate) fn forget_descriptor(&self, id: ConnId) {
        if let Ok(shared) = self.lock().find(id) {
            shared.set_descriptor(None);
        }
    }

    /// Streams that have a descriptor or are about to, closing ones included.
    pub(crate) fn connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
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

    /// Unsent bytes of all connections.
    pub(crate) fn unsent(&self) -> usize {
        self.lock().conns.values().map(|shared| shared.unsent()).sum()
    }

    /// Takes a connection in, and gives it its id; `None` if the loop's ids are used up, or it has ended.
    pub(crate) fn register(&self, shared: Arc<ConnShared>) -> Option<ConnId> {
        let mut inner = self.lock();
        if inner.ended {
            return None;
        }
        let counts = shared.kind != ConnKind::Endpoint;
        let id = inner.conns.insert(shared)?;
        if counts {
            self.open.fetch_add(1, Ordering::SeqCst);
        }
        Some(id)
    }

    // ---- the loop's thread only ----

    pub(crate) fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    /// Before sleeping: asks senders to wake the loop, and says whether there is nothing to do first.
    pub(crate) fn may_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.lock().commands.is_empty()
    }

    /// After sleeping, or instead of it.
    pub(crate) fn is_awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    pub(crate) fn drain_waker(&self) {
        self.waker.drain();
    }

    /// Makes the waker readable, whether the loop sleeps or not: for a host that polls.
    pub(crate) fn signal(&self) {
        self.waker.wake();
    }

    /// Whether no thread has bytes for a connection on their way. Writes were refused before this is asked, so
    /// none will come any more: whoever was let in before has counted them under the lock.
    pub(crate) fn has_all_of(&self, shared: &ConnShared) -> bool {
        let _inner = self.lock();
        shared.unsent() == 0
    }

    /// Swaps the commands with an empty list.
    pub(crate) fn take(&self, commands: &mut Vec<Command>) {
        debug_assert!(commands.is_empty());
        std::mem::swap(&mut self.lock().commands, commands);
    }

    /// From here on nobody finds a connection, or its descriptor. With `all_sent` it refuses if other threads have
    /// bytes for it on their way. Its id is free after [`release`](Self::release).
    pub(crate) fn unregister(&self, id: ConnId, all_sent: bool) -> bool {
        let inner = self.lock();
        let Some(shared) = inner.conns.get(id) else { return true };
        if all_sent && shared.unsent() > 0 {
            return false;
        }
        shared.leave();
        true
    }

    /// The id of a connection that was unregistered, and has left the loop's slab, is free.
    pub(crate) fn release(&self, id: ConnId) {
        let removed = {
            let mut inner = self.lock();
            let removed = inner.conns.remove(id);
            if removed.as_ref().is_some_and(|shared| shared.kind != ConnKind::Endpoint) {
                self.open.fetch_sub(1, Ordering::SeqCst);
            }
            removed
        };
        // Without the lock: a framing's function is the user's, and may go with it.
        drop(removed);
    }

    /// Both, for a connection that never was in the slab.
    pub(crate) fn forget(&self, id: ConnId) {
        self.unregister(id, false);
        self.release(id);
    }

    /// A start has failed: what was asked for before there was a loop is forgotten, but for the endpoints of
    /// listeners, which stay.
    pub(crate) fn reset(&self, budget: &Budget) {
        let commands = std::mem::take(&mut self.lock().commands);
        self.abandon(commands, |shared, len| {
            budget.change(-(len as isize));
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

/// Counts bytes that are handed in against the connection's limit and the server's.
fn reserve(id: ConnId, shared: &ConnShared, len: usize, bounds: Bounds<'_>) -> Result<Pressure> {
    let Bounds { config, budget } = bounds;
    if !shared.takes_writes() {
        return Err(closed_error(id));
    }
    if !budget.take(len) {
        return Err(budget_error(id, len, budget.limit()));
    }
    shared.reserve(len, config).ok_or_else(|| {
        budget.change(-(len as isize));
        full_error(id, len, config.hard_limit)
    })
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").field("lease", &self.lease).finish_non_exhaustive()
    }
}

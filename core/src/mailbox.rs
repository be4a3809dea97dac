//! What reaches a loop from other threads: commands, under a lock held for a few instructions, and a waker
//! that is used only when the loop sleeps. Sending never blocks and never fails for want of room; what bounds
//! it is each connection's own limit.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::action::{CloseReason, Pressure};
use crate::batch::Answer;
use crate::config::Config;
use crate::conn::ConnShared;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::waker::Waker;
use crate::token::ConnId;

/// A connection that was accepted and has no loop yet.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: OwnedFd,
    pub(crate) unix: bool,
}

#[derive(Debug)]
pub(crate) enum Command {
    Open(Accepted),
    Write(ConnId, Vec<u8>),
    Close(ConnId, CloseReason),
    Answered(Answer),
}

/// Writes below this size are copied with the lock held, which is short then.
const COPIED_LOCKED: usize = 4 << 10;

/// What the lock guards.
#[derive(Debug, Default)]
struct Inner {
    commands: Vec<Command>,
    /// The loop's connections by slot.
    conns: Vec<Option<(ConnId, Arc<ConnShared>)>>,
    open: usize,
    /// The loop has ended: nothing is delivered any more.
    ended: bool,
}

impl Inner {
    /// The connection, if it is there and the loop still carries out what it is asked.
    fn find(&self, id: ConnId) -> Option<&Arc<ConnShared>> {
        if self.ended {
            return None;
        }
        self.at(id)
    }

    fn at(&self, id: ConnId) -> Option<&Arc<ConnShared>> {
        let (found, shared) = self.conns.get(id.slot() as usize)?.as_ref()?;
        (*found == id).then_some(shared)
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

#[derive(Debug)]
pub(crate) struct Mailbox {
    lease: u16,
    waker: Waker,
    /// The loop is about to sleep or sleeps: the next sender must wake it.
    asleep: AtomicBool,
    inner: Mutex<Inner>,
}

impl Mailbox {
    pub(crate) fn new(lease: u16) -> io::Result<Self> {
        let (asleep, inner) = (AtomicBool::new(false), Mutex::default());
        Ok(Mailbox { lease, waker: Waker::new()?, asleep, inner })
    }

    /// The lease of the loop's ids.
    pub(crate) fn lease(&self) -> u16 {
        self.lease
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- any thread ----

    /// Leaves commands without waking the loop.
    pub(crate) fn post(&self, commands: impl IntoIterator<Item = Command>) {
        let mut inner = self.lock();
        if !inner.ended {
            inner.commands.extend(commands);
        }
    }

    /// Leaves a command and wakes the loop, now or when the thread's cork is pulled.
    pub(crate) fn send(self: &Arc<Self>, command: Command) {
        let mut command = Some(command);
        if !add_corked(self, |commands| commands.extend(command.take())) {
            self.post(command);
            self.wake();
        }
    }

    /// Wakes the loop if it sleeps. Async-signal-safe.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// Hands bytes in for a connection.
    pub(crate) fn write(self: &Arc<Self>, id: ConnId, bytes: &[u8], config: &Config) -> Result<Pressure> {
        // Many bytes are copied without the lock; a few join the command before, if it is for the same
        // connection.
        let mut copy = if bytes.len() < COPIED_LOCKED { Vec::new() } else { bytes.to_vec() };
        let mut inner = self.lock();
        let shared = inner.find(id).filter(|shared| shared.is_live()).ok_or_else(|| closed_error(id))?;
        let full = || full_error(id, bytes.len(), config.hard_limit);
        let pressure = shared.reserve(bytes.len(), config).ok_or_else(full)?;
        let mut add = |commands: &mut Vec<Command>| match commands.last_mut() {
            Some(Command::Write(last, before)) if *last == id && copy.is_empty() => {
                before.extend_from_slice(bytes)
            }
            _ => {
                let mut copy = std::mem::take(&mut copy);
                if copy.is_empty() {
                    copy.extend_from_slice(bytes);
                }
                commands.push(Command::Write(id, copy));
            }
        };
        if !bytes.is_empty() && !add_corked(self, &mut add) {
            add(&mut inner.commands);
            drop(inner);
            self.wake();
        }
        Ok(pressure)
    }

    /// Closes a connection: writes are refused from now on.
    pub(crate) fn close(self: &Arc<Self>, id: ConnId, reason: CloseReason) -> Result<()> {
        if !self.lock().find(id).is_some_and(|shared| shared.end()) {
            return Err(closed_error(id));
        }
        self.send(Command::Close(id, reason));
        Ok(())
    }

    pub(crate) fn is_open(&self, id: ConnId) -> bool {
        self.lock().find(id).is_some_and(|shared| shared.is_live())
    }

    /// Connections that have a descriptor, closing ones included.
    pub(crate) fn connections(&self) -> usize {
        self.lock().open
    }

    /// Unsent bytes of all connections.
    pub(crate) fn unsent(&self) -> usize {
        self.lock().conns.iter().flatten().map(|(_, shared)| shared.unsent()).sum()
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

    /// Swaps the commands with an empty list.
    pub(crate) fn take(&self, commands: &mut Vec<Command>) {
        debug_assert!(commands.is_empty());
        std::mem::swap(&mut self.lock().commands, commands);
    }

    pub(crate) fn register(&self, id: ConnId, shared: &Arc<ConnShared>) {
        let mut inner = self.lock();
        let slot = id.slot() as usize;
        if inner.conns.len() <= slot {
            inner.conns.resize(slot + 1, None);
        }
        inner.conns[slot] = Some((id, Arc::clone(shared)));
        inner.open += 1;
    }

    /// Forgets a connection. With `all_sent` it refuses if other threads have bytes for it on their way.
    pub(crate) fn unregister(&self, id: ConnId, all_sent: bool) -> bool {
        let mut inner = self.lock();
        let Some(shared) = inner.at(id) else { return true };
        if all_sent && shared.unsent() > 0 {
            return false;
        }
        shared.end();
        inner.conns[id.slot() as usize] = None;
        inner.open -= 1;
        true
    }

    /// The loop ends: it carries out the commands that are left, and takes no more.
    pub(crate) fn end(&self) -> Vec<Command> {
        let mut inner = self.lock();
        inner.ended = true;
        std::mem::take(&mut inner.commands)
    }
}

/// The commands that wait for a thread's cork to be pulled, by loop.
type Corked = Vec<(Arc<Mailbox>, Vec<Command>)>;

thread_local! {
    /// `None` without a [`Cork`].
    static CORKED: RefCell<Option<Corked>> = const { RefCell::new(None) };
}

/// While it lives, what calls by id on this thread ask for is held back; dropping it hands everything over,
/// with one wake for each loop concerned. For handlers of batches on a thread of their own. Answers are as
/// without it: `closed` and `full` at once.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cork {
    outermost: bool,
    /// Belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Cork {
    /// Corks the calling thread.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a guard is taken, not defaulted")]
    pub fn new() -> Self {
        let outermost = with_corked(|corked| {
            let outermost = corked.is_none();
            corked.get_or_insert_default();
            outermost
        });
        Cork { outermost: outermost.unwrap_or(false), _not_send: std::marker::PhantomData }
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        if self.outermost {
            for (mailbox, commands) in with_corked(Option::take).flatten().unwrap_or_default() {
                mailbox.post(commands);
                mailbox.wake();
            }
        }
    }
}

/// Access to the thread's cork; none when the thread is ending, and so has no cork any more.
fn with_corked<T>(f: impl FnOnce(&mut Option<Corked>) -> T) -> Option<T> {
    CORKED.try_with(|corked| f(&mut corked.borrow_mut())).ok()
}

/// Adds to the commands that the thread's cork holds back for a loop; says whether there is a cork.
fn add_corked(mailbox: &Arc<Mailbox>, add: impl FnOnce(&mut Vec<Command>)) -> bool {
    let added = with_corked(|corked| {
        let Some(corked) = corked else { return false };
        let found = corked.iter().position(|(other, _)| Arc::ptr_eq(other, mailbox));
        let index = found.unwrap_or_else(|| {
            corked.push((Arc::clone(mailbox), Vec::new()));
            corked.len() - 1
        });
        add(&mut corked[index].1);
        true
    });
    added == Some(true)
}

//! Names resolved without blocking a loop: a few threads ask the system, and wait for its answers.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded, Receiver, RecvTimeoutError, Sender};

use crate::base::panics::{catch, report};
use crate::sys::signal::SignalsBlocked;

/// Lookups under way at once: a name server that does not answer holds up no more threads than this.
const MAX_THREADS: usize = 4;
const PATIENCE: Patience = Patience { idle: Duration::from_secs(5), close: Duration::from_secs(1) };

/// How long a resolver waits.
#[derive(Clone, Copy)]
struct Patience {
    /// A thread, for another name before it ends.
    idle: Duration,
    /// Closing, for the lookups that are under way.
    close: Duration,
}

/// What is told the addresses, with their zones and port 0, in the system's order of preference, or the system's reason.
pub(crate) type Done = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;
type Name = (String, Done);

/// Looks names up for one server, on threads named `reactor-resolve` that exist while there is something to
/// do. Every method may be called on any thread. Dropping it closes it without waiting.
///
/// It belongs to the process that used it first: after a fork, the child's threads are not there to answer.
pub(crate) struct Resolver {
    shared: Arc<Lookups>,
}

/// What a resolver shares with its threads.
struct Lookups {
    lookup: Box<Lookup>,
    patience: Patience,
    /// The process that used it first; 0 before. In another, a lock, the channels' own too, may be held by a
    /// thread that is not there.
    used_by: AtomicU32,
    /// Names that wait for a thread.
    names: Receiver<Name>,
    /// Carries nothing. Once the resolver is closed, it ends with the last thread.
    ended: Receiver<Infallible>,
    state: Mutex<State>,
}

struct State {
    /// `None` once the resolver is closed.
    open: Option<Open>,
    /// Names that wait or are being looked up.
    pending: usize,
    /// Threads that take names.
    running: usize,
    /// These, and those that ended because they were idle, until they are joined.
    threads: Vec<JoinHandle<()>>,
}

/// The other ends of the channels.
struct Open {
    names: Sender<Name>,
    /// Each thread has a clone.
    alive: Sender<Infallible>,
}

impl Resolver {
    /// A resolver that asks the system, and has no threads yet.
    pub(crate) fn new() -> Self {
        Resolver::with(ask_the_system, PATIENCE)
    }

    fn with(
        lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
        patience: Patience,
    ) -> Self {
        let (names, waiting) = unbounded();
        let (alive, ended) = bounded(0);
        let open = Some(Open { names, alive });
        let shared = Lookups {
            lookup: Box::new(lookup),
            patience,
            used_by: AtomicU32::new(0),
            names: waiting,
            ended,
            state: Mutex::new(State { open, pending: 0, running: 0, threads: Vec::new() }),
        };
        Resolver { shared: Arc::new(shared) }
    }

    /// Looks `host` up, a name or an address in figures, and calls `done` once, on a resolver's thread; its
    /// panic is caught and reported. The names wait in a queue while the threads are busy. Never blocks.
    ///
    /// # Errors
    /// The system's reason if no thread can be started, and an error of its own if the resolver was closed,
    /// or used before a fork. `done` is dropped without being called.
    pub(crate) fn submit(&self, host: String, done: Done) -> io::Result<()> {
        if !self.shared.is_used_here() {
            return Err(io::Error::other("names cannot be resolved: the resolver was used before the fork"));
        }
        self.shared.submit((host, done))
    }

    /// Takes no more names, drops those in the queue unanswered, and waits up to a second for the lookups
    /// that are under way, whose answers are dropped, too. So normally no thread is left. But a lookup that
    /// the system does not answer cannot be cancelled: its thread ends by itself, later. Does not wait on a
    /// thread of this resolver, and does nothing in a child process if the resolver was used before the fork.
    pub(crate) fn close(&self) {
        if !self.shared.is_used_here() {
            return;
        }
        self.shared.close();
        if self.shared.lock().threads.iter().any(is_current) {
            return;
        }
        let Err(why) = self.shared.ended.recv_timeout(self.shared.patience.close);
        if why == RecvTimeoutError::Disconnected {
            let ended = mem::take(&mut self.shared.lock().threads);
            // They hold no lock and have nothing left to do.
            ended.into_iter().for_each(join);
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        match self.shared.is_used_here() {
            true => self.shared.close(),
            // After a fork: what the parent's threads work with, and their handles, mean nothing here.
            false => mem::forget(Arc::clone(&self.shared)),
        }
    }
}

impl Lookups {
    fn is_used_here(&self) -> bool {
        let here = process::id();
        match self.used_by.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(by) => by == here,
        }
    }

    /// Also after a panic: the state is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, name: Name) -> io::Result<()> {
        let mut state = self.lock();
        let closed = || io::Error::other("names cannot be resolved: the resolver is closed");
        let Open { names, alive } = state.open.as_ref().ok_or_else(closed)?;
        let (names, alive) = (names.clone(), alive.clone());
        if state.pending >= state.running && state.running < MAX_THREADS {
            let started = self.start_thread(&mut state, alive);
            // Where there is a thread already it has to do.
            started.or_else(|error| if state.running == 0 { Err(error) } else { Ok(()) })?;
        }
        state.pending += 1;
        // `self` has a receiver: sending cannot fail.
        let _ = names.send(name);
        Ok(())
    }

    fn close(&self) {
        let open = self.lock().open.take();
        drop(open);
        // Without the lock: what they own may be anything.
        self.names.try_iter().for_each(drop);
    }

    fn is_closed(&self) -> bool {
        self.lock().open.is_none()
    }

    fn start_thread(self: &Arc<Self>, state: &mut State, alive: Sender<Infallible>) -> io::Result<()> {
        // Those that have ended because they were idle; joining them takes no time.
        state.threads.extract_if(.., |thread| thread.is_finished()).for_each(join);
        let shared = Arc::clone(self);
        let part = move || {
            shared.run();
            drop(alive);
        };
        let _blocked = SignalsBlocked::new();
        state.threads.push(thread::Builder::new().name("reactor-resolve".into()).spawn(part)?);
        state.running += 1;
        Ok(())
    }

    /// A thread's part.
    fn run(&self) {
        while let Some((host, done)) = self.next() {
            if let Err(panic) = catch(|| self.answer(&host, done)) {
                report(format_args!("what was to be told the addresses of {host} panicked: {panic}"));
            }
            self.lock().pending -= 1;
        }
    }

    fn answer(&self, host: &str, done: Done) {
        // Taken while the resolver was being closed.
        if self.is_closed() {
            return;
        }
        let answer = (self.lookup)(host);
        if !self.is_closed() {
            done(answer);
        }
    }

    /// Waits for the next name; `None` ends the calling thread.
    fn next(&self) -> Option<Name> {
        if let Ok(name) = self.names.recv_timeout(self.patience.idle) {
            return Some(name);
        }
        // Under the lock, as names are sent: none comes between the last look and the end of this thread.
        let mut state = self.lock();
        let last = self.names.try_recv().ok();
        if last.is_none() {
            state.running -= 1;
        }
        last
    }
}

fn ask_the_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((host, 0).to_socket_addrs()?.collect())
}

fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == thread::current().id()
}

fn join(thread: JoinHandle<()>) {
    // Panics are caught and reported where they happen.
    let _ = thread.join();
}

//! Names resolved without blocking a loop: a few threads ask the system, and wait for its answers.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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

/// What is told the addresses, in the system's order of preference, or the system's reason.
pub(crate) type Done = Box<dyn FnOnce(io::Result<Vec<IpAddr>>) + Send>;
type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Looks names up for one server, on threads named `reactor-resolve` that exist while there is something to
/// do. Every method may be called on any thread. Dropping it closes it without waiting.
///
/// It belongs to the process that used it first: after a fork, the child's threads are not there to answer.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

/// What a resolver shares with its threads.
struct Shared {
    lookup: Box<Lookup>,
    patience: Patience,
    /// The process that used it first; 0 before. In another, the lock may be held by a thread that is not
    /// there.
    used_by: AtomicU32,
    state: Mutex<State>,
    /// There is a name in the queue, or the resolver was closed.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(String, Done)>,
    running: Vec<JoinHandle<()>>,
    /// Threads that do nothing any more but return.
    ended: Vec<JoinHandle<()>>,
    /// Threads that wait for a name.
    idle: usize,
    closed: bool,
}

impl Resolver {
    /// A resolver that asks the system, and has no threads yet.
    pub(crate) fn new() -> Self {
        Resolver::with(ask_the_system, PATIENCE)
    }

    fn with(
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
        patience: Patience,
    ) -> Self {
        let shared = Shared {
            lookup: Box::new(lookup),
            patience,
            used_by: AtomicU32::new(0),
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
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
        let mut state = self.shared.lock();
        if state.closed {
            return Err(io::Error::other("names cannot be resolved: the resolver is closed"));
        }
        // Threads that were woken count as idle until they have run, hence the comparison with the queue.
        if state.queue.len() >= state.idle && state.running.len() < MAX_THREADS {
            let started = self.shared.start_thread(&mut state);
            // Where there is a thread already it has to do.
            started.or_else(|error| if state.running.is_empty() { Err(error) } else { Ok(()) })?;
        }
        state.queue.push_back((host, done));
        self.shared.work.notify_one();
        Ok(())
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
        let state = self.shared.lock();
        if state.running.iter().any(is_current) {
            return;
        }
        let some_run = |state: &mut State| !state.running.is_empty();
        let waited = self.shared.ended.wait_timeout_while(state, self.shared.patience.close, some_run);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let ended = std::mem::take(&mut state.ended);
        drop(state);
        // They hold no lock and have nothing left to do.
        ended.into_iter().for_each(join);
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        match self.shared.is_used_here() {
            true => self.shared.close(),
            // After a fork: what the parent's threads work with, and their handles, mean nothing here.
            false => std::mem::forget(Arc::clone(&self.shared)),
        }
    }
}

impl Shared {
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

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let unanswered = std::mem::take(&mut state.queue);
        drop(state);
        self.work.notify_all();
        // Without the lock: what they own may be anything.
        drop(unanswered);
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        // Those that have ended because they were idle; joining them takes no time.
        state.ended.extract_if(.., |thread| thread.is_finished()).for_each(join);
        let shared = Arc::clone(self);
        let _blocked = SignalsBlocked::new();
        let thread = thread::Builder::new().name("reactor-resolve".into()).spawn(move || shared.run())?;
        state.running.push(thread);
        Ok(())
    }

    /// A thread's part.
    fn run(&self) {
        while let Some((host, done)) = self.next() {
            if let Err(panic) = catch(|| self.answer(&host, done)) {
                report(format_args!("what was to be told the addresses of {host} panicked: {panic}"));
            }
        }
    }

    fn answer(&self, host: &str, done: Done) {
        let answer = (self.lookup)(host);
        if !self.is_closed() {
            done(answer);
        }
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for the next name; `None` ends the calling thread.
    fn next(&self) -> Option<(String, Done)> {
        let mut state = self.lock();
        state.idle += 1;
        let nothing_to_do = |state: &mut State| state.queue.is_empty() && !state.closed;
        let waited = self.work.wait_timeout_while(state, self.patience.idle, nothing_to_do);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        let next = state.queue.pop_front();
        if next.is_none() {
            let State { running, ended, .. } = &mut *state;
            ended.extend(running.extract_if(.., |thread| is_current(thread)));
            self.ended.notify_all();
        }
        next
    }
}

fn ask_the_system(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == thread::current().id()
}

fn join(thread: JoinHandle<()>) {
    // Panics are caught and reported where they happen.
    let _ = thread.join();
}

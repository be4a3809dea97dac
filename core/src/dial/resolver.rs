//! Names resolved without blocking a loop: threads ask the system, and wait for its answers.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, unbounded, Receiver, RecvTimeoutError, Sender};

use super::{Found, LookUp};
use crate::base::panics::{catch, report};
use crate::sys::signal::SignalsBlocked;

/// Names that somebody waits for that are looked up at once. There are many, because a name that hangs must not hold up the
/// others; usual look-ups are quick, and share few threads.
const MOST: usize = 64;
/// Together with those that nobody waits for any more: the system cannot be told to give them up.
const MOST_THREADS: usize = 512;
const PATIENCE: Patience = Patience { idle: Duration::from_secs(5), close: Duration::from_secs(1) };

/// How long a resolver waits.
#[derive(Clone, Copy)]
struct Patience {
    /// A thread, for another name before it ends.
    idle: Duration,
    /// Closing, for the look-ups that are under way.
    close: Duration,
}

/// What is told the addresses, or the system's reason.
pub(crate) type Done = Box<dyn FnOnce(Found) + Send>;
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up for one server, on threads named `reactor-resolve` that exist while there is something to
/// do. Every method may be called on any thread. Dropping it closes it without waiting.
///
/// Equal names are looked up once for all who wait. A name that nobody waits for any more is not looked up, unless that has
/// begun.
///
/// It belongs to the process that used it first: after a fork, the child's threads are not there to answer.
pub(crate) struct Resolver {
    shared: Arc<LookUps>,
}

/// What a resolver shares with its threads.
struct LookUps {
    ask: Box<Ask>,
    patience: Patience,
    /// The process that used it first; 0 before. In another, a lock, the channels' own too, may be held by a
    /// thread that is not there.
    used_by: AtomicU32,
    /// Names that wait for a thread.
    names: Receiver<String>,
    /// Carries nothing. Once the resolver is closed, it ends with the last thread.
    ended: Receiver<Infallible>,
    state: Mutex<State>,
}

struct State {
    /// `None` once the resolver is closed.
    open: Option<Open>,
    /// When closing gives up waiting: however often it is closed, it waits once.
    closes_until: Option<Instant>,
    /// The names that are on their way to a thread, or being looked up.
    asked: HashMap<String, Asked>,
    /// How many of them are being looked up, and how many of these nobody waits for any more.
    under_way: usize,
    abandoned: usize,
    /// Tells those who wait apart.
    last: u64,
    /// Threads that take names.
    running: usize,
    /// These, and those that ended because they were idle, until they are joined.
    threads: Vec<JoinHandle<()>>,
}

/// A name that was asked for.
#[derive(Default)]
struct Asked {
    /// Who waits for it. It may be nobody any more.
    waiting: Vec<(u64, Done)>,
    under_way: bool,
}

/// The other ends of the channels.
struct Open {
    names: Sender<String>,
    /// Each thread has a clone.
    alive: Sender<Infallible>,
}

impl Resolver {
    /// A resolver that asks the system, and has no threads yet.
    pub(crate) fn new() -> Self {
        Resolver::with(ask_the_system, PATIENCE)
    }

    fn with(
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
        patience: Patience,
    ) -> Self {
        let (names, on_their_way) = unbounded();
        let (alive, ended) = bounded(0);
        let state = State {
            open: Some(Open { names, alive }),
            closes_until: None,
            asked: HashMap::new(),
            under_way: 0,
            abandoned: 0,
            last: 0,
            running: 0,
            threads: Vec::new(),
        };
        let shared = LookUps {
            ask: Box::new(ask),
            patience,
            used_by: AtomicU32::new(0),
            names: on_their_way,
            ended,
            state: Mutex::new(state),
        };
        Resolver { shared: Arc::new(shared) }
    }

    /// Looks `host` up, a name or an address in figures, and calls `done` once, on a resolver's thread; its
    /// panic is caught and reported. The names wait in a queue while the threads are busy. Never blocks. When what is
    /// returned is dropped before, nobody waits any more: `done` is dropped without being called, then or soon.
    ///
    /// # Errors
    /// The system's reason if no thread can be started, and an error of its own if the resolver was closed,
    /// or used before a fork. `done` is dropped without being called.
    pub(crate) fn submit(&self, host: String, done: Done) -> io::Result<LookUp> {
        if !self.shared.is_used_here() {
            return Err(io::Error::other("names cannot be resolved: the resolver was used before the fork"));
        }
        let number = self.shared.submit(host.clone(), done)?;
        let shared = Arc::downgrade(&self.shared);
        Ok(LookUp::new(move || {
            shared.upgrade().into_iter().for_each(|shared| shared.withdraw(&host, number));
        }))
    }

    /// Takes no more names, drops those in the queue unanswered, and waits up to a second for the look-ups
    /// that are under way, whose answers are dropped, too. So normally no thread is left. But a look-up that
    /// the system does not answer cannot be cancelled: its thread ends by itself, later. Does not wait on a
    /// thread of this resolver, and does nothing in a child process if the resolver was used before the fork. Called
    /// again, it waits for what is left of the second.
    pub(crate) fn close(&self) {
        if !self.shared.is_used_here() {
            return;
        }
        let until = self.shared.close();
        if self.shared.lock().threads.iter().any(is_current) {
            return;
        }
        let Err(why) = self.shared.ended.recv_deadline(until);
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
            true => {
                self.shared.close();
            }
            // After a fork: what the parent's threads work with, and their handles, mean nothing here.
            false => mem::forget(Arc::clone(&self.shared)),
        }
    }
}

impl LookUps {
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

    /// Says by which number `done` can be withdrawn.
    fn submit(self: &Arc<Self>, host: String, done: Done) -> io::Result<u64> {
        let mut state = self.lock();
        let closed = || io::Error::other("names cannot be resolved: the resolver is closed");
        let Open { names, alive } = state.open.as_ref().ok_or_else(closed)?;
        let (names, alive) = (names.clone(), alive.clone());
        let is_new = !state.asked.contains_key(&host);
        if is_new && state.lacks_thread(1) {
            let started = self.start_thread(&mut state, alive);
            // Where there is a thread already it has to do.
            started.or_else(|error| if state.running == 0 { Err(error) } else { Ok(()) })?;
        }
        let number = state.join(&host, done);
        if is_new {
            // `self` has a receiver: sending cannot fail.
            let _ = names.send(host);
        }
        Ok(number)
    }

    /// Somebody waits no more. The name stays where it is: whoever asks for it next waits for the same answer.
    fn withdraw(self: &Arc<Self>, host: &str, number: u64) {
        // After a fork there is nobody to withdraw from, and the lock may be held for ever.
        if !self.is_used_here() {
            return;
        }
        let withdrawn = {
            let mut state = self.lock();
            let withdrawn = state.leave(host, number);
            // Its thread does not count any more: another may have to take its place.
            let alive = state.open.as_ref().map(|open| open.alive.clone());
            if let Some(alive) = alive.filter(|_| state.lacks_thread(0)) {
                // Where it fails those that there are have to do.
                let _ = self.start_thread(&mut state, alive);
            }
            withdrawn
        };
        // Without the lock: what it owns may be anything.
        drop(withdrawn);
    }

    /// Says until when to wait for the threads.
    fn close(&self) -> Instant {
        let (until, open, asked) = {
            let mut state = self.lock();
            let until = *state.closes_until.get_or_insert_with(|| Instant::now() + self.patience.close);
            (until, state.open.take(), mem::take(&mut state.asked))
        };
        // Without the lock: what they own may be anything.
        drop((open, asked));
        self.names.try_iter().for_each(drop);
        until
    }

    #[cfg(test)]
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
        while let Some(host) = self.next() {
            let wanted = self.lock().begin(&host);
            if wanted {
                let found = (self.ask)(&host).map_err(Arc::new);
                self.answer(&host, &found);
            }
        }
    }

    fn answer(&self, host: &str, found: &Found) {
        let waiting = self.lock().end(host);
        for (_, done) in waiting {
            if let Err(panic) = catch(|| done(found.clone())) {
                report(format_args!("what was to be told the addresses of {host} panicked: {panic}"));
            }
        }
    }

    /// Waits for the next name; `None` ends the calling thread.
    fn next(&self) -> Option<String> {
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

impl State {
    /// Whether names wait for a thread, `more` than there are already, and may have one.
    fn lacks_thread(&self, more: usize) -> bool {
        let queued = self.asked.len().saturating_sub(self.under_way) + more;
        let idle = self.running.saturating_sub(self.under_way);
        let wanted = self.running.saturating_sub(self.abandoned);
        queued > idle && wanted < MOST && self.running < MOST_THREADS
    }

    /// Somebody waits for a name; says as which number.
    fn join(&mut self, host: &str, done: Done) -> u64 {
        self.last += 1;
        let asked = self.asked.entry(host.to_owned()).or_default();
        if asked.under_way && asked.waiting.is_empty() {
            self.abandoned -= 1;
        }
        asked.waiting.push((self.last, done));
        self.last
    }

    /// Somebody waits no more, if it is not answered: what was to be told.
    fn leave(&mut self, host: &str, number: u64) -> Option<Done> {
        let asked = self.asked.get_mut(host)?;
        let place = asked.waiting.iter().position(|(other, _)| *other == number)?;
        let (_, done) = asked.waiting.remove(place);
        if asked.under_way && asked.waiting.is_empty() {
            self.abandoned += 1;
        }
        Some(done)
    }

    /// A thread has a name. Says whether somebody waits for it: if not, it is forgotten.
    fn begin(&mut self, host: &str) -> bool {
        match self.asked.get_mut(host) {
            Some(asked) if !asked.waiting.is_empty() => {
                asked.under_way = true;
                self.under_way += 1;
                true
            }
            _ => {
                self.asked.remove(host);
                false
            }
        }
    }

    /// A name was looked up: who waits for it. That is nobody if the resolver was closed meanwhile.
    fn end(&mut self, host: &str) -> Vec<(u64, Done)> {
        self.under_way -= 1;
        let waiting = self.asked.remove(host).unwrap_or_default().waiting;
        if waiting.is_empty() {
            self.abandoned = self.abandoned.saturating_sub(1);
        }
        waiting
    }
}

fn ask_the_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    (host, 0).to_socket_addrs().map(Iterator::collect)
}

fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == thread::current().id()
}

fn join(thread: JoinHandle<()>) {
    // Panics are caught and reported where they happen.
    let _ = thread.join();
}

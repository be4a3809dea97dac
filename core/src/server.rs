//! A server: its listeners, its threads, its start and its stop.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use crate::acceptor::{Acceptor, WAKER};
use crate::action::Action;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::event_loop::Seed;
use crate::handle::Handle;
use crate::handler::Handler;
use crate::listener::Listener;
use crate::mailbox::Mailbox;
use crate::panics::catch;
use crate::sys::poller::Poller;
use crate::sys::signal::SignalsBlocked;
use crate::sys::waker::Waker;
use crate::threads::{self, Threads};

/// Where a server stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Starting,
    Running,
}

/// What the lock of a server guards.
struct Control {
    phase: Phase,
    listeners: Vec<Listener>,
    addresses: Vec<String>,
}

/// What a server shares with its threads and handles.
pub(crate) struct Shared {
    pub(crate) config: Config,
    stopping: AtomicBool,
    /// The loops, from the start on.
    loops: OnceLock<Box<[Arc<Mailbox>]>>,
    /// The process that started the threads; 0 before the start.
    started_by: AtomicU32,
    /// Wakes the thread that accepts, so that it sees the stop.
    accept_waker: Waker,
    /// Readable when everything has ended. Never drained.
    ended: Waker,
    /// Threads that have not ended.
    running: AtomicUsize,
    control: Mutex<Control>,
    /// The threads, until somebody has waited for them.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // After a fork the threads are the parent's, and the child must leave them alone.
        if self.is_started_here() {
            self.mailboxes().iter().for_each(|mailbox| mailbox.wake());
            self.accept_waker.wake();
        }
    }

    fn is_started_here(&self) -> bool {
        self.started_by.load(Ordering::SeqCst) == process::id()
    }

    pub(crate) fn drain_accept_waker(&self) {
        self.accept_waker.drain();
    }

    /// A thread has ended; says whether it was the last.
    pub(crate) fn thread_ended(&self) -> bool {
        self.running.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Everything has ended: whoever waits goes on.
    pub(crate) fn has_ended(&self) {
        self.ended.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        self.loops.get().map_or(&[], |loops| loops)
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.control().addresses.clone()
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        lock(&self.control)
    }
}

/// Locks, also after a panic: what these locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server and its event loops. Dropping it stops it and waits for the loops, unless it is dropped on one of
/// them.
///
/// ```
/// use reactor_core::{Action, Config, Conn, Handler, Server};
///
/// struct Echo;
/// impl Handler for Echo {
///     fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
///         match conn.write(data) {
///             Ok(_) => Action::None,
///             Err(_) => Action::Close,
///         }
///     }
/// }
///
/// let server = Server::new(Echo, &Config::default())?;
/// let address = server.listen("tcp://127.0.0.1:0")?;
/// server.start()?;
/// // … until somebody calls server.handle().stop()
/// # server.handle().stop();
/// server.wait()?;
/// # Ok::<(), reactor_core::Error>(())
/// ```
pub struct Server {
    handle: Handle,
    /// Given to the loops by the start.
    handler: Mutex<Option<Arc<dyn Handler>>>,
}

impl Server {
    /// A server that is not started and listens nowhere.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for options that contradict each other, [`ErrorKind::System`] when
    /// descriptors have run out.
    pub fn new(handler: impl Handler, config: &Config) -> Result<Server> {
        let config = config.resolved()?;
        let waker = || Waker::new().map_err(|error| Error::system("create a server", &error));
        let control = Control { phase: Phase::New, listeners: Vec::new(), addresses: Vec::new() };
        let shared = Shared {
            config,
            stopping: AtomicBool::new(false),
            loops: OnceLock::new(),
            started_by: AtomicU32::new(0),
            accept_waker: waker()?,
            ended: waker()?,
            running: AtomicUsize::new(0),
            control: Mutex::new(control),
            threads: Mutex::default(),
        };
        let handler: Arc<dyn Handler> = Arc::new(handler);
        Ok(Server { handle: Handle { shared: Arc::new(shared) }, handler: Mutex::new(Some(handler)) })
    }

    /// The server as callbacks and other threads see it.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Binds and listens at `[scheme://]address[?option=value&…]`; the kernel queues connections until the
    /// start. Returns the address really bound, as a URL without the query. A host name is looked up, which
    /// may block.
    ///
    /// Schemes: `tcp` (also without a scheme; with no host, IPv4 and IPv6), `tcp4`, `tcp6`, `unix` (a path,
    /// or `@name` for Linux's abstract namespace). Options: `backlog=N`, and for TCP `nodelay=BOOL` (on by
    /// default) and `reuseport=BOOL`. Port 0 picks a free one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAddress`], which quotes the URL and what is wrong with it;
    /// [`ErrorKind::AddressInUse`] or [`ErrorKind::System`] with the system's reason;
    /// [`ErrorKind::WrongState`] after the start. Nothing is left behind, and the server can listen again.
    pub fn listen(&self, url: &str) -> Result<String> {
        // Looked up and bound without the lock: that may take its time.
        self.expect_new("listen", self.handle.shared.control().phase)?;
        let listener = Listener::open(url)?;
        let mut control = self.handle.shared.control();
        self.expect_new("listen", control.phase)?;
        let address = listener.address().to_owned();
        control.addresses.push(address.clone());
        control.listeners.push(listener);
        Ok(address)
    }

    fn expect_new(&self, call: &str, phase: Phase) -> Result<()> {
        match phase {
            Phase::New => Ok(()),
            _ => Err(Error::new(
                ErrorKind::WrongState,
                format!("cannot {call}: the server was started already"),
            )),
        }
    }

    /// Calls `on_start`, then starts the loops and returns. A server can be started once.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it was started before; [`ErrorKind::Stopped`] if `on_start` returned stop
    /// or stop was called before; [`ErrorKind::HandlerFailed`] if `on_start` failed; [`ErrorKind::System`]
    /// when threads, memory or descriptors have run out. After any but the first the server is as before the
    /// call.
    pub fn start(&self) -> Result<()> {
        let shared = &self.handle.shared;
        {
            let mut control = shared.control();
            self.expect_new("start", control.phase)?;
            control.phase = Phase::Starting;
        }
        let started = self.start_phases();
        shared.control().phase = if started.is_ok() { Phase::Running } else { Phase::New };
        if started.is_err() && shared.is_stopping() {
            self.close_unused_listeners();
        }
        started
    }

    /// Closes the listeners that no loop has taken over.
    fn close_unused_listeners(&self) {
        let unused = std::mem::take(&mut self.handle.shared.control().listeners);
        // Without the lock: removing a path may take its time.
        drop(unused);
    }

    fn start_phases(&self) -> Result<()> {
        let shared = &self.handle.shared;
        let handler = lock(&self.handler).clone();
        let handler = handler.ok_or_else(|| Error::new(ErrorKind::Internal, "the handler is gone"))?;
        let seeds = (0..shared.config.loops).map(|_| Seed::new()).collect::<Result<Vec<_>>>()?;
        let accept_poller = self.accept_poller().map_err(|error| Error::system("start", &error))?;
        let threads = Threads::spawn(&self.handle, &handler, accept_poller.is_some())?;
        let poller = accept_poller.as_ref().unwrap_or(&seeds[0].poller);
        if let Err(error) = self.register_listeners(poller).and_then(|()| self.call_on_start(&*handler)) {
            threads.abandon();
            return Err(error);
        }
        // From here on nothing fails.
        let mailboxes = seeds.iter().map(|seed| Arc::clone(&seed.mailbox)).collect();
        let fresh = shared.loops.set(mailboxes);
        debug_assert!(fresh.is_ok(), "the phase lets one start through");
        shared.running.store(threads.len(), Ordering::SeqCst);
        shared.started_by.store(process::id(), Ordering::SeqCst);
        let acceptor = Acceptor::new(std::mem::take(&mut shared.control().listeners));
        *lock(&shared.threads) = threads.release(seeds, acceptor, accept_poller);
        lock(&self.handler).take();
        Ok(())
    }

    fn register_listeners(&self, poller: &Poller) -> Result<()> {
        let registered = Acceptor::register(&self.handle.shared.control().listeners, poller);
        registered.map_err(|error| Error::system("start: poll the listeners", &error))
    }

    /// The poller of the thread that accepts, which there is with several loops.
    fn accept_poller(&self) -> io::Result<Option<Poller>> {
        if self.handle.shared.config.loops == 1 {
            return Ok(None);
        }
        let poller = Poller::new()?;
        poller.add_level(self.handle.shared.accept_waker.as_fd(), WAKER)?;
        Ok(Some(poller))
    }

    fn call_on_start(&self, handler: &dyn Handler) -> Result<()> {
        let stopped = |why| Err(Error::new(ErrorKind::Stopped, format!("cannot start: {why}")));
        let failed =
            |text: &str| Err(Error::new(ErrorKind::HandlerFailed, format!("on_start failed: {text}")));
        if self.handle.is_stopping() {
            return stopped("stop was called before");
        }
        match catch(|| handler.on_start(&self.handle)) {
            Err(panic) => failed(&panic),
            Ok(Err(error)) => failed(&error.to_string()),
            Ok(Ok(Action::Stop)) => stopped("on_start returned stop"),
            Ok(Ok(_)) if self.handle.is_stopping() => stopped("stop was called in on_start"),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Starts, and waits until the server has stopped.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`wait`](Self::wait). On an event loop's thread nothing is started.
    pub fn run(&self) -> Result<()> {
        // Before the start: one that nobody can wait for would go on running.
        Self::check_thread()?;
        self.start()?;
        self.wait()
    }

    /// Blocks until the server has stopped, `on_stop` has returned and its threads have ended.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] on an event loop's thread, and so in callbacks; [`ErrorKind::WrongState`]
    /// if the server was not started.
    pub fn wait(&self) -> Result<()> {
        while !self.wait_with(None)? {}
        Ok(())
    }

    /// As [`wait`](Self::wait), but returns `false` when a signal handler ran on this thread meanwhile.
    /// `look` is called first, and says whether to wait at all: signals are blocked from before it until the
    /// wait, so that none slips in between.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_or_signal(&self, look: impl FnOnce() -> bool) -> Result<bool> {
        let blocked = SignalsBlocked::new();
        Ok(look() && self.wait_with(Some(&blocked))?)
    }

    fn wait_with(&self, blocked: Option<&SignalsBlocked>) -> Result<bool> {
        self.expect_waitable()?;
        let shared = &self.handle.shared;
        match shared.ended.wait(blocked) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(Error::system("wait for the server", &error)),
            Ok(()) => {}
        }
        // With the lock held, so that a second waiter returns only when the threads are gone, too.
        for thread in lock(&shared.threads).drain(..) {
            // A thread of ours ends by itself; its panics are caught and reported where they happen.
            let _ = thread.join();
        }
        Ok(true)
    }

    /// Whether the calling thread may wait for a server, and so run one.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] on an engine's thread, and so in most callbacks.
    pub fn check_thread() -> Result<()> {
        if threads::is_engine_thread() {
            let message = "cannot wait on a thread of the engine: it would wait for itself";
            return Err(Error::new(ErrorKind::WrongThread, message));
        }
        Ok(())
    }

    fn expect_waitable(&self) -> Result<()> {
        Self::check_thread()?;
        let wrong = |message| Err(Error::new(ErrorKind::WrongState, message));
        match self.handle.shared.control().phase {
            Phase::Running if self.handle.shared.is_started_here() => Ok(()),
            Phase::Running => {
                wrong("cannot wait: the server was started before the fork, and runs in the parent")
            }
            _ => wrong("cannot wait: the server is not started"),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop();
        // Fails if there is nothing to wait for, or where waiting is impossible.
        let _ = self.wait();
        // A handle that outlives the server must not keep them open.
        self.close_unused_listeners();
    }
}

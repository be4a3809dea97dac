//! A server: its listeners, its threads, its start and its stop.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use crate::acceptor::{AcceptThread, Acceptor, WAKER};
use crate::action::Action;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::event_loop::{panic_text, EventLoop, Seed};
use crate::handle::Handle;
use crate::handler::Handler;
use crate::listener::Listener;
use crate::mailbox::Mailbox;
use crate::sys::poller::Poller;
use crate::sys::signal::SignalsBlocked;
use crate::sys::waker::Waker;

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

thread_local! {
    /// Set on the engine's own threads, where nobody may wait.
    static ON_ENGINE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// What a server shares with its threads and handles.
pub(crate) struct Shared {
    pub(crate) config: Config,
    stopping: AtomicBool,
    /// The loops, from the start on.
    loops: OnceLock<Box<[Arc<Mailbox>]>>,
    /// Wakes the thread that accepts, so that it sees the stop. Never drained.
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
        self.mailboxes().iter().for_each(|mailbox| mailbox.wake());
        self.accept_waker.wake();
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
        started
    }

    fn start_phases(&self) -> Result<()> {
        let shared = &self.handle.shared;
        let handler = lock(&self.handler).clone();
        let handler = handler.ok_or_else(|| Error::new(ErrorKind::Internal, "the handler is gone"))?;
        let seeds = (0..shared.config.loops).map(|_| Seed::new()).collect::<Result<Vec<_>>>()?;
        let accept_poller = self.accept_poller().map_err(|error| Error::system("start", &error))?;
        self.call_on_start(&*handler)?;
        let threads = Threads::spawn(&self.handle, &handler, accept_poller.is_some())?;

        let mut control = shared.control();
        let poller = accept_poller.as_ref().unwrap_or(&seeds[0].poller);
        let registered = Acceptor::register(&control.listeners, poller);
        registered.map_err(|error| Error::system("start: poll the listeners", &error))?;
        // From here on nothing fails.
        let mailboxes = seeds.iter().map(|seed| Arc::clone(&seed.mailbox)).collect();
        let fresh = shared.loops.set(mailboxes);
        debug_assert!(fresh.is_ok(), "the phase lets one start through");
        shared.running.store(threads.joins.len(), Ordering::SeqCst);
        let acceptor = Acceptor::new(std::mem::take(&mut control.listeners));
        drop(control);
        *lock(&shared.threads) = threads.release(seeds, acceptor, accept_poller);
        lock(&self.handler).take();
        Ok(())
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
        match catch_unwind(AssertUnwindSafe(|| handler.on_start(&self.handle))) {
            Err(panic) => failed(panic_text(&*panic)),
            Ok(Err(error)) => failed(&error.to_string()),
            Ok(Ok(Action::Stop)) => stopped("on_start returned stop"),
            Ok(Ok(_)) if self.handle.is_stopping() => stopped("stop was called in on_start"),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Starts, and waits until the server has stopped.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`wait`](Self::wait).
    pub fn run(&self) -> Result<()> {
        self.start()?;
        self.wait()
    }

    /// Blocks until the server has stopped, `on_stop` has returned and its threads have ended.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] on an event loop's thread, and so in callbacks; [`ErrorKind::WrongState`]
    /// if the server was not started.
    pub fn wait(&self) -> Result<()> {
        while !self.wait_or_signal()? {}
        Ok(())
    }

    /// As [`wait`](Self::wait), but returns `false` when a signal handler ran on this thread meanwhile.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_or_signal(&self) -> Result<bool> {
        self.expect_waitable()?;
        let shared = &self.handle.shared;
        match shared.ended.wait() {
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

    fn expect_waitable(&self) -> Result<()> {
        if ON_ENGINE_THREAD.get() {
            let message = "cannot wait on a thread of the engine: it would wait for itself";
            return Err(Error::new(ErrorKind::WrongThread, message));
        }
        match self.handle.shared.control().phase {
            Phase::Running => Ok(()),
            _ => Err(Error::new(ErrorKind::WrongState, "cannot wait: the server is not started")),
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
    }
}

/// What a loop's thread is given when all threads exist.
type LoopStart = (Seed, Option<Acceptor>);
/// What the accepting thread is given.
type AcceptStart = (Poller, Acceptor);

/// Threads that exist and wait to be released; if they are dropped instead, they end.
struct Threads {
    joins: Vec<JoinHandle<()>>,
    loops: Vec<SyncSender<LoopStart>>,
    acceptor: Option<SyncSender<AcceptStart>>,
}

impl Threads {
    fn spawn(server: &Handle, handler: &Arc<dyn Handler>, accepting: bool) -> Result<Threads> {
        let _blocked = SignalsBlocked::new();
        let mut threads = Threads { joins: Vec::new(), loops: Vec::new(), acceptor: None };
        for index in 0..server.shared.config.loops {
            let (sender, receiver) = sync_channel(1);
            let (server, handler) = (server.clone(), Arc::clone(handler));
            threads.start(format!("reactor-{index}"), move || loop_thread(&receiver, &server, handler))?;
            threads.loops.push(sender);
        }
        if accepting {
            let (sender, receiver) = sync_channel(1);
            let (server, handler) = (server.clone(), Arc::clone(handler));
            threads.start("reactor-accept".into(), move || accept_thread(&receiver, &server, &handler))?;
            threads.acceptor = Some(sender);
        }
        Ok(threads)
    }

    fn start(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let failed = |error| Error::system(format_args!("start the thread {name}"), &error);
        self.joins.push(thread::Builder::new().name(name.clone()).spawn(body).map_err(failed)?);
        Ok(())
    }

    /// Lets the threads go.
    fn release(self, seeds: Vec<Seed>, acceptor: Acceptor, poller: Option<Poller>) -> Vec<JoinHandle<()>> {
        let mut acceptor = Some(acceptor);
        if let Some((sender, start)) = self.acceptor.zip(poller.map(|poller| (poller, acceptor.take()))) {
            // The receiver waits in its thread, and the channel has room: sending cannot fail.
            let _ = start.1.map(|acceptor| sender.send((start.0, acceptor)));
        }
        for (sender, seed) in self.loops.iter().zip(seeds) {
            let _ = sender.send((seed, acceptor.take()));
        }
        self.joins
    }
}

fn loop_thread(start: &Receiver<LoopStart>, server: &Handle, handler: Arc<dyn Handler>) {
    let Ok((seed, acceptor)) = start.recv() else { return };
    ON_ENGINE_THREAD.set(true);
    let mut event_loop = Some(EventLoop::new(seed, server.clone(), Arc::clone(&handler), acceptor));
    guarded(server, || {
        handler.around_loop(&mut || {
            // Dropped here: what the loop still owns may need what was set up around it.
            if let Some(mut event_loop) = event_loop.take() {
                event_loop.run();
            }
        });
    });
    thread_ended(server, &*handler);
}

fn accept_thread(start: &Receiver<AcceptStart>, server: &Handle, handler: &Arc<dyn Handler>) {
    let Ok((poller, acceptor)) = start.recv() else { return };
    ON_ENGINE_THREAD.set(true);
    guarded(server, || AcceptThread { server: server.clone(), poller, acceptor }.run());
    thread_ended(server, &**handler);
}

/// Stops the server if a defect of the engine panics, instead of leaving it half alive.
fn guarded(server: &Handle, body: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
        log::error!("a thread of the engine panicked, the server stops: {}", panic_text(&*panic));
        server.stop();
    }
}

/// The last thread to end tells the handler, then whoever waits.
fn thread_ended(server: &Handle, handler: &dyn Handler) {
    if server.shared.running.fetch_sub(1, Ordering::SeqCst) > 1 {
        return;
    }
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handler.on_stop(server))) {
        log::error!("on_stop panicked: {}", panic_text(&*panic));
    }
    server.shared.ended.wake();
}

//! A server: its start, its threads, its end.

mod accept_thread;
pub(crate) mod hosted;
pub(crate) mod signals;
pub(crate) mod threads;

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::address::ListenOptions;
use crate::base::engine_thread;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::panics::catch;
use crate::contract::action::Action;
use crate::contract::config::Config;
use crate::contract::options::{ConnOptions, Listening};
use crate::delivery::handler::Handler;
use crate::delivery::inline::Inline;
use crate::delivery::receiver::Delivery;
use crate::listen::listener::inherited;
use crate::shared::handle::Handle;
use crate::shared::seed::Seed;
use crate::shared::server::{lock, Phase, ServerState};
use crate::sys::cancel::Uncancelled;
use crate::sys::fork;
use crate::sys::waker::Waker;

use signals::Signals;
use threads::Threads;

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
    delivery: Mutex<Option<Arc<dyn Delivery>>>,
    /// Dropping it does not wait.
    let_go: AtomicBool,
    /// While signals stop it.
    signals: Mutex<Option<Signals>>,
}

impl Server {
    /// A server that is not started and listens nowhere.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for options that contradict each other, [`ErrorKind::System`] when
    /// descriptors have run out.
    pub fn new(handler: impl Handler, config: &Config) -> Result<Server> {
        Server::delivering(Inline::new(handler), config)
    }

    /// As [`new`](Self::new), for a language binding that is told in a way of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[doc(hidden)]
    pub fn delivering(delivery: impl Delivery, config: &Config) -> Result<Server> {
        let shared = ServerState::new(config.resolved()?, delivery.carries())?;
        let delivery: Arc<dyn Delivery> = Arc::new(delivery);
        let (handle, delivery) = (Handle { shared: Arc::new(shared) }, Mutex::new(Some(delivery)));
        Ok(Server { handle, delivery, let_go: AtomicBool::new(false), signals: Mutex::default() })
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
    /// Schemes, in any case: `tcp` (also without a scheme; with no host or `*`, IPv4 and IPv6), `tcp4`, `tcp6`, `udp`,
    /// `udp4`, `udp6`, `unix` (a path, or `@name` for Linux's abstract namespace), `fd` (the number of an inherited
    /// descriptor). An IPv6 address may have a zone by name or by number: `[fe80::1%eth0]:5000`. In a path or name, any
    /// byte may stand as `%` and two hexadecimal digits, and `%` and `?` must. Port 0 picks a free one. Options: those of [`ListenOptions`] and [`ConnOptions`], whose members
    /// say how they are called here: `tcp://:5000?backlog=64&idle=30000&framing=line`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAddress`], which quotes the URL and what is wrong with it: the names of the options that there
    /// are, or the form of one that is malformed; options that have no meaning for datagrams are none of UDP's;
    /// [`ErrorKind::AddressInUse`] or [`ErrorKind::System`] with the system's reason;
    /// [`ErrorKind::WrongState`] when the server stops. Nothing is left behind, and the server can listen
    /// again.
    pub fn listen(&self, url: &str) -> Result<String> {
        let listening = self.listen_with(url, &ListenOptions::default(), &ConnOptions::default())?;
        Ok(listening.address)
    }

    /// As [`listen`](Self::listen), with options for the socket and for its connections. What the query says wins.
    /// Before the start, in `on_start`, and while the server runs.
    ///
    /// # Errors
    /// As [`listen`](Self::listen); [`ErrorKind::InvalidArgument`] for a framing that cannot be.
    pub fn listen_with(&self, url: &str, options: &ListenOptions, conns: &ConnOptions) -> Result<Listening> {
        self.handle.shared.listen(url, options, conns)
    }

    /// Listens on every descriptor that the service manager passed on (LISTEN_PID and LISTEN_FDS, as
    /// sd_listen_fds(3) has it): none if there are no such variables, or they are another process's.
    ///
    /// # Errors
    /// As [`listen`](Self::listen); [`ErrorKind::InvalidArgument`] if the variables are malformed. The
    /// descriptors before the one that failed stay.
    pub fn listen_inherited(&self, options: &ListenOptions, conns: &ConnOptions) -> Result<Vec<Listening>> {
        inherited()?.iter().map(|url| self.listen_with(url, options, conns)).collect()
    }

    /// Calls `on_start`, then starts the loops and returns. A server can be started once. The threads that run callbacks
    /// have the signal mask of the calling one, so what a callback starts, a program or a thread, has it as well, and a signal
    /// that it raises arrives. A signal for the process goes to its main thread as long as that takes it; a program that
    /// wants it elsewhere blocks it before the start.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it was started before; [`ErrorKind::Stopped`] if `on_start` returned stop
    /// or stop was called before; [`ErrorKind::HandlerFailed`] if `on_start` failed; [`ErrorKind::System`]
    /// when threads, memory or descriptors have run out. After any but the first the server is as before the
    /// call.
    pub fn start(&self) -> Result<()> {
        let shared = &self.handle.shared;
        shared.begin_start()?;
        let started = self.start_phases();
        shared.end_start(started.is_ok());
        started
    }

    fn start_phases(&self) -> Result<()> {
        let shared = &self.handle.shared;
        let delivery = self.delivery()?;
        let seeds = shared.take_seeds()?;
        let process = fork::process();
        let threads = Threads::spawn(&self.handle, &delivery, shared.accepting().is_some());
        let started = threads.and_then(|threads| match self.call_on_start(&*delivery) {
            _ if !fork::is_still(process) => {
                threads.forget();
                Err(shared.left_to(process))
            }
            Ok(()) => Ok(threads),
            Err(error) => {
                threads.abandon();
                Err(error)
            }
        });
        match started {
            Err(error) if !fork::is_still(process) => {
                std::mem::forget(seeds);
                Err(error)
            }
            Err(error) => {
                self.put_back(seeds);
                Err(error)
            }
            // From here on nothing fails.
            Ok(threads) => {
                self.release(threads, seeds);
                Ok(())
            }
        }
    }

    fn release(&self, threads: Threads, seeds: Vec<Seed>) {
        let shared = &self.handle.shared;
        shared.running.store(threads.len(), Ordering::SeqCst);
        shared.set_started_here();
        shared.place_listeners(Phase::Running);
        *lock(&shared.threads) = threads.release(seeds);
        lock(&self.delivery).take();
    }

    fn delivery(&self) -> Result<Arc<dyn Delivery>> {
        let delivery = lock(&self.delivery).clone();
        delivery.ok_or_else(|| Error::new(ErrorKind::Internal, "the handler is gone"))
    }

    pub(crate) fn call_on_start_of(handle: &Handle, delivery: &dyn Delivery) -> Result<()> {
        let stopped = |why| Err(Error::new(ErrorKind::Stopped, format!("cannot start: {why}")));
        let failed =
            |text: &str| Err(Error::new(ErrorKind::HandlerFailed, format!("on_start failed: {text}")));
        if handle.is_stopping() {
            return stopped("stop was called before");
        }
        match catch(|| delivery.on_start(handle)) {
            Err(panic) => failed(&panic),
            Ok(Err(error)) => failed(&error.to_string()),
            Ok(Ok(Action::Stop)) => stopped("on_start returned stop"),
            Ok(Ok(_)) if handle.is_stopping() => stopped("stop was called in on_start"),
            Ok(Ok(_)) => Ok(()),
        }
    }

    fn call_on_start(&self, delivery: &dyn Delivery) -> Result<()> {
        Self::call_on_start_of(&self.handle, delivery)
    }

    /// For the next attempt: the loops' ids are known already. What on_start began is forgotten.
    fn put_back(&self, seeds: Vec<Seed>) {
        let shared = &self.handle.shared;
        seeds.iter().for_each(|seed| seed.mailbox.reset(&shared.budget));
        shared.put_seeds_back(seeds);
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
    /// if the server was not started, or its host drives it.
    pub fn wait(&self) -> Result<()> {
        while !self.wait_within(None, None)? {}
        Ok(())
    }

    /// As [`wait`](Self::wait), but returns `false` when `other` becomes readable meanwhile, or a signal handler ran on this
    /// thread. A signal may be handled on another thread, or just before the wait: what a handler writes to ends it for
    /// certain.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_or_readable(&self, other: BorrowedFd<'_>) -> Result<bool> {
        self.wait_within(Some(other), None)
    }

    /// As [`wait`](Self::wait), but returns `false` when `at_most` is over, `other` becomes readable, or a signal handler ran
    /// on this thread.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    #[doc(hidden)]
    pub fn wait_within(&self, other: Option<BorrowedFd<'_>>, at_most: Option<Duration>) -> Result<bool> {
        self.expect_waitable()?;
        let ended = match self.ended()?.wait(other, at_most) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            waited => waited.map_err(|error| Error::system("wait for the server", &error))?,
        };
        if ended {
            self.join();
        }
        Ok(ended)
    }

    /// As [`wait`](Self::wait), but returns `false` when the thread is cancelled meanwhile. It is the caller's then to end
    /// it, when nothing of this crate's is on its stack any more.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    #[doc(hidden)]
    pub fn wait_cancellable(&self, thread: &Uncancelled) -> Result<bool> {
        self.expect_waitable()?;
        let ended = self.ended()?;
        loop {
            match ended.wait_cancellable(thread) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::system("wait for the server", &error)),
                Ok(false) => return Ok(false),
                Ok(true) => break,
            }
        }
        self.join();
        Ok(true)
    }

    /// Stops the server, whose threads then end by themselves: dropping it does not wait for them. For destructors that run
    /// where nobody may wait.
    #[doc(hidden)]
    pub fn let_go(&self) {
        self.let_go.store(true, Ordering::SeqCst);
        self.handle.stop();
    }

    fn ended(&self) -> Result<&Waker> {
        let none = || Error::new(ErrorKind::Internal, "a server without an end");
        self.handle.shared.ended().ok_or_else(none)
    }

    /// Waits for the threads, which have nothing left to do.
    fn join(&self) {
        let shared = &self.handle.shared;
        // With the lock held, so that a second waiter returns only when the threads are gone, too.
        for thread in lock(&shared.threads).drain(..) {
            // A thread of ours ends by itself; its panics are caught and reported where they happen.
            let _ = thread.join();
        }
        shared.resolver.close();
    }

    /// Whether the calling thread may wait for a server, and so run one.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] on an engine's thread, and so in most callbacks.
    pub fn check_thread() -> Result<()> {
        if engine_thread::is_marked() {
            let message = "cannot wait on a thread of the engine: it would wait for itself";
            return Err(Error::new(ErrorKind::WrongThread, message));
        }
        Ok(())
    }

    fn expect_waitable(&self) -> Result<()> {
        Self::check_thread()?;
        let wrong = |message| Err(Error::new(ErrorKind::WrongState, message));
        match self.handle.shared.phase() {
            phase if phase.is_hosted() => wrong("cannot wait: the server's host drives it, by its turns"),
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
        let shared = &self.handle.shared;
        // In a child of the process that started it there is nothing of its own; and what its host drives is the
        // host's to drop.
        if shared.expect_own_process().is_err() || shared.phase().is_hosted() {
            return;
        }
        if !std::thread::panicking() {
            shared.tell_if_unstarted();
        }
        self.handle.stop();
        match self.let_go.load(Ordering::SeqCst) {
            true => lock(&shared.threads).clear(),
            // Fails if there is nothing to wait for, or where waiting is impossible.
            false => drop(self.wait()),
        }
        // A handle that outlives the server must not keep them open.
        self.handle.shared.close_unplaced_listeners();
    }
}

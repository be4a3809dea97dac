//! A server that another event loop drives.

use std::cell::RefCell;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, mem};

use pyo3::exceptions::PyResourceWarning;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefReference};
use reactor_core::{Error, ErrorKind, Handle};

use crate::errors::exception;
use crate::exit::withdraw;
use crate::host_thread::HostThread;
use crate::scopes::Scopes;
use crate::server::{Owned, Server};
use crate::state::State;

/// The longest that poll(2) is asked to wait at once.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A server of one loop without a thread of its own. Its host, the thread that makes this, waits until the descriptor `fileno()`
/// is readable, by whatever event loop it has, and calls `turn`: all callbacks come in there, with the interpreter lock held
/// from the first to the last. Other threads go on calling the server and its connections, which makes the descriptor readable.
/// `Server.serve` and `serve_async` do all that under asyncio.
///
/// server: one that was made with hosted=True, or loops=1, and was not started. It is kept alive.
///
/// Close it, or leave it as a context manager: one that is dropped on another thread cannot be closed any more. Raises
/// `InvalidArgumentError` for a server of several loops, `WrongStateError` for one that was started, `SystemCallError` when
/// descriptors have run out, `UnsupportedError` for callbacks that are `async def`, and where the engine waits by poll(2).
#[pyclass(module = "reactor", frozen, weakref)]
pub(crate) struct Hosted {
    engine: HostThread<RefCell<Option<reactor_core::Hosted>>>,
    /// -1 once it is closed.
    descriptor: AtomicI32,
    state: Arc<State>,
    server: Py<Server>,
}

#[pymethods]
impl Hosted {
    #[new]
    fn new(server: &Bound<'_, Server>) -> PyResult<Self> {
        Self::of(server, None)
    }

    /// The descriptor to wait for: readable whenever `turn` has something to do, timers and what was put off included. A host
    /// may wait for its level, or for its edges and then call one turn for each. It stays the same. Usable on any thread.
    /// Raises `WrongStateError` once this is closed.
    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        match self.descriptor.load(Ordering::Acquire) {
            -1 => Err(wrong_state(py, "there is no descriptor: the hosted server was closed")),
            descriptor => Ok(descriptor),
        }
    }

    /// Handles what is ready, after waiting for something for at most `timeout` seconds; None waits for ever. While it waits
    /// other threads run and signals are handled. The first turn calls `on_start`. Returns whether the server goes on: False in
    /// the turn that calls `on_stop`, and from then on.
    ///
    /// KeyboardInterrupt and SystemExit that a callback raises stop the server, and are raised here when the turn is over.
    /// Raises `StoppedError` and `HandlerFailedError` if on_start refuses the
    /// start or fails it: the server has ended then, without on_stop; `WrongThreadError` on another thread than the host's;
    /// `WrongStateError` in a callback of this server, or in a forked child.
    #[pyo3(signature = (timeout=Some(0.0)), text_signature = "($self, timeout=0.0)")]
    fn turn(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let engine = self.here(py)?;
        if timeout != Some(0.0) && !self.closed() {
            self.wait(py, timeout)?;
        }
        let mut engine = engine.try_borrow_mut().map_err(|_| in_callback(py, "turn"))?;
        let Some(engine) = &mut *engine else { return Ok(false) };
        let turned = engine.turn(Some(Duration::ZERO));
        // What a callback has raised says more than that the start has failed because of it.
        match (self.state.take_exit(py), turned) {
            (Some(raised), _) => Err(raised),
            (None, turned) => turned.map_err(|error| self.state.start_error(py, &error)),
        }
    }

    /// Ends the server at once, if it runs still: connections get one more attempt to send what is queued and are closed with
    /// `CloseReason.SHUTDOWN`, then on_stop is called, all of that in this call. May be repeated. Raises `WrongThreadError`
    /// and `WrongStateError` as `turn` does, and what `turn` would raise on.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let engine = self.here(py)?;
        let closed = engine.try_borrow_mut().map_err(|_| in_callback(py, "close"))?.take();
        self.descriptor.store(-1, Ordering::Release);
        drop(closed);
        self.state.take_exit(py).map_or(Ok(()), Err)
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.descriptor.load(Ordering::Acquire) == -1
    }

    /// The server.
    #[getter]
    fn server(&self, py: Python<'_>) -> Py<Server> {
        self.server.clone_ref(py)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Closes it.
    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, py: Python<'_>, _exc_info: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let state = if self.closed() { "closed" } else { "open" };
        Ok(format!("<reactor.Hosted {state} {}>", self.server.bind(py).repr()?))
    }

    /// The handler may have this, and the server has the handler: it is that which the garbage collector takes apart.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.server)
    }
}

impl Hosted {
    /// Starts a server that the calling thread drives, with scopes for its callbacks if asyncio does.
    pub(crate) fn of(server: &Bound<'_, Server>, scopes: Option<Scopes>) -> PyResult<Self> {
        let (py, Owned { core, state, key }) = (server.py(), server.get().owned(server.py())?);
        if server.get().handle.loops() > 0 {
            return Err(wrong_state(py, "cannot start: the server was started before"));
        }
        match (scopes, state.callbacks.any_async()) {
            (Some(scopes), _) => state.set_scopes(scopes),
            (None, Some(callback)) => {
                let message = format!("{} is async def: let asyncio serve() the server", callback.name);
                return Err(exception(py, &Error::new(ErrorKind::Unsupported, message)));
            }
            (None, None) => {}
        }
        state.set_server(&PyWeakrefReference::new(server)?);
        let engine = start(py, server.get(), &core, &state)?;
        withdraw(key);
        let descriptor = AtomicI32::new(engine.poll_fd());
        let engine = HostThread::new(RefCell::new(Some(engine)));
        Ok(Hosted { engine, descriptor, state, server: server.clone().unbind() })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.server.get().handle
    }

    /// The engine, for its host's thread.
    #[inline]
    fn here(&self, py: Python<'_>) -> PyResult<&RefCell<Option<reactor_core::Hosted>>> {
        self.engine.get().ok_or_else(|| {
            let message = "a hosted server turns, and is closed, on the thread that made it only";
            exception(py, &Error::new(ErrorKind::WrongThread, message))
        })
    }

    /// Waits for the descriptor without the interpreter lock.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let timeout = timeout.map(|seconds| duration(py, seconds)).transpose()?;
        let descriptor = self.descriptor.load(Ordering::Acquire);
        // One that does not fit is as good as for ever.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map_or(LONGEST, |end| end.saturating_duration_since(Instant::now()));
            match py.detach(|| is_readable(descriptor, left.min(LONGEST))) {
                Ok(false) if left > LONGEST || end.is_none() => {}
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => py.check_signals()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Nobody has closed it.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        // First: the warning may be an error.
        let engine = self.engine.get().and_then(|engine| engine.try_borrow_mut().ok()?.take());
        if py.import("sys")?.call_method0("is_finalizing")?.is_truthy()? {
            // No callback may come any more.
            mem::forget(engine);
            return Ok(());
        }
        drop(engine);
        let message = CString::new(format!("unclosed {}", self.__repr__(py)?))?;
        PyErr::warn(py, &py.get_type::<PyResourceWarning>(), &message, 1)?;
        self.state.take_exit(py).map_or(Ok(()), Err)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        if self.closed() {
            return;
        }
        let _ = Python::try_attach(|py| {
            // It may be dropped while an exception is on its way.
            let under_way = PyErr::take(py);
            if let Err(error) = self.abandon(py) {
                error.write_unraisable(py, None);
            }
            if let Some(under_way) = under_way {
                under_way.restore(py);
            }
        });
    }
}

fn start(
    py: Python<'_>,
    server: &Server,
    core: &reactor_core::Server,
    state: &State,
) -> PyResult<reactor_core::Hosted> {
    state.set_hosted(true);
    server.started.store(true, Ordering::Release);
    core.start_hosted().map_err(|error| {
        state.set_hosted(false);
        server.started.store(false, Ordering::Release);
        exception(py, &error)
    })
}

fn wrong_state(py: Python<'_>, message: &str) -> PyErr {
    exception(py, &Error::new(ErrorKind::WrongState, message))
}

fn in_callback(py: Python<'_>, what: &str) -> PyErr {
    wrong_state(py, &format!("cannot {what} a hosted server in a callback of its own"))
}

fn duration(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        let message =
            format!("timeout must be a number of seconds, 0 or more, or None for ever, not {seconds}");
        return Err(exception(py, &Error::new(ErrorKind::InvalidArgument, message)));
    }
    // More than that is as good as for ever.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Waits for a descriptor; false when the time is over.
fn is_readable(descriptor: RawFd, longest: Duration) -> io::Result<bool> {
    // Rounded up: otherwise it would be asked again and again at the end.
    let millis = longest.as_nanos().div_ceil(1_000_000);
    let mut polled = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: it is given one structure, which lives until it returns.
    match unsafe { libc::poll(&raw mut polled, 1, i32::try_from(millis).unwrap_or(i32::MAX)) } {
        -1 => Err(io::Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}

//! An engine without a thread: an asyncio event loop turns it whenever its descriptor is readable.

use std::cell::RefCell;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use reactor_core::{Config, ConnId, ConnOptions, ConnectOptions, ListenOptions, ListenerId, Server};

use super::receiver::ToProtocols;
use super::shared::{Accepting, Pending, Shared};
use super::transport::Transport;
use crate::errors::IntoPyResult;

/// The engine of one server, or of an event loop's outgoing connections.
#[pyclass(module = "reactor.asyncio", frozen, weakref)]
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    owned: Owned,
}

struct Owned(RefCell<Option<Server>>);

// SAFETY: whoever reaches for what is inside holds the interpreter lock, and this module is declared to need it.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

#[pymethods]
impl Engine {
    /// event_loop: the running event loop. factory and context: who gets accepted connections, and what that runs in.
    #[new]
    #[pyo3(signature = (event_loop, factory=None, context=None))]
    fn new(
        py: Python<'_>,
        event_loop: Py<PyAny>,
        factory: Option<Py<PyAny>>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let shared = Arc::new(Shared::new(event_loop));
        if let (Some(factory), Some(context)) = (factory, context) {
            *shared.accepting.borrow_mut() = Some(Accepting { factory, context });
        }
        // A protocol sets its own limits, and nobody else does.
        let config = Config {
            loops: 1,
            high_water: usize::MAX,
            low_water: usize::MAX,
            hard_limit: usize::MAX,
            byte_budget: usize::MAX,
            ..Config::default()
        };
        let server = Server::delivering(ToProtocols(Arc::clone(&shared)), &config).into_py_result(py)?;
        let _ = shared.server.set(server.handle().clone());
        Ok(Engine { shared, owned: Owned(RefCell::new(Some(server))) })
    }

    /// Listens; answers the listener's number and its address.
    #[pyo3(signature = (url, backlog=0, reuse_port=None))]
    fn listen(
        &self,
        py: Python<'_>,
        url: &str,
        backlog: u32,
        reuse_port: Option<bool>,
    ) -> PyResult<(u32, String)> {
        let options = ListenOptions { backlog, reuseport: reuse_port, ..ListenOptions::default() };
        let conns = ConnOptions { half_open: true, ..ConnOptions::default() };
        let listening = self.shared.server().listen(url, &options, &conns).into_py_result(py)?;
        Ok((listening.id.to_u32(), listening.address))
    }

    /// A copy of a listener's descriptor, which is the caller's to close, before `close_listener`.
    fn copy_of_listener(&self, py: Python<'_>, listener: u32) -> PyResult<i32> {
        let copied = self.shared.server().copy_of_listener(known(listener)?).into_py_result(py)?;
        Ok(copied.into_raw_fd())
    }

    /// Stops listening.
    fn close_listener(&self, py: Python<'_>, listener: u32) -> PyResult<()> {
        let listener = known(listener)?;
        // First whether a turn goes on: then the engine is lent out.
        match self.shared.turning.get() || self.shared.hosted.borrow().is_some() {
            true => self.shared.with_loop(|server| server.close_listener(listener))?.into_py_result(py),
            false => self.shared.server().close_listener(listener).into_py_result(py),
        }
    }

    /// Starts, and answers the descriptor for which the event loop is to call `turn`.
    fn start(&self, py: Python<'_>) -> PyResult<i32> {
        let hosted = match &*self.owned.0.borrow() {
            Some(server) => server.start_hosted().into_py_result(py)?,
            None => return Err(PyRuntimeError::new_err("the engine has ended")),
        };
        let descriptor = hosted.poll_fd();
        drop(self.shared.hosted.replace(Some(hosted)));
        self.turn(py)?;
        Ok(descriptor)
    }

    /// Handles what is ready. Raises what ends a program and was raised in a callback.
    pub(crate) fn turn(&self, py: Python<'_>) -> PyResult<()> {
        let shared = &self.shared;
        if shared.turning.get() || !shared.is_here() {
            return Err(PyRuntimeError::new_err(
                "the engine is turned by its event loop, and not in a callback",
            ));
        }
        let turned = match shared.hosted.borrow_mut().as_mut() {
            None => return Ok(()),
            Some(hosted) => {
                shared.turning.set(true);
                let turned = hosted.turn(Some(Duration::ZERO));
                shared.turning.set(false);
                turned
            }
        };
        shared.look_after_waiting(py)?;
        shared.look_after_blocked(py);
        if shared.over.get() {
            // A callback has shut it: what was lent out then goes now.
            self.end();
        }
        if let Some(raised) = shared.raised.take() {
            return Err(raised);
        }
        if shared.over.get() {
            return Ok(());
        }
        match turned.into_py_result(py)? {
            true => Ok(()),
            false => Err(PyRuntimeError::new_err("the engine has ended; the log says why")),
        }
    }

    /// Connects; the waiter, a future, becomes the transport and the protocol. Without a factory it is a datagram endpoint, and the
    /// waiter becomes its id.
    fn connect(
        &self,
        py: Python<'_>,
        url: &str,
        factory: Option<Py<PyAny>>,
        context: Py<PyAny>,
        waiter: Py<PyAny>,
        timeout: f64,
    ) -> PyResult<u64> {
        let conn = ConnOptions { half_open: factory.is_some(), ..ConnOptions::default() };
        let timeout = Duration::try_from_secs_f64(timeout).unwrap_or(Duration::MAX);
        let options = ConnectOptions { conn, timeout, on_loop: Some(0), ..ConnectOptions::default() };
        let id = self.shared.with_loop(|server| server.connect(url, options))?.into_py_result(py)?;
        self.shared.pending.borrow_mut().insert(id, Pending { factory, context, waiter });
        Ok(id.to_u64())
    }

    /// Takes a connected socket over, whose descriptor is the engine's from now on; the waiter as with `connect`.
    fn enroll(
        &self,
        py: Python<'_>,
        descriptor: i32,
        factory: Py<PyAny>,
        context: Py<PyAny>,
        waiter: Py<PyAny>,
    ) -> PyResult<u64> {
        if descriptor < 0 {
            return Err(PyValueError::new_err("the socket is closed"));
        }
        // SAFETY: the caller has made this copy for the engine.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let conn = ConnOptions { half_open: true, ..ConnOptions::default() };
        let options = ConnectOptions { conn, on_loop: Some(0), ..ConnectOptions::default() };
        let id = self.shared.with_loop(|server| server.enroll(descriptor, options))?.into_py_result(py)?;
        let pending = Pending { factory: Some(factory), context, waiter };
        self.shared.pending.borrow_mut().insert(id, pending);
        Ok(id.to_u64())
    }

    /// Nobody waits for an outgoing connection any more.
    fn give_up(&self, id: u64) -> PyResult<()> {
        let Some(id) = ConnId::from_u64(id) else { return Ok(()) };
        let pending = self.shared.pending.borrow_mut().remove(&id);
        match pending {
            // Refused if it is over by itself.
            Some(_) => self.shared.with_loop(|server| drop(server.abort(id))),
            None => Ok(()),
        }
    }

    /// Transports whose `connection_lost` was not called yet.
    #[getter]
    fn open(&self) -> usize {
        self.shared.open.get()
    }

    /// Connections of the engine's, those included that wait for their peers to close, too.
    #[getter]
    fn connections(&self) -> usize {
        self.shared.server().connections()
    }

    /// Has this called whenever the last transport is lost.
    fn set_idle(&self, idle: Option<Py<PyAny>>) {
        let before = self.shared.idle.replace(idle);
        drop(before);
    }

    /// Has the event loop call this after each end of a connection.
    fn set_ended(&self, ended: Option<Py<PyAny>>) {
        let before = self.shared.ended.replace(ended);
        drop(before);
    }

    /// The event loop that turns it.
    #[getter]
    fn event_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.shared.event_loop.clone_ref(py)
    }

    /// Whether it was shut.
    #[getter]
    fn is_over(&self) -> bool {
        self.shared.over.get()
    }

    /// The transports that there are.
    fn transports(&self, py: Python<'_>) -> Vec<Py<Transport>> {
        self.shared.all(py)
    }

    /// Ends it, and closes what it has. No protocol is told.
    fn shut(&self) {
        self.end();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.shared.event_loop)?;
        if let Ok(Some(accepting)) = self.shared.accepting.try_borrow().as_deref() {
            visit.call(&accepting.factory)?;
            visit.call(&accepting.context)?;
        }
        for told in [&self.shared.idle, &self.shared.ended] {
            if let Ok(Some(told)) = told.try_borrow().as_deref() {
                visit.call(told)?;
            }
        }
        if let Ok(endpoints) = self.shared.endpoints.try_borrow() {
            endpoints.values().try_for_each(|place| place.visit(&visit))?;
        }
        self.shared.each(|transport| visit.call(transport))
    }

    fn __clear__(&self) {
        self.end();
    }
}

impl Engine {
    fn end(&self) {
        self.shared.over.set(true);
        let hosted = self.shared.hosted.try_borrow_mut().ok().and_then(|mut hosted| hosted.take());
        let server = self.owned.0.take();
        match self.shared.is_here() {
            true => drop((hosted, server)),
            // It cannot be taken down here; the process has its descriptors until it ends.
            false => std::mem::forget((hosted, server)),
        }
        let shared = &self.shared;
        let gone = (shared.waiting.take(), shared.pending.take(), shared.idle.take(), shared.ended.take());
        drop((gone, shared.accepting.take(), shared.endpoints.take(), shared.blocked.take()));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn known(listener: u32) -> PyResult<ListenerId> {
    let none = || PyRuntimeError::new_err("0 is no listener");
    ListenerId::from_u32(listener).ok_or_else(none)
}

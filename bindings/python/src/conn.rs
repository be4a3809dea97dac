//! A connection as Python sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use reactor_core::{ConnId, Error, ErrorKind, Handle};

use crate::errors::{exception, IntoPyResult};
use crate::state::State;

/// A connection. It is usable from any thread, also when it is closed; it compares and hashes by its id. What belongs to it
/// goes into `context`.
#[pyclass(module = "reactor", frozen, weakref)]
pub(crate) struct Conn {
    id: ConnId,
    server: Handle,
    /// Weak: the handler may have this object, and the server has the handler.
    state: Weak<State>,
    /// This side has closed it, perhaps on another thread: of what its loop has for it only on_close is still called.
    closed_here: AtomicBool,
    /// It was closed on another thread than its loop's: a callback that runs need not know that.
    ends_unseen: AtomicBool,
    /// The user's own value. Locked with the interpreter lock held only, and never while Python code may run.
    context: Mutex<Option<Py<PyAny>>>,
}

impl Conn {
    pub(crate) fn new(id: ConnId, server: Handle, state: Weak<State>) -> Self {
        let (closed_here, ends_unseen) = (AtomicBool::new(false), AtomicBool::new(false));
        Conn { id, server, state, closed_here, ends_unseen, context: Mutex::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn replace_context(&self, context: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut *self.lock(), context);
        // Python code may run when it goes.
        drop(before);
    }

    /// Whether callbacks before `on_close` are still to be called.
    pub(crate) fn takes_events(&self) -> bool {
        !self.closed_here.load(Ordering::Acquire)
    }

    /// From now on only `on_close` is to be called.
    pub(crate) fn takes_no_more(&self) {
        self.closed_here.store(true, Ordering::Release);
    }

    /// Closes it, or resets it, as `call` does: nothing but `on_close` follows.
    pub(crate) fn end_by(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Handle, ConnId) -> reactor_core::Result<()>,
    ) -> PyResult<()> {
        let elsewhere = !self.server.is_loop_of(self.id);
        // Its loop takes the interpreter's lock for whatever comes between, and so comes after all of this.
        call(&self.server, self.id).into_py_result(py)?;
        self.ends_unseen.store(elsewhere && !self.ends_seen(), Ordering::Release);
        self.takes_no_more();
        Ok(())
    }

    /// Whether it has ended without its callbacks' doing: a call of theirs that finds that out has not failed.
    pub(crate) fn left_unseen(&self) -> bool {
        !self.ends_seen() && !self.is_open()
    }

    fn ends_seen(&self) -> bool {
        !self.takes_events() && !self.ends_unseen.load(Ordering::Acquire)
    }

    /// What its server and the loops share, while there is a server.
    pub(crate) fn state(&self, py: Python<'_>) -> PyResult<Arc<State>> {
        let gone = || {
            Error::new(ErrorKind::Closed, format!("connection {} is closed, and its server is gone", self.id))
        };
        self.state.upgrade().ok_or_else(|| exception(py, &gone()))
    }

    pub(crate) fn conn_id(&self) -> ConnId {
        self.id
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.server
    }
}

#[pymethods]
impl Conn {
    /// The connection's id, for the calls of `Server` that take one: never 0, and never used again in this process.
    #[getter]
    pub(crate) fn id(&self) -> u64 {
        self.id.to_u64()
    }

    /// Whether it takes writes.
    #[getter]
    pub(crate) fn is_open(&self) -> bool {
        self.server.is_open(self.id)
    }

    /// Anything of yours that belongs to the connection; None in the beginning. It stays as long as this object does, so it
    /// is there in on_close, too.
    #[getter]
    fn context(&self, py: Python<'_>) -> Py<PyAny> {
        self.lock().as_ref().map_or_else(|| py.None(), |context| context.clone_ref(py))
    }

    #[setter]
    fn set_context(&self, context: Py<PyAny>) {
        self.replace_context(Some(context));
    }

    /// The server that the connection belongs to. Raises `ClosedError` if that is gone.
    #[getter]
    fn server<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.state(py)?.server(py, &self.server)
    }

    fn __eq__(&self, other: &Conn) -> bool {
        self.id == other.id
    }

    fn __hash__(&self) -> u64 {
        self.id()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&*self.lock())
    }

    fn __clear__(&self) {
        self.replace_context(None);
    }

    fn __repr__(&self) -> String {
        let state = if self.is_open() { "open" } else { "closed" };
        format!("<reactor.Conn {} {state}>", self.id)
    }
}

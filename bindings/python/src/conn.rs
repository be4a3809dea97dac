//! A connection as Python sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use reactor_core::{ConnId, Handle, Pressure};

use crate::bytes::with_bytes;
use crate::errors::IntoPyResult;

/// A connection. It is usable from any thread, also when it is closed; it compares and hashes by its id. What belongs to it
/// goes into `context`.
#[pyclass(module = "reactor", frozen, weakref)]
pub(crate) struct Conn {
    id: ConnId,
    server: Handle,
    /// This side has closed it, perhaps on another thread: of what its loop has for it only on_close is still called.
    closed_here: AtomicBool,
    /// The user's own value. Locked with the interpreter lock held only, and never while Python code may run.
    context: Mutex<Option<Py<PyAny>>>,
}

impl Conn {
    pub(crate) fn new(id: ConnId, server: Handle) -> Self {
        Conn { id, server, closed_here: AtomicBool::new(false), context: Mutex::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace_context(&self, context: Option<Py<PyAny>>) {
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

    pub(crate) fn close_here(&self) -> reactor_core::Result<()> {
        self.takes_no_more();
        self.server.close(self.id)
    }

    /// The usual write: a few bytes, in a callback of its loop's. Says whether they were queued; if not, nothing was
    /// done. Does not panic.
    #[inline]
    pub(crate) fn write_flowing(&self, bytes: &[u8]) -> bool {
        self.server.write_flowing(self.id.to_u64(), bytes)
    }

    pub(crate) fn conn_id(&self) -> ConnId {
        self.id
    }
}

#[pymethods]
impl Conn {
    /// The connection's id, for `Server.write` and `Server.close`: never 0, and never used again in this
    /// process.
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

    /// Queues a copy of the bytes. True: go on. False: they are accepted, but the queue is above the
    /// high-water mark, so wait for `on_drain`. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, `FullError` if the queue would exceed the
    /// hard limit, which closes the connection unless `keep_on_overflow` is set, or the server its byte budget.
    pub(crate) fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        write(&self.server, self.id, data)
    }

    /// From now on writes raise `ClosedError`; what is queued is sent, and `on_close` is the only callback to
    /// come.
    ///
    /// Raises `ClosedError` if the connection is closed or closing already.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.close_here().into_py_result(py)
    }

    /// Holds the connection while an answer is made elsewhere, by a pool of threads, say: until `release` it is not
    /// read, and the end of the peer's side does not close it. Its idle and read time-outs do not run; writes go on.
    /// Holds are counted. A reset, `close`, the write time-out and the server's stop end it all the same. Never blocks;
    /// usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing.
    fn hold(&self, py: Python<'_>) -> PyResult<()> {
        self.server.hold(self.id).into_py_result(py)
    }

    /// Takes one `hold` back: the connection goes on when it was released as often as it was held. What this thread has
    /// written before is sent before the connection ends. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, `WrongStateError` if it is not held.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.server.release(self.id).into_py_result(py)
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

/// Writes to a connection; true if the writer may go on.
pub(crate) fn write(server: &Handle, id: ConnId, data: &Bound<'_, PyAny>) -> PyResult<bool> {
    let pressure = with_bytes(data, |bytes| server.write(id, bytes))?.into_py_result(data.py())?;
    Ok(pressure == Pressure::Low)
}

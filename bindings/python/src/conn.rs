//! A connection as Python sees it.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use reactor_core::{ConnId, Handle, Pressure, Result};

use crate::bytes::with_bytes;
use crate::errors::IntoPyResult;

/// A connection. It is usable from any thread, also when it is closed; it compares and hashes by its id, and
/// takes attributes of the user's.
#[pyclass(module = "reactor", frozen, dict, weakref)]
pub(crate) struct Conn {
    id: ConnId,
    server: Handle,
    /// This side has closed it, perhaps on another thread: of what its loop has for it only on_close is still called.
    closed_here: AtomicBool,
}

impl Conn {
    pub(crate) fn new(id: ConnId, server: Handle) -> Self {
        Conn { id, server, closed_here: AtomicBool::new(false) }
    }

    /// Whether callbacks before `on_close` are still to be called.
    pub(crate) fn takes_events(&self) -> bool {
        !self.closed_here.load(Ordering::Acquire)
    }

    /// From now on only `on_close` is to be called.
    pub(crate) fn takes_no_more(&self) {
        self.closed_here.store(true, Ordering::Release);
    }

    pub(crate) fn close_here(&self) -> Result<()> {
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

    fn __eq__(&self, other: &Conn) -> bool {
        self.id == other.id
    }

    fn __hash__(&self) -> u64 {
        self.id()
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

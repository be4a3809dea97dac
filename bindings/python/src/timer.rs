//! Timers as programs see them.

use pyo3::prelude::*;
use reactor_core::{Handle, TimerId};

use crate::errors::IntoPyResult;

/// A timer. It compares and hashes by its id: the one that `Conn.set_timer` returned equals the one that `on_timer` is given.
#[pyclass(module = "reactor", frozen)]
pub(crate) struct Timer {
    id: TimerId,
    server: Handle,
}

impl Timer {
    pub(crate) fn new(id: TimerId, server: Handle) -> Self {
        Timer { id, server }
    }
}

#[pymethods]
impl Timer {
    /// The timer's number: never 0, and never used again in this process.
    #[getter]
    fn id(&self) -> u64 {
        self.id.to_u64()
    }

    /// Ends the timer; says whether there was one to end: False if it has ended before, with its connection or by being due.
    /// Only on the thread of its loop, which is where callbacks run.
    ///
    /// Raises `WrongThreadError` elsewhere.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        self.server.cancel_timer(self.id).into_py_result(py)
    }

    fn __eq__(&self, other: &Timer) -> bool {
        self.id == other.id
    }

    fn __hash__(&self) -> u64 {
        self.id()
    }

    fn __repr__(&self) -> String {
        format!("<reactor.Timer {}>", self.id.to_u64())
    }
}

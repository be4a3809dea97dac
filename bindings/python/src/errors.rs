//! The engine's errors as the exceptions of the package.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use reactor_core::Error;

/// The exception for an error of the engine.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE
        .import(py, "reactor._errors", "exception")
        .and_then(|make| make.call1((error.kind().name(), error.message(), error.errno())));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Whether an exception is a `ClosedError`.
pub(crate) fn is_closed_error(py: Python<'_>, error: &PyErr) -> bool {
    static CLOSED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLOSED.import(py, "reactor._errors", "ClosedError").is_ok_and(|closed| error.is_instance(py, closed))
}

/// What a call of the engine returned, in Python's terms.
pub(crate) trait IntoPyResult<T> {
    fn into_py_result(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> IntoPyResult<T> for reactor_core::Result<T> {
    fn into_py_result(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}

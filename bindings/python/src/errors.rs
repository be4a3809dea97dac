//! The engine's errors as the exceptions of the package.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use reactor_core::Error;

/// The exception for an error of the engine.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE
        .import(py, "reactor._errors", "exception")
        .and_then(|make| make.call1((error.kind().name(), error.message(), error.errno())));
    made.map_or_else(|error| error, PyErr::from_value)
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

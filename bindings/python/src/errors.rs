//! The engine's errors as the exceptions of the package.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use reactor_core::{ConnId, Error, ErrorKind};

/// The classes, in the order of `ErrorKind::ALL`.
static CLASSES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

/// Finds the class of every kind, when the module is imported: later no Python code has to run for that.
pub(crate) fn find_classes(py: Python<'_>) -> PyResult<()> {
    let by_kind = py.import("reactor._errors")?.getattr("CLASSES")?;
    let find = |kind: ErrorKind| Ok(by_kind.get_item(kind.name())?.cast_into::<PyType>()?.unbind());
    let classes = ErrorKind::ALL.into_iter().map(find).collect::<PyResult<_>>()?;
    CLASSES.get_or_init(py, || classes);
    Ok(())
}

fn class<'py>(py: Python<'py>, kind: ErrorKind) -> Option<&'py Bound<'py, PyType>> {
    let place = ErrorKind::ALL.into_iter().position(|known| known == kind)?;
    Some(CLASSES.get(py)?.get(place)?.bind(py))
}

/// The exception for an error of the engine. No Python code runs in making it: in a daemon thread that could
/// hand the interpreter lock over while the interpreter ends, and such a thread is ended right there, below
/// frames of Rust.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let message = error.message();
    let Some(class) = class(py, error.kind()) else { return PyRuntimeError::new_err(message.to_owned()) };
    let made = match error.kind() {
        // OSError's own arguments.
        ErrorKind::System | ErrorKind::AddressInUse => class.call1((error.errno(), message)),
        _ => class.call1((message,)),
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Whether an exception is a `ClosedError` that a call on this connection has raised, and not on another. The text tells them
/// apart: it begins with the connection's id.
pub(crate) fn is_closed_error(py: Python<'_>, error: &PyErr, id: ConnId) -> bool {
    let closed = class(py, ErrorKind::Closed).is_some_and(|closed| error.is_instance(py, closed));
    closed && error.value(py).to_string().starts_with(&format!("connection {id} "))
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

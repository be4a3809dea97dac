//! A second import, as by test runners and reloaders that drop modules and import them again: it must be the same package,
//! whose servers run on, and whose exceptions are those that are raised.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// The modules that the native one is tied to.
const MODULES: [&str; 9] = [
    "reactor._errors",
    "reactor._types",
    "reactor._handler",
    "reactor._handlers",
    "reactor._framing",
    "reactor._metrics",
    "reactor._serve",
    "reactor._hosting",
    "reactor._awaiting",
];

/// What `sys.modules` had of them at the first import.
static FIRST: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

fn loaded<'py>(py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    Ok(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?)
}

/// Puts those of the first import in their places, if this is another.
pub(crate) fn restore(py: Python<'_>) -> PyResult<()> {
    match FIRST.get(py) {
        Some(first) => loaded(py)?.update(first.bind(py).as_mapping()),
        None => Ok(()),
    }
}

/// Remembers those of the first.
pub(crate) fn remember(py: Python<'_>) -> PyResult<()> {
    let first = PyDict::new(py);
    for name in MODULES {
        first.set_item(name, py.import(name)?)?;
    }
    FIRST.get_or_init(py, || first.unbind());
    Ok(())
}

//! What becomes of a callback's failure that nobody takes.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::conn::Conn;

/// Writes the failure of the callback of this name to the logger `reactor`. If that fails too, the interpreter's hook for
/// such exceptions has it.
pub(crate) fn log(py: Python<'_>, failed: &str, conn: Option<&Bound<'_, Conn>>, error: PyErr) {
    if let Err(error) = try_log(py, failed, conn, error) {
        error.write_unraisable(py, None);
    }
}

fn try_log(py: Python<'_>, failed: &str, conn: Option<&Bound<'_, Conn>>, error: PyErr) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("reactor",))?;
    let details = PyDict::new(py);
    details.set_item("exc_info", error.into_value(py))?;
    let args = (
        "%s failed (%s)",
        failed,
        conn.map_or_else(|| "server".to_owned(), |conn| format!("connection {}", conn.get().id())),
    );
    logger.call_method("error", args, Some(&details)).map(drop)
}

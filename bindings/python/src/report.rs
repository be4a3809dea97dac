//! What becomes of a callback's failure that nobody takes.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor_core::binding::Limit;

use crate::callback::Callback;
use crate::conn::Conn;

/// Writes the failure of a callback to the logger `reactor`, unless another one of it was written within the last second. If
/// that fails too, the interpreter's hook for such exceptions has it.
pub(crate) fn log(py: Python<'_>, failed: &Callback, conn: Option<&Bound<'_, Conn>>, error: PyErr) {
    let whose = conn.map_or_else(|| "server".to_owned(), |conn| format!("connection {}", conn.get().id()));
    log_of(py, (failed.name, &whose), &failed.told, error);
}

/// The same for what is no callback: what failed, and for whom.
pub(crate) fn log_of(py: Python<'_>, failed: (&str, &str), told: &Limit, error: PyErr) {
    let Some(untold) = told.turn() else { return };
    if let Err(error) = try_log(py, failed, untold, error) {
        error.write_unraisable(py, None);
    }
}

fn try_log(py: Python<'_>, (failed, whose): (&str, &str), untold: u64, error: PyErr) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("reactor",))?;
    let details = PyDict::new(py);
    details.set_item("exc_info", error.into_value(py))?;
    let logged = match untold {
        0 => logger.call_method("error", ("%s failed (%s)", failed, whose), Some(&details)),
        _ => {
            let text = "%s failed (%s), and %d times more since the last that was told";
            logger.call_method("error", (text, failed, whose, untold), Some(&details))
        }
    };
    logged.map(drop)
}

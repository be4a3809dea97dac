//! What the engine has to say without being asked, in Python's `logging`: the logger `reactor`.

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

/// The logger of the process's log facade, which no other module of Python's shares.
struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Error
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            // While the interpreter ends there is nobody to tell.
            let _ = Python::try_attach(|py| {
                if let Err(error) = write(py, &message) {
                    error.write_unraisable(py, None);
                }
            });
        }
    }

    fn flush(&self) {}
}

fn write(py: Python<'_>, message: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("reactor",))?;
    logger.call_method1("error", ("%s", message)).map(drop)
}

/// Makes it the logger of the engine.
pub(crate) fn install() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Error);
    }
}

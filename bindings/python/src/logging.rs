//! What the engine has to say, in Python's `logging`: the logger `reactor`. Without being asked only errors.

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyInt, PyString};

use crate::argument::Argument;

/// The logger of the process's log facade, which no other module of Python's shares.
struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            // While the interpreter ends there is nobody to tell.
            let _ = Python::try_attach(|py| {
                if let Err(error) = write(py, number(record.level()), &message) {
                    error.write_unraisable(py, None);
                }
            });
        }
    }

    fn flush(&self) {}
}

/// The number of a level in Python, which has none for `Trace`.
fn number(level: Level) -> i64 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

fn write(py: Python<'_>, level: i64, message: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("reactor",))?;
    logger.call_method1("log", (level, "%s", message)).map(drop)
}

/// Makes it the logger of the engine, and adds what sets its level: one function, also for a second import.
pub(crate) fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // An import opens files: when descriptors have run out, which is what there is to tell, it would be too late.
    module.py().import("logging")?;
    static SET_LEVEL: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Error);
    }
    let made = || wrap_pyfunction!(set_log_level, module).map(Bound::unbind);
    module.add("set_log_level", SET_LEVEL.get_or_try_init(module.py(), made)?)
}

/// From which level on messages of the engine reach the logger "reactor": `logging.DEBUG`, "DEBUG", or a number; 5 for all there
/// is. What the logger does with them is its own level's matter. In the beginning it is `logging.ERROR`, which are those that an
/// operator must know, each kind at most once a second; what is below is told for debugging, and costs time. It is so for the
/// whole process.
///
/// Raises `InvalidArgumentError` for a name that `logging` does not have, `TypeError` for another type.
#[pyfunction]
fn set_log_level(level: &Bound<'_, PyAny>) -> PyResult<()> {
    let asked = Argument { name: "level", value: level };
    let what = "a level of logging, by number or by name";
    let lowest = match level.cast::<PyString>() {
        // It gives a text for what it does not know.
        Ok(name) => level.py().import("logging")?.call_method1("getLevelName", (name,))?,
        Err(_) if level.is_instance_of::<PyInt>() => level.clone(),
        Err(_) => return Err(asked.no(what)),
    };
    let lowest = lowest.extract::<i64>().map_err(|_| asked.outside(what))?;
    let first = Level::iter().filter(|level| number(*level) >= lowest).last();
    log::set_max_level(first.map_or(LevelFilter::Off, |level| level.to_level_filter()));
    Ok(())
}

//! The keyword arguments of `Server` as the engine's options.

use std::time::Duration;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use reactor_core::binding::OPTIONS;
use reactor_core::{Config, Error, ErrorKind, Look, Result};

/// An integer argument that counts something. One that is out of range is refused later, by its name.
pub(crate) enum Count {
    Fits(usize),
    OutOfRange(String),
}

impl Count {
    /// What stands for the default.
    pub(crate) const DEFAULT: Count = Count::Fits(0);

    /// The count, for the argument of this name; `max` is the most that the engine takes.
    fn named(self, name: &str, max: usize) -> Result<usize> {
        match self {
            Count::Fits(count) => Ok(count),
            Count::OutOfRange(text) => {
                Err(invalid(format!("{name} must be between 0 and {max}, not {text}")))
            }
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Count {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<usize>() {
            Ok(count) => Ok(Count::Fits(count)),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                Ok(Count::OutOfRange(value.str()?.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}

/// Adds the engine's own tables, with which the tests compare what this package says of options.
pub(crate) fn add_tables(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let listen = PyDict::new(module.py());
    for row in OPTIONS.iter().filter(|row| row.is_of_listeners()) {
        listen.set_item(row.name, row.form)?;
    }
    module.add("LISTEN_OPTIONS", listen)?;
    module.add("SERVER_OPTIONS", PyTuple::new(module.py(), Config::NAMES)?)
}

/// The arguments that are options.
pub(crate) struct Options {
    pub(crate) loops: Count,
    pub(crate) high_water: Count,
    pub(crate) low_water: Count,
    pub(crate) hard_limit: Count,
    pub(crate) byte_budget: Count,
    pub(crate) read_budget: Count,
    /// Seconds.
    pub(crate) linger: f64,
    pub(crate) stall_limit: f64,
    pub(crate) keep_on_overflow: bool,
    /// A name.
    pub(crate) look: String,
}

impl Options {
    /// The arguments' names, in their order.
    pub(crate) const NAMES: [&str; 10] = [
        "loops",
        "high_water",
        "low_water",
        "hard_limit",
        "read_budget",
        "linger",
        "look",
        "byte_budget",
        "stall_limit",
        "keep_on_overflow",
    ];

    pub(crate) fn config(self) -> Result<Config> {
        Ok(Config {
            loops: self.loops.named("loops", Config::MAX_LOOPS)?,
            high_water: self.high_water.named("high_water", usize::MAX)?,
            low_water: self.low_water.named("low_water", usize::MAX)?,
            hard_limit: self.hard_limit.named("hard_limit", usize::MAX)?,
            byte_budget: self.byte_budget.named("byte_budget", usize::MAX)?,
            read_budget: self.read_budget.named("read_budget", usize::MAX)?,
            linger: seconds("linger", self.linger)?,
            stall_limit: seconds("stall_limit", self.stall_limit)?,
            keep_on_overflow: self.keep_on_overflow,
            look: look(&self.look)?,
            ..Config::default()
        })
    }
}

fn look(name: &str) -> Result<Look> {
    Look::ALL.into_iter().find(|look| look.name() == name).ok_or_else(|| {
        let known = Look::ALL.map(|look| format!("\"{}\"", look.name())).join(" or ");
        invalid(format!("look must be {known}, not {name:?}"))
    })
}

fn seconds(name: &str, value: f64) -> Result<Duration> {
    let wrong = |what: &str| invalid(format!("{name} must be a number of seconds, {what}, not {value}"));
    let duration = Duration::try_from_secs_f64(value).map_err(|_| wrong("0 or more"))?;
    // Zero means the default, and that is not what was asked for.
    match duration.is_zero() && value > 0.0 {
        true => Err(wrong("0 or at least a nanosecond")),
        false => Ok(duration),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

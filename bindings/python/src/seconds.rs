//! Times, which are numbers of seconds.

use std::time::Duration;

use pyo3::prelude::*;
use reactor_core::{Error, ErrorKind};

use crate::errors::exception;

/// The time in an argument of this name: a number of seconds, 0 or more.
pub(crate) fn seconds(py: Python<'_>, name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        let text = format!("{name} must be a number of seconds, 0 or more, not {value}");
        exception(py, &Error::new(ErrorKind::InvalidArgument, text))
    })
}

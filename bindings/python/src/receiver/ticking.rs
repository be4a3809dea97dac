//! `on_tick`, and the time to the next one.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use reactor_core::Handle;

use super::PythonReceiver;
use crate::callback::is_action;

impl PythonReceiver {
    /// When `on_tick` is to be called again. One that fails is called after the delay before, or a second.
    pub(super) fn tick(&mut self, server: &Handle) -> Option<Duration> {
        let callback = &self.state.callbacks.on_tick;
        let method = callback.method()?;
        let py = self.lock.take();
        let returned = self.state.server(py, server).and_then(|object| method.call(py, [&object]));
        match returned.and_then(|returned| delay(&returned)) {
            Ok(next) => {
                self.tick = next.unwrap_or(self.tick);
                next
            }
            Err(error) => {
                Python::attach(|py| self.state.failed(py, server, callback, None, error));
                Some(self.tick)
            }
        }
    }
}

/// The seconds that `on_tick` has returned.
fn delay(returned: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    if returned.is_none() {
        return Ok(None);
    }
    let wrong = |error: PyErr| match returned.repr() {
        Ok(quoted) => {
            PyTypeError::new_err(format!("on_tick returned {quoted}, not None or a number of seconds"))
        }
        Err(_) => error,
    };
    // Both are numbers to Python, and neither is meant as seconds.
    if returned.is_instance_of::<PyBool>() || is_action(returned)? {
        return Err(wrong(PyTypeError::new_err(())));
    }
    let seconds = returned.extract::<f64>().map_err(wrong)?;
    let negative = |_| PyValueError::new_err(format!("on_tick returned {seconds}, not a number of seconds"));
    Duration::try_from_secs_f64(seconds).map(Some).map_err(negative)
}

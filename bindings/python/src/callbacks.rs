//! All callbacks of a handler.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;
use reactor_core::{Error, ErrorKind};

use crate::callback::{handler_class, Callback};
use crate::conn::Conn;
use crate::errors::exception;
use crate::report::log;

/// What a server calls.
pub(crate) struct Callbacks {
    pub(crate) on_start: Callback,
    pub(crate) on_open: Callback,
    pub(crate) on_data: Callback,
    pub(crate) on_drain: Callback,
    pub(crate) on_close: Callback,
    pub(crate) on_stop: Callback,
    on_error: Callback,
}

impl Callbacks {
    pub(crate) fn of(handler: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(class) = handler.cast::<PyType>() {
            let name = class.name()?;
            let text = format!("the handler must be an instance, such as {name}(), not the class {name}");
            return Err(PyTypeError::new_err(text));
        }
        let callbacks = Self::found(handler)?;
        callbacks.refuse_unknown(handler)?;
        let is_handler = handler.is_instance(handler_class(handler.py())?)?;
        if !is_handler && !callbacks.all().into_iter().any(|callback| callback.method().is_some()) {
            let text =
                format!("the handler must have a callback, such as on_data: {} has none", handler.repr()?);
            return Err(PyTypeError::new_err(text));
        }
        Ok(callbacks)
    }

    fn found(handler: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Callbacks {
            on_start: Callback::of(handler, "on_start")?,
            on_open: Callback::of(handler, "on_open")?,
            on_data: Callback::of(handler, "on_data")?,
            on_drain: Callback::of(handler, "on_drain")?,
            on_close: Callback::of(handler, "on_close")?,
            on_stop: Callback::of(handler, "on_stop")?,
            on_error: Callback::of(handler, "on_error")?,
        })
    }

    /// A method whose name begins as a callback's does, and is none, would never be called.
    fn refuse_unknown(&self, handler: &Bound<'_, PyAny>) -> PyResult<()> {
        let known = self.all().map(|callback| callback.name);
        for name in handler.dir()? {
            let Ok(name) = name.extract::<String>() else { continue };
            let is_known = !name.starts_with("on_") || known.contains(&name.as_str());
            if is_known || !handler.getattr_opt(name.as_str())?.is_some_and(|found| found.is_callable()) {
                continue;
            }
            let class = handler.get_type().name()?;
            let text = format!(
                "{class}.{name} is no callback, and would never be called (known: {})",
                known.join(", ")
            );
            return Err(exception(handler.py(), &Error::new(ErrorKind::InvalidArgument, text)));
        }
        Ok(())
    }

    fn all(&self) -> [&Callback; 7] {
        let Callbacks { on_start, on_open, on_data, on_drain, on_close, on_stop, on_error } = self;
        [on_start, on_open, on_data, on_drain, on_close, on_stop, on_error]
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.all().into_iter().try_for_each(|callback| callback.visit(visit))
    }

    /// Reports a failed callback to the handler's `on_error`, or at most once a second for each callback to the log.
    pub(crate) fn report(
        &self,
        py: Python<'_>,
        failed: &Callback,
        conn: Option<&Bound<'_, Conn>>,
        error: PyErr,
    ) {
        let Some(on_error) = self.on_error.method() else { return log(py, failed, conn, error) };
        let told = match conn {
            Some(conn) => conn.as_any().clone(),
            None => py.None().into_bound(py),
        };
        let exception = error.clone_ref(py).into_value(py).into_bound(py);
        if let Err(second) = on_error.call(py, [&told, exception.as_any()]) {
            log(py, failed, conn, error);
            log(py, &self.on_error, conn, second);
        }
    }
}

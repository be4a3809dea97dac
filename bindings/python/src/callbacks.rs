//! The methods of a handler: found once, called often, and what becomes of their failures.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyType};
use reactor_core::Action;

use crate::conn::Conn;

/// A method of the handler, bound to it.
pub(crate) struct Callback {
    pub(crate) name: &'static str,
    method: Option<Py<PyAny>>,
}

impl Callback {
    /// Looks the method up. One that the handler lacks, or has unchanged from `reactor.Handler`, is not
    /// called.
    fn of(handler: &Bound<'_, PyAny>, name: &'static str) -> PyResult<Self> {
        let method = handler.getattr_opt(name)?;
        let method = match method {
            Some(method) if !is_handlers_own(&method, name)? => Some(method),
            _ => None,
        };
        if let Some(method) = method.as_ref().filter(|method| !method.is_callable()) {
            return Err(PyTypeError::new_err(format!("{name} is not callable: {}", method.repr()?)));
        }
        Ok(Callback { name, method: method.map(Bound::unbind) })
    }

    pub(crate) fn method<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyAny>> {
        self.method.as_ref().map(|method| method.bind(py))
    }

    /// Turns what the method returned into an action. What `write` returns is none, so that
    /// `return conn.write(data)` works.
    pub(crate) fn action(&self, returned: &Bound<'_, PyAny>) -> PyResult<Action> {
        static ACTION: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        if returned.is_none() || returned.is_instance_of::<PyBool>() {
            return Ok(Action::None);
        }
        if returned.is_instance(ACTION.import(returned.py(), "reactor._types", "Action")?)? {
            let number = returned.extract::<i32>()?;
            let actions = [Action::None, Action::Close, Action::Stop];
            if let Some(action) = actions.into_iter().find(|action| *action as i32 == number) {
                return Ok(action);
            }
        }
        let text = format!("{} returned {}, not None or a reactor.Action", self.name, returned.repr()?);
        Err(PyTypeError::new_err(text))
    }
}

/// Whether a method is the one that `reactor.Handler` defines, which does nothing.
fn is_handlers_own(method: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    let Some(function) = method.getattr_opt("__func__")? else { return Ok(false) };
    Ok(function.is(&handler_class(method.py())?.getattr(name)?))
}

/// `reactor.Handler`.
fn handler_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static HANDLER: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    HANDLER.import(py, "reactor._handler", "Handler")
}

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
        let is_handler = handler.is_instance(handler_class(handler.py())?)?;
        if !is_handler && callbacks.all().into_iter().all(|callback| callback.method.is_none()) {
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

    fn all(&self) -> [&Callback; 7] {
        let Callbacks { on_start, on_open, on_data, on_drain, on_close, on_stop, on_error } = self;
        [on_start, on_open, on_data, on_drain, on_close, on_stop, on_error]
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.all().into_iter().flat_map(|callback| &callback.method).try_for_each(|method| visit.call(method))
    }

    /// Reports a failed callback to the handler's `on_error`, or to the log.
    pub(crate) fn report(
        &self,
        py: Python<'_>,
        failed: &Callback,
        conn: Option<&Bound<'_, Conn>>,
        error: PyErr,
    ) {
        let Some(on_error) = self.on_error.method(py) else { return log(py, failed, conn, error) };
        if let Err(second) = on_error.call1((conn, error.clone_ref(py).into_value(py))) {
            log(py, failed, conn, error);
            log(py, &self.on_error, conn, second);
        }
    }
}

/// Writes a failure to the logger `reactor`. If that fails too, the interpreter's hook for such exceptions
/// has it.
fn log(py: Python<'_>, failed: &Callback, conn: Option<&Bound<'_, Conn>>, error: PyErr) {
    if let Err(error) = try_log(py, failed, conn, error) {
        error.write_unraisable(py, None);
    }
}

fn try_log(py: Python<'_>, failed: &Callback, conn: Option<&Bound<'_, Conn>>, error: PyErr) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("reactor",))?;
    let details = PyDict::new(py);
    details.set_item("exc_info", error.into_value(py))?;
    let args = (
        "%s failed (%s)",
        failed.name,
        conn.map_or_else(|| "server".to_owned(), |conn| format!("connection {}", conn.get().id())),
    );
    logger.call_method("error", args, Some(&details)).map(drop)
}

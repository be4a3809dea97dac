//! A callback of a handler: whether there is one, and what it asks for.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyType};
use reactor_core::binding::Limit;
use reactor_core::{Action, Error, ErrorKind};

use crate::errors::exception;
use crate::method::Method;

/// A callback, which the handler may lack.
pub(crate) struct Callback {
    pub(crate) name: &'static str,
    method: Option<Method>,
    /// Of what the log is told about its failures.
    pub(crate) told: Limit,
}

impl Callback {
    /// Looks the method up. One that the handler lacks, or has unchanged from `reactor.Handler`, is not
    /// called.
    pub(crate) fn of(handler: &Bound<'_, PyAny>, name: &'static str) -> PyResult<Self> {
        let method = handler.getattr_opt(name)?;
        let method = match method {
            Some(method) if !is_handlers_own(&method, name)? => Some(method),
            _ => None,
        };
        if let Some(method) = &method {
            expect_plain(handler, name, method)?;
        }
        Ok(Callback { name, method: method.map(Method::of).transpose()?, told: Limit::new() })
    }

    /// What is not the handler's, and has a name for the log.
    pub(crate) fn named(name: &'static str) -> Self {
        Callback { name, method: None, told: Limit::new() }
    }

    /// What there is to call.
    #[inline]
    pub(crate) fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// Calls the method, if there is one, and says what it asks for.
    #[inline]
    pub(crate) fn call<'py, const N: usize>(
        &self,
        py: Python<'py>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Action> {
        let Some(method) = &self.method else { return Ok(Action::None) };
        let returned = method.call(py, args)?;
        if returned.is_none() {
            return Ok(Action::None);
        }
        self.action(&returned)
    }

    /// Turns what the method returned into an action. What `write` returns is none, so that
    /// `return conn.write(data)` works.
    #[inline(never)]
    fn action(&self, returned: &Bound<'_, PyAny>) -> PyResult<Action> {
        static ACTION: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        if returned.is_instance_of::<PyBool>() {
            return Ok(Action::None);
        }
        if returned.is_instance(ACTION.import(returned.py(), "reactor._types", "Action")?)? {
            let number = returned.extract::<i32>()?;
            if let Some(action) = Action::ALL.into_iter().find(|action| *action as i32 == number) {
                return Ok(action);
            }
        }
        let text = format!("{} returned {}, not None or a reactor.Action", self.name, returned.repr()?);
        Err(PyTypeError::new_err(text))
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.method.iter().try_for_each(|method| method.visit(visit))
    }
}

/// Refuses what cannot be called, and what would not run when it is called: a coroutine function makes a coroutine, which
/// nobody awaits on a thread of ours.
fn expect_plain(handler: &Bound<'_, PyAny>, name: &str, method: &Bound<'_, PyAny>) -> PyResult<()> {
    if !method.is_callable() {
        return Err(PyTypeError::new_err(format!("{name} is not callable: {}", method.repr()?)));
    }
    let inspect = method.py().import("inspect")?;
    for (test, what) in [("iscoroutinefunction", "async def"), ("isasyncgenfunction", "an async generator")] {
        if inspect.call_method1(test, (method,))?.is_truthy()? {
            let class = handler.get_type().name()?;
            let text = format!(
                "{class}.{name} is {what}, which a server with threads of its own cannot run: its callbacks are plain \
                 functions. Hold the connection, and have another thread or event loop answer and release it"
            );
            return Err(exception(method.py(), &Error::new(ErrorKind::Unsupported, text)));
        }
    }
    Ok(())
}

/// Whether a method is the one that `reactor.Handler` defines, which does nothing.
fn is_handlers_own(method: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    let Some(function) = method.getattr_opt("__func__")? else { return Ok(false) };
    Ok(function.is(&handler_class(method.py())?.getattr(name)?))
}

/// `reactor.Handler`.
pub(crate) fn handler_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static HANDLER: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    HANDLER.import(py, "reactor._handler", "Handler")
}

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
    /// It is a coroutine function, which asyncio has to run.
    pub(crate) is_async: bool,
    /// Of what the log is told about its failures.
    pub(crate) told: Limit,
}

impl Callback {
    /// Looks the method up. One that the handler lacks, or has unchanged from `reactor.Handler`, is not called. It may be a
    /// coroutine function if the server is `hosted`, as asyncio may be the host.
    pub(crate) fn of(handler: &Bound<'_, PyAny>, name: &'static str, hosted: bool) -> PyResult<Self> {
        let method = handler.getattr_opt(name)?;
        let method = match method {
            Some(method) if !is_handlers_own(&method, name)? => Some(method),
            _ => None,
        };
        let is_async = match &method {
            Some(method) => expect_callable(handler, name, method, hosted)?,
            None => false,
        };
        Ok(Callback { name, method: method.map(Method::of).transpose()?, is_async, told: Limit::new() })
    }

    /// What is not the handler's, and has a name for the log.
    pub(crate) fn named(name: &'static str) -> Self {
        Callback { name, method: None, is_async: false, told: Limit::new() }
    }

    /// What there is to call.
    #[inline]
    pub(crate) fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// Calls the method, if there is one, and says what it asks for.
    #[inline(always)]
    pub(crate) fn call<'py, const N: usize>(
        &self,
        py: Python<'py>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Action> {
        let Some(method) = &self.method else { return Ok(Action::None) };
        self.answer(&method.call(py, args)?)
    }

    /// What it asks for by what it returned.
    #[inline]
    pub(crate) fn answer(&self, returned: &Bound<'_, PyAny>) -> PyResult<Action> {
        match returned.is_none() {
            true => Ok(Action::None),
            false => self.action(returned),
        }
    }

    /// Turns what the method returned into an action. What `write` returns is none, so that
    /// `return conn.write(data)` works.
    #[inline(never)]
    fn action(&self, returned: &Bound<'_, PyAny>) -> PyResult<Action> {
        if returned.is_instance_of::<PyBool>() {
            return Ok(Action::None);
        }
        if is_action(returned)? {
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

/// Those that are no connection's: their answer is wanted at once.
const ALWAYS_PLAIN: [&str; 6] = ["on_start", "on_tick", "on_pre_write", "on_stopping", "on_stop", "on_error"];

/// Refuses what cannot be called, and what would not run when it is called: a coroutine function makes a coroutine, which
/// nobody awaits on a thread of ours. Says whether it is one that asyncio is to run.
fn expect_callable(
    handler: &Bound<'_, PyAny>,
    name: &str,
    method: &Bound<'_, PyAny>,
    hosted: bool,
) -> PyResult<bool> {
    if !method.is_callable() {
        return Err(PyTypeError::new_err(format!("{name} is not callable: {}", method.repr()?)));
    }
    let inspect = method.py().import("inspect")?;
    let is = |test| inspect.call_method1(test, (method,))?.is_truthy();
    let (generator, coroutine) = (is("isasyncgenfunction")?, is("iscoroutinefunction")?);
    if coroutine && hosted && !ALWAYS_PLAIN.contains(&name) {
        return Ok(true);
    }
    let why = match (generator, coroutine) {
        (false, false) => return Ok(false),
        (true, _) => "is an async generator, which nobody would run: callbacks are functions",
        _ if hosted => {
            "is async def, but its answer is wanted at once: only callbacks of connections are awaited. It may start a \
             task of its own"
        }
        _ => {
            "is async def, which a server with threads of its own cannot run: its callbacks are plain functions. Serve it \
             under asyncio, by serve_async or with hosted=True; or hold the connection, and have another thread or event \
             loop answer and release it"
        }
    };
    let text = format!("{}.{name} {why}", handler.get_type().name()?);
    Err(exception(method.py(), &Error::new(ErrorKind::Unsupported, text)))
}

/// Whether it is a member of `reactor.Action`.
pub(crate) fn is_action(returned: &Bound<'_, PyAny>) -> PyResult<bool> {
    static ACTION: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    returned.is_instance(ACTION.import(returned.py(), "reactor._types", "Action")?)
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

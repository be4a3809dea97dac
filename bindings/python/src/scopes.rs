//! What a connection's callbacks run in under asyncio.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::callback::Callback;
use crate::conn::Conn;
use crate::context::call_in;

/// What makes a scope for each connection. It is fixed before the server starts.
pub(crate) enum Scopes {
    /// No callback is a coroutine function. A scope is a `contextvars.Context`.
    Plain(Py<PyAny>),
    /// Some are. A scope is a session, which has `run` and `end`.
    Sessions(Py<PyAny>),
}

impl Scopes {
    /// The scope of a connection that begins.
    pub(crate) fn open<'py>(&self, conn: &Bound<'py, Conn>) -> PyResult<Bound<'py, PyAny>> {
        let (Scopes::Plain(make) | Scopes::Sessions(make)) = self;
        make.bind(conn.py()).call1((conn,))
    }

    /// Calls a callback in a scope, or leaves it to the session there, which then returns None.
    #[inline]
    pub(crate) fn call<'py, const N: usize>(
        &self,
        scope: &Bound<'py, PyAny>,
        callback: &Callback,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = scope.py();
        match (self, callback.method()) {
            (Scopes::Plain(_), Some(method)) => call_in(scope, method, args),
            (Scopes::Sessions(_), Some(_)) => pass(scope, "run", callback, args),
            (_, None) => Ok(py.None().into_bound(py)),
        }
    }

    /// The same for a connection's last callback. A session is told of its end also if there is none.
    pub(crate) fn end<'py, const N: usize>(
        &self,
        scope: &Bound<'py, PyAny>,
        callback: &Callback,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Scopes::Plain(_) => self.call(scope, callback, args),
            Scopes::Sessions(_) => pass(scope, "end", callback, args),
        }
    }
}

/// Gives a session a callback, with its name and arguments.
fn pass<'py, const N: usize>(
    session: &Bound<'py, PyAny>,
    how: &str,
    callback: &Callback,
    args: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let py = session.py();
    let name = callback.name.into_pyobject(py)?.into_any();
    let method =
        callback.method().map_or_else(|| py.None().into_bound(py), |method| method.bound(py).clone());
    let all = [&name, &method].into_iter().chain(args);
    session.call_method1(how, PyTuple::new(py, all.collect::<Vec<_>>())?)
}

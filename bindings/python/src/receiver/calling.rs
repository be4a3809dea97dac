//! Calls of a connection's callbacks, and what they answer.

use pyo3::prelude::*;
use reactor_core::{Action, Conn as LoopConn};

use super::PythonReceiver;
use crate::callback::Callback;
use crate::conn::Conn;
use crate::errors::is_closed_error;

impl PythonReceiver {
    /// Calls a callback of a connection's, under asyncio in its scope.
    #[inline]
    pub(crate) fn call<'py, const N: usize>(
        &self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Action> {
        let py = args[0].py();
        match self.is_scoped {
            true => self.call_in_scope(callback, conn, args),
            false => callback.call(py, args),
        }
    }

    /// Apart, so that what a server on threads calls stays short.
    #[inline(never)]
    fn call_in_scope<'py, const N: usize>(
        &self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Action> {
        let py = args[0].py();
        match (self.state.scopes(), self.conns.get().and_then(|conns| conns.scope(py, conn.id()))) {
            (Some(scopes), Some(scope)) => callback.answer(&scopes.call(&scope, callback, args)?),
            _ => callback.call(py, args),
        }
    }

    /// What a callback asks for; one that failed closes its connection and is reported.
    #[inline]
    pub(crate) fn action_of(
        &self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        object: &Bound<'_, Conn>,
        answer: PyResult<Action>,
    ) -> Action {
        match answer {
            Ok(Action::None) => Action::None,
            Ok(Action::Close) => self.close(conn, object),
            Ok(action) => action,
            Err(error) => self.failed(callback, conn, object, error),
        }
    }

    /// Closes a connection. A UDP endpoint stays as it is.
    #[inline(never)]
    fn close(&self, conn: &LoopConn<'_>, object: &Bound<'_, Conn>) -> Action {
        if conn.close().is_ok() {
            object.get().takes_no_more();
        }
        Action::None
    }

    #[inline(never)]
    fn failed(
        &self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        object: &Bound<'_, Conn>,
        error: PyErr,
    ) -> Action {
        let left_unseen = object.get().left_unseen();
        // It may have been closed before; and a UDP endpoint stays as it is.
        if conn.fail().is_ok() || !object.get().is_open() {
            object.get().takes_no_more();
        }
        // Attached as others are, so that what the exception owns is dropped here and not later.
        Python::attach(|py| {
            // It went while the data was on the way: the call that noticed is no failure, and the last callback follows.
            if !(left_unseen && is_closed_error(py, &error, object.get().conn_id())) {
                self.state.failed(py, conn.server(), callback, Some(object), error);
            }
        });
        Action::None
    }
}

//! A connection's last callback: it was closed, or detached.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
use reactor_core::{Action, CloseReason, Closed, Conn as LoopConn, Detached};

use super::PythonReceiver;
use crate::callback::Callback;
use crate::conn::Conn;

impl PythonReceiver {
    pub(super) fn closed(&self, conn: &LoopConn<'_>, closed: Closed) -> Action {
        let (py, callback) = (self.lock.take(), &self.state.callbacks.on_close);
        let scope = self.leave_scope(py, conn);
        let Some(object) = self.dismiss(py, conn) else { return Action::None };
        if callback.method().is_none() {
            self.end_scope(callback, scope, conn, &object);
            return Action::None;
        }
        let answer = close_reason(py, closed.reason).and_then(|reason| {
            let errno = closed.errno.into_pyobject(py)?;
            self.call_last(callback, scope, [object.as_any(), &reason, &errno])
        });
        let answer = answer.and_then(|returned| callback.answer(&returned));
        match answer {
            Ok(action) => action,
            Err(error) => {
                // Nothing ends by it any more.
                Python::attach(|py| self.state.failed(py, conn.server(), callback, Some(&object), error));
                Action::None
            }
        }
    }

    pub(super) fn detached(&self, conn: &LoopConn<'_>, detached: Detached) {
        let (py, callback) = (self.lock.take(), &self.state.callbacks.on_detach);
        let scope = self.leave_scope(py, conn);
        let Some(object) = self.dismiss(py, conn) else { return };
        if callback.method().is_none() {
            return self.end_scope(callback, scope, conn, &object);
        }
        let Detached { descriptor, input, output } = detached;
        let (input, output) = (moved(py, input), moved(py, output));
        let answer = socket(py, descriptor).and_then(|socket| {
            self.call_last(callback, scope, [object.as_any(), &socket, input.as_any(), output.as_any()])
        });
        if let Err(error) = answer {
            Python::attach(|py| self.state.failed(py, conn.server(), callback, Some(&object), error));
        }
    }

    /// The object of a connection that is gone. One that was never open has had no callback: it could not be made, and had
    /// none of ours.
    fn dismiss<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> Option<Bound<'py, Conn>> {
        let known = self.conns.get().and_then(|conns| conns.remove(py, conn.id()));
        known.or_else(|| {
            let is_accepted = conn.info().is_ok_and(|info| info.listener.is_some());
            let object = match is_accepted {
                true => self.state.conns.expected(py, conn.id()),
                false => self.state.first_conn(py, conn.server(), conn.id()).ok(),
            };
            self.state.conns.expect_no_more(py, conn.id());
            object
        })
    }

    /// The same for a connection's last callback: what it returned.
    fn call_last<'py, const N: usize>(
        &self,
        callback: &Callback,
        scope: Option<Bound<'py, PyAny>>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = args[0].py();
        match (self.state.scopes(), scope, callback.method()) {
            (Some(scopes), Some(scope), _) => scopes.end(&scope, callback, args),
            (_, _, Some(method)) => method.call(py, args),
            _ => Ok(py.None().into_bound(py)),
        }
    }

    /// A connection is gone without a callback for that.
    fn end_scope(
        &self,
        callback: &Callback,
        scope: Option<Bound<'_, PyAny>>,
        conn: &LoopConn<'_>,
        object: &Bound<'_, Conn>,
    ) {
        if let Err(error) = self.call_last(callback, scope, [object.as_any()]) {
            self.state.failed(object.py(), conn.server(), callback, Some(object), error);
        }
    }

    /// The scope of a connection that is gone.
    fn leave_scope<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> Option<Bound<'py, PyAny>> {
        self.conns.get().filter(|_| self.is_scoped)?.remove_scope(py, conn.id())
    }
}

/// The member of `reactor.CloseReason`, or the number if that enumeration does not know it.
pub(crate) fn close_reason(py: Python<'_>, reason: CloseReason) -> PyResult<Bound<'_, PyAny>> {
    static KNOWN: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let number = (reason as i32).into_pyobject(py)?.into_any();
    let known = KNOWN.import(py, "reactor._types", "KNOWN_REASONS")?.get_item(&number)?;
    Ok(known.unwrap_or(number))
}

/// Bytes of the interpreter's: the memory where they were is free when this returns, before the callback has them.
fn moved(py: Python<'_>, bytes: Vec<u8>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &bytes)
}

/// A socket object for a descriptor, which it owns from here on, and which is non-blocking.
fn socket(py: Python<'_>, descriptor: OwnedFd) -> PyResult<Bound<'_, PyAny>> {
    let options = PyDict::new(py);
    options.set_item("fileno", descriptor.as_raw_fd())?;
    let socket = py.import("socket")?.getattr("socket")?.call((), Some(&options))?;
    // The object has it now.
    let _ = descriptor.into_raw_fd();
    socket.call_method1("setblocking", (false,))?;
    Ok(socket)
}

//! Where a loop's events become calls of the handler's methods.

use std::cell::OnceCell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
use reactor_core::binding::{Event, Receiver, Turn};
use reactor_core::{Action, CloseReason, Closed, Conn as LoopConn};

use crate::callback::Callback;
use crate::conn::Conn;
use crate::conns::Conns;
use crate::errors::is_closed_error;
use crate::interpreter::InterpreterLock;
use crate::state::State;

/// The receiver of one loop. It takes the interpreter lock at the first callback of a turn and gives it back before the
/// turn's output is sent; what is called after that takes it once more, until the turn ends. So other threads run Python
/// while the loop sends and sleeps.
pub(crate) struct PythonReceiver {
    state: Arc<State>,
    /// Made with the first connection.
    conns: OnceCell<Arc<Conns>>,
    lock: InterpreterLock,
}

impl Receiver for PythonReceiver {
    fn data(&mut self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        let callback = &self.state.callbacks.on_data;
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let data = PyBytes::new(py, data);
        let answer = callback.call(py, [object.as_any(), data.as_any()]);
        self.action_of(callback, conn, &object, answer)
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        match event {
            Event::Open(conn) => return self.open(conn),
            Event::Drain(conn) => return self.drain(conn),
            Event::Closed(conn, closed) => return self.closed(conn, closed),
            // Nobody can end one side here, so the connection is over.
            Event::Eof(_) => return Action::Close,
            Event::Completed(completion, completed) => completion.call(completed),
            Event::PreWrite(server) => server.has_no_pre_write(),
            Event::Datagram(..) | Event::Detached(..) => {}
            Event::Wake(_) | Event::Timer(..) => {}
            Event::Tick(..) | Event::Stopping(_) => {}
        }
        Action::None
    }

    fn before_flush(&mut self, _turn: &Turn<'_>) {
        self.lock.give_back();
    }

    fn turn_ends(&mut self, _turn: &Turn<'_>) {
        self.lock.give_back();
    }

    fn leave(&mut self) {
        self.lock.give_back();
    }
}

impl PythonReceiver {
    pub(crate) fn new(state: Arc<State>) -> Self {
        PythonReceiver { state, conns: OnceCell::new(), lock: InterpreterLock::new() }
    }

    fn open(&self, conn: &LoopConn<'_>) -> Action {
        let (py, callback) = (self.lock.take(), &self.state.callbacks.on_open);
        match Bound::new(py, Conn::new(conn.id(), conn.server().clone())) {
            Ok(object) => {
                self.conns.get_or_init(|| self.state.conns.of_new_loop(py)).insert(&object);
                let answer = callback.call(py, [object.as_any()]);
                self.action_of(callback, conn, &object, answer)
            }
            Err(error) => {
                // Without an object nothing can be called. The answer only says whether it was open.
                let _ = conn.fail();
                Python::attach(|py| self.state.callbacks.report(py, callback, None, error));
                Action::None
            }
        }
    }

    fn drain(&self, conn: &LoopConn<'_>) -> Action {
        let callback = &self.state.callbacks.on_drain;
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = callback.call(py, [object.as_any()]);
        self.action_of(callback, conn, &object, answer)
    }

    fn closed(&self, conn: &LoopConn<'_>, closed: Closed) -> Action {
        let (py, callback) = (self.lock.take(), &self.state.callbacks.on_close);
        let object = self.conns.get().and_then(|conns| conns.remove(py, conn.id()));
        let Some(object) = object else { return Action::None };
        if callback.method().is_none() {
            return Action::None;
        }
        let answer = close_reason(py, closed.reason).and_then(|reason| {
            let errno = closed.errno.into_pyobject(py)?;
            callback.call(py, [object.as_any(), &reason, &errno])
        });
        match answer {
            Ok(action) => action,
            Err(error) => {
                // Nothing ends by it any more.
                Python::attach(|py| self.state.callbacks.report(py, callback, Some(&object), error));
                Action::None
            }
        }
    }

    /// The connection's object, if this side has not closed it.
    #[inline]
    fn listening<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> Option<Bound<'py, Conn>> {
        self.conns.get()?.get(py, conn.id()).filter(|object| object.get().takes_events())
    }

    /// What a callback asks for; one that failed closes its connection and is reported.
    #[inline]
    fn action_of(
        &self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        object: &Bound<'_, Conn>,
        answer: PyResult<Action>,
    ) -> Action {
        match answer {
            Ok(Action::Close) => {
                object.get().takes_no_more();
                Action::Close
            }
            Ok(action) => action,
            Err(error) => self.failed(callback, conn, object, error),
        }
    }

    #[inline(never)]
    fn failed(
        &self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        object: &Bound<'_, Conn>,
        error: PyErr,
    ) -> Action {
        let peer_left = object.get().takes_events() && !object.get().is_open();
        object.get().takes_no_more();
        // It may have been closed before.
        let _ = conn.fail();
        // Attached as others are, so that what the exception owns is dropped here and not later.
        Python::attach(|py| {
            // The peer went while its data was on the way: the write that noticed is no failure, and on_close follows.
            if !(peer_left && is_closed_error(py, &error, object.get().conn_id())) {
                self.state.callbacks.report(py, callback, Some(object), error);
            }
        });
        Action::None
    }
}

impl Drop for PythonReceiver {
    fn drop(&mut self) {
        if let Some(conns) = self.conns.take() {
            // The loop has parted with every connection, unless it failed or found itself in a forked child.
            conns.clear(self.lock.take());
        }
        self.lock.give_back();
    }
}

/// The member of `reactor.CloseReason`, or the number if that enumeration does not know it.
fn close_reason(py: Python<'_>, reason: CloseReason) -> PyResult<Bound<'_, PyAny>> {
    static KNOWN: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let number = (reason as i32).into_pyobject(py)?.into_any();
    let known = KNOWN.import(py, "reactor._types", "KNOWN_REASONS")?.get_item(&number)?;
    Ok(known.unwrap_or(number))
}

//! Servers under asyncio: what the package's Python part (`reactor/_hosting.py`) needs of the engine.

use pyo3::prelude::*;
use reactor_core::{Action, ErrorKind};

use crate::callback::Callback;
use crate::conn::Conn;
use crate::errors::is_closed_error;
use crate::hosted::Hosted;
use crate::scopes::Scopes;
use crate::server::Server;

/// Makes a `Hosted` whose callbacks run in scopes.
///
/// plain: makes one for a connection if no callback is a coroutine function: a `contextvars.Context`.
/// session: makes one if some are: an object with `run(name, callback, *args)`, and `end` for the last callback.
#[pyfunction]
pub(crate) fn host(
    server: &Bound<'_, Server>,
    plain: Bound<'_, PyAny>,
    session: Bound<'_, PyAny>,
) -> PyResult<Hosted> {
    let state = server.get().state(server.py())?;
    let scopes = match state.callbacks.any_async() {
        Some(_) => Scopes::Sessions(session.unbind()),
        None => Scopes::Plain(plain.unbind()),
    };
    Hosted::of(server, Some(scopes))
}

#[pymethods]
impl Server {
    /// Serves in the running event loop of asyncio, and returns when the server has stopped: by `stop`, `stop_gracefully` or
    /// `Action.STOP`. All callbacks come on that loop's thread, each connection's in a `contextvars` context of its own, and those
    /// of connections may be `async def`: `Handler` says how. Several servers may be served in one loop. Where one is served
    /// already, this waits for its end; where it has ended, it returns at once.
    ///
    /// Cancelling it stops the server at once; CancelledError is raised when it has ended, coroutines of callbacks included. For a
    /// graceful stop call `stop_gracefully`, and go on waiting.
    ///
    /// Raises `StoppedError` and `HandlerFailedError` as `start` does; `InvalidArgumentError` for a server of several loops: make it
    /// with hosted=True; `WrongStateError` if it was started elsewhere, `RuntimeError` if no event loop runs, NotImplementedError for
    /// one that has no `add_reader`.
    fn serve<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("reactor._hosting")?.call_method1("serve", (slf,))
    }

    /// Under asyncio: returns when the server has stopped, coroutines of callbacks have ended and `on_stop` was called; at once if
    /// that is so. Cancelling it stops nothing. So a graceful stop is `server.stop_gracefully(5)` and `await server.wait_closed()`.
    ///
    /// Raises `WrongStateError` if no event loop serves the server, or another one than that which runs.
    fn wait_closed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("reactor._hosting")?.call_method1("wait_closed", (slf,))
    }
}

#[pymethods]
impl Conn {
    /// Under asyncio: returns when the writer may go on: at once unless more is queued than the high-water mark, or else when the
    /// kernel has taken all that is queued now.
    ///
    /// Raises `ClosedError` if the connection is closed, or ends before that; `RuntimeError` if no event loop runs.
    fn drain<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("reactor._awaiting")?.call_method1("drain", (slf,))
    }

    /// Under asyncio: writes like `write`, within this call, and returns a future: it is done when the kernel has taken the last
    /// byte, which does not say that the peer has it; or it raises `ClosedError` if the connection ended before. Whether the queue is
    /// above the high-water mark, it does not say: whoever awaits it need not know. Usable with a server on threads, too.
    ///
    /// Raises what `write` raises; `RuntimeError` if no event loop runs.
    fn write_async<'py>(slf: &Bound<'py, Self>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("reactor._awaiting")?.call_method1("write_async", (slf, data))
    }

    /// Whether callbacks before the last are still to come.
    #[getter]
    fn _takes_events(&self) -> bool {
        self.takes_events()
    }
}

#[pymethods]
impl Hosted {
    /// A callback that a session has run later has ended: does what it asks for. `told`: a failure is to be reported.
    fn _ended(
        &self,
        name: &str,
        conn: &Bound<'_, Conn>,
        returned: &Bound<'_, PyAny>,
        raised: Option<Bound<'_, PyAny>>,
        told: bool,
    ) {
        let Some(callback) = self.state().callbacks.by_name(name) else { return };
        let answer = match raised {
            Some(raised) => Err(PyErr::from_value(raised)),
            None => callback.answer(returned),
        };
        match answer {
            Ok(action) => self.act(conn.get(), action),
            Err(error) => self.fail(callback, conn, error, told),
        }
    }

    /// No coroutine of a callback is left: calls `on_stop`, if that waited for them. Raises what ends the program.
    fn _all_ended(&self, py: Python<'_>) -> PyResult<()> {
        self.state().stop_at_last(py, self.handle());
        self.state().take_exit(py).map_or(Ok(()), Err)
    }
}

impl Hosted {
    fn act(&self, conn: &Conn, action: Action) {
        let (handle, id) = (self.handle(), conn.conn_id());
        let done = match action {
            Action::Stop => return handle.stop(),
            Action::Close => handle.close(id).map(|()| conn.takes_no_more()),
            Action::Detach => handle.detach(id),
            _ => return,
        };
        // It may have been closed before; and what a UDP endpoint cannot do counts as its failure, which changes nothing.
        if done.is_err_and(|error| error.kind() == ErrorKind::Unsupported) {
            let _ = handle.fail(id);
        }
    }

    fn fail(&self, callback: &Callback, conn: &Bound<'_, Conn>, error: PyErr, told: bool) {
        let (py, id) = (conn.py(), conn.get().conn_id());
        let left_unseen = conn.get().left_unseen();
        if self.handle().fail(id).is_ok() || !conn.get().is_open() {
            conn.get().takes_no_more();
        }
        if told && !(left_unseen && is_closed_error(py, &error, id)) {
            self.state().failed(py, self.handle(), callback, Some(conn), error);
        }
    }
}

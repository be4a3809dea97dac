//! Where a loop's events become calls of the handler's methods.

use std::cell::OnceCell;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict};
use reactor_core::binding::{Event, Receiver, Turn};
use reactor_core::{Action, CloseReason, Closed, Conn as LoopConn, Detached, Handle, TimerId};

use crate::callback::{is_action, Callback};
use crate::conn::Conn;
use crate::conns::Conns;
use crate::datagram::Datagram;
use crate::errors::is_closed_error;
use crate::gathered::{Gathered, Who};
use crate::interpreter::InterpreterLock;
use crate::names::Names;
use crate::state::State;
use crate::timer::Timer;

/// The receiver of one loop. It takes the interpreter lock at the first callback of a turn and gives it back before the
/// turn's output is sent; what is called after that takes it once more, until the turn ends. So other threads run Python
/// while the loop sends and sleeps.
pub(crate) struct PythonReceiver {
    pub(crate) state: Arc<State>,
    /// Made with the first connection.
    conns: OnceCell<Arc<Conns>>,
    /// The frames or commands of the read that is being delivered.
    pub(crate) gathered: Gathered,
    /// Who is told commands as lists; `None` if each is told alone.
    pub(crate) commands_to: Option<Who>,
    /// Of commands.
    pub(crate) names: Names,
    /// What `on_tick` has returned last.
    tick: Duration,
    pub(crate) lock: InterpreterLock,
    /// Under asyncio callbacks run in scopes.
    is_scoped: bool,
}

impl Receiver for PythonReceiver {
    fn data(&mut self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        if conn.has_arguments() {
            return self.command(conn, data);
        }
        let callback = &self.state.callbacks.on_data;
        if callback.method().is_none() {
            return self.frame(conn, data);
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = self.call(callback, conn, [object.as_any(), PyBytes::new(py, data).as_any()]);
        self.action_of(callback, conn, &object, answer)
    }

    fn delivered(&mut self, conn: &LoopConn<'_>) -> Action {
        self.tell_gathered(conn)
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        let callbacks = &self.state.callbacks;
        match event {
            Event::Open(conn) => return self.open(conn),
            Event::Datagram(conn, data) => return self.datagram(conn, data),
            Event::Eof(conn) => return self.tell(&callbacks.on_eof, conn, Action::Close),
            Event::Drain(conn) => return self.tell(&callbacks.on_drain, conn, Action::None),
            Event::Wake(conn) => return self.tell(&callbacks.on_wake, conn, Action::None),
            Event::Timer(conn, timer) => return self.timer(conn, timer),
            Event::Detached(conn, detached) => self.detached(conn, detached),
            Event::Closed(conn, closed) => return self.closed(conn, closed),
            Event::Completed(completion, completed) => {
                // All that is to be completed here is Python's.
                self.lock.take();
                completion.call(completed);
            }
            Event::Undelivered(..) => {}
            Event::Tick(server, next) => *next = self.tick(server),
            Event::PreWrite(server) => self.pre_write(server),
            Event::Stopping(server) => self.tell_of_server(&callbacks.on_stopping, server),
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
        let lock = if state.is_hosted() { InterpreterLock::of_host() } else { InterpreterLock::new() };
        let is_scoped = state.scopes().is_some();
        let commands_to = Who::of_commands(&state.callbacks);
        PythonReceiver {
            state,
            conns: OnceCell::new(),
            gathered: Gathered::default(),
            commands_to,
            names: Names::default(),
            tick: Duration::from_secs(1),
            lock,
            is_scoped,
        }
    }

    fn open(&self, conn: &LoopConn<'_>) -> Action {
        let (py, callback) = (self.lock.take(), &self.state.callbacks.on_open);
        match self.admit(py, conn) {
            Ok(object) => {
                let answer = self.call(callback, conn, [object.as_any()]);
                self.action_of(callback, conn, &object, answer)
            }
            Err(error) => {
                // Without an object nothing can be called. The answer only says whether it was open.
                let _ = conn.fail();
                Python::attach(|py| self.state.failed(py, conn.server(), callback, None, error));
                Action::None
            }
        }
    }

    /// Calls a callback that is told nothing but the connection; if there is none, `otherwise`.
    fn tell(&self, callback: &Callback, conn: &LoopConn<'_>, otherwise: Action) -> Action {
        if callback.method().is_none() {
            return otherwise;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = self.call(callback, conn, [object.as_any()]);
        self.action_of(callback, conn, &object, answer)
    }

    /// A datagram, with what came with it if the handler wants to know.
    fn datagram(&self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        let callbacks = &self.state.callbacks;
        let told = callbacks.on_datagram.method().is_some();
        let callback = if told { &callbacks.on_datagram } else { &callbacks.on_data };
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let data = PyBytes::new(py, data);
        let answer = match Datagram::of(conn).filter(|_| told) {
            Some(came) => Bound::new(py, came)
                .and_then(|came| self.call(callback, conn, [object.as_any(), data.as_any(), came.as_any()])),
            None => self.call(callback, conn, [object.as_any(), data.as_any()]),
        };
        self.action_of(callback, conn, &object, answer)
    }

    fn timer(&self, conn: &LoopConn<'_>, timer: TimerId) -> Action {
        let callback = &self.state.callbacks.on_timer;
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = Bound::new(py, Timer::new(timer, conn.server().clone()))
            .and_then(|timer| self.call(callback, conn, [object.as_any(), timer.as_any()]));
        self.action_of(callback, conn, &object, answer)
    }

    fn closed(&self, conn: &LoopConn<'_>, closed: Closed) -> Action {
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

    fn detached(&self, conn: &LoopConn<'_>, detached: Detached) {
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

    /// When `on_tick` is to be called again. One that fails is called after the delay before, or a second.
    fn tick(&mut self, server: &Handle) -> Option<Duration> {
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

    fn pre_write(&mut self, server: &Handle) {
        let callback = &self.state.callbacks.on_pre_write;
        if callback.method().is_none() {
            return server.has_no_pre_write();
        }
        self.tell_of_server(&self.state.callbacks.on_pre_write, server);
        // What it has written is sent next.
        self.lock.give_back();
    }

    fn tell_of_server(&self, callback: &Callback, server: &Handle) {
        if callback.method().is_some() {
            let py = self.lock.take();
            self.state.call_of_server(py, server, callback);
        }
    }

    /// The object of a connection that begins, or that was not heard of yet: an endpoint's.
    #[inline(never)]
    fn admit<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> PyResult<Bound<'py, Conn>> {
        let conns = self.conns.get_or_init(|| self.state.conns.of_new_loop(py));
        let object = self.state.first_conn(py, conn.server(), conn.id())?;
        // At once: whoever asks for the object from here on is to find this one.
        conns.insert(&object);
        self.state.conns.expect_no_more(py, conn.id());
        if let Some(scopes) = self.state.scopes() {
            // It runs code of Python's, which may fail.
            let scope = scopes.open(&object).inspect_err(|_| drop(conns.remove(py, conn.id())))?;
            conns.insert_scope(conn.id(), scope);
        }
        Ok(object)
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

    /// The connection's object, if this side has not closed it.
    #[inline]
    pub(crate) fn listening<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> Option<Bound<'py, Conn>> {
        match self.conns.get().and_then(|conns| conns.get(py, conn.id())) {
            Some(object) => Some(object).filter(|object| object.get().takes_events()),
            None => self.admit(py, conn).ok(),
        }
    }

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
        let peer_left = object.get().takes_events() && !object.get().is_open();
        // It may have been closed before; and a UDP endpoint stays as it is.
        if conn.fail().is_ok() || !object.get().is_open() {
            object.get().takes_no_more();
        }
        // Attached as others are, so that what the exception owns is dropped here and not later.
        Python::attach(|py| {
            // The peer went while its data was on the way: the write that noticed is no failure, and on_close follows.
            if !(peer_left && is_closed_error(py, &error, object.get().conn_id())) {
                self.state.failed(py, conn.server(), callback, Some(object), error);
            }
        });
        Action::None
    }
}

impl Drop for PythonReceiver {
    fn drop(&mut self) {
        if let Some(conns) = self.conns.take() {
            let py = self.lock.take();
            // The loop has parted with every connection, unless it failed or found itself in a forked child.
            conns.clear(py);
            self.names.clear(py);
        }
        self.lock.give_back();
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

//! What a server object and its loops share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::exceptions::{PyBaseException, PyException};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use reactor_core::{Action, ConnId, Error, ErrorKind, Handle};

use crate::callback::Callback;
use crate::callbacks::{is_exit, Callbacks};
use crate::conn::Conn;
use crate::conns::ConnsOfLoops;
use crate::errors::exception;
use crate::method::Method;
use crate::scopes::Scopes;

/// Makes an object for callbacks of a server whose own object is being dropped.
type StandIn = for<'py> fn(Python<'py>, &Handle) -> PyResult<Bound<'py, PyAny>>;

pub(crate) struct State {
    /// It was made for a host: its callbacks may be coroutine functions.
    pub(crate) for_host: bool,
    pub(crate) callbacks: Callbacks,
    pub(crate) conns: ConnsOfLoops,
    /// The server object; weak, because the object owns this.
    server: PyOnceLock<Py<PyWeakrefReference>>,
    stand_in: StandIn,
    /// What `on_start` raised, until the start raises an exception because of it.
    start_failure: Mutex<Option<PyErr>>,
    /// What a callback raised to end the program, until whoever waits for the server raises it.
    exit: Mutex<Option<Py<PyBaseException>>>,
    /// `on_stop` has returned. Changes only with the interpreter lock held.
    ended: AtomicBool,
    /// A host drives it. Changes only with the interpreter lock held, and not while the server runs.
    hosted: AtomicBool,
    /// Under asyncio; set before the server starts.
    scopes: OnceLock<Scopes>,
    /// Under asyncio with coroutines: `on_stop` waits for the last of them.
    stop_is_owed: AtomicBool,
}

/// Locks what holds exceptions: only with the interpreter's lock held, and never while Python code may run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(callbacks: Callbacks, for_host: bool, stand_in: StandIn) -> Self {
        State {
            for_host,
            callbacks,
            conns: ConnsOfLoops::default(),
            server: PyOnceLock::new(),
            stand_in,
            start_failure: Mutex::default(),
            exit: Mutex::default(),
            ended: AtomicBool::new(false),
            hosted: AtomicBool::new(false),
            scopes: OnceLock::new(),
            stop_is_owed: AtomicBool::new(false),
        }
    }

    /// Whether a host drives the server: on a thread of Python's, which holds the interpreter lock throughout a turn.
    pub(crate) fn is_hosted(&self) -> bool {
        self.hosted.load(Ordering::Acquire)
    }

    pub(crate) fn set_hosted(&self, hosted: bool) {
        self.hosted.store(hosted, Ordering::Release);
    }

    /// What callbacks of connections run in, if that is anything.
    #[inline]
    pub(crate) fn scopes(&self) -> Option<&Scopes> {
        self.scopes.get()
    }

    pub(crate) fn set_scopes(&self, scopes: Scopes) {
        // A server that could not be started by its host keeps those of the first attempt, which are as good.
        let _ = self.scopes.set(scopes);
    }

    /// The server has stopped: `on_stop` is called, unless coroutines may be left, whose callbacks come before it.
    pub(crate) fn stopped(&self, py: Python<'_>, server: &Handle) {
        match self.scopes() {
            Some(Scopes::Sessions(_)) => self.stop_is_owed.store(true, Ordering::Release),
            _ => self.stop(py, server),
        }
    }

    /// The last coroutine has ended.
    pub(crate) fn stop_at_last(&self, py: Python<'_>, server: &Handle) {
        if self.stop_is_owed.swap(false, Ordering::AcqRel) {
            self.stop(py, server);
        }
    }

    /// Remembers the object that `on_start` and `on_stop` are given.
    pub(crate) fn set_server(&self, server: &Bound<'_, PyWeakrefReference>) {
        self.server.get_or_init(server.py(), || server.clone().unbind());
    }

    /// The server object, or, if it is being dropped, one that stands for it.
    pub(crate) fn server<'py>(&self, py: Python<'py>, server: &Handle) -> PyResult<Bound<'py, PyAny>> {
        let object = self.server.get(py).and_then(|weak| weak.bind(py).upgrade());
        object.map_or_else(|| (self.stand_in)(py, server), Ok)
    }

    /// The object of a connection: the one that callbacks have, or will have.
    pub(crate) fn conn<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        server: &Handle,
        id: ConnId,
    ) -> PyResult<Bound<'py, Conn>> {
        if let Some(object) = self.conns.get(py, id) {
            return Ok(object);
        }
        let made = self.new_conn(py, server, id)?;
        // Meanwhile any code may have run, and its loop, too.
        if let Some(object) = self.conns.get(py, id) {
            return Ok(object);
        }
        // Whatever is no connection's: it would be expected for ever.
        if server.info(id).is_err() {
            let closed = Error::new(ErrorKind::Closed, format!("connection {id} is closed"));
            return Err(exception(py, &closed));
        }
        self.give_context(&made);
        self.conns.expect(&made);
        Ok(made)
    }

    /// The object of a connection of which its loop tells the first thing, or the last: the one that is expected, or a new one.
    pub(crate) fn first_conn<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        server: &Handle,
        id: ConnId,
    ) -> PyResult<Bound<'py, Conn>> {
        if let Some(object) = self.conns.expected(py, id) {
            return Ok(object);
        }
        let made = self.new_conn(py, server, id)?;
        // As above.
        Ok(self.conns.expected(py, id).unwrap_or_else(|| {
            self.give_context(&made);
            made
        }))
    }

    /// A new object for a connection. Making one may run the garbage collector, and so any code.
    fn new_conn<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        server: &Handle,
        id: ConnId,
    ) -> PyResult<Bound<'py, Conn>> {
        Bound::new(py, Conn::new(id, server.clone(), Arc::downgrade(self)))
    }

    /// Gives a new object the context that was kept for it.
    fn give_context(&self, made: &Bound<'_, Conn>) {
        let context = self.conns.take_context(made.get().conn_id());
        context.into_iter().for_each(|context| made.get().replace_context(Some(context)));
    }

    /// Calls `on_start`; what it raises is kept for `start_error`, too.
    pub(crate) fn start(&self, py: Python<'_>, server: &Handle) -> Result<Action, String> {
        let callback = &self.callbacks.on_start;
        let object = match callback.method() {
            Some(_) => self.server(py, server),
            None => return Ok(Action::None),
        };
        object.and_then(|object| callback.call(py, [&object])).map_err(|error| {
            let text = error.to_string();
            *lock(&self.start_failure) = Some(error);
            text
        })
    }

    /// The exception for a failed start, caused by what `on_start` raised. What is no failure but the wish to
    /// end the program, such as `KeyboardInterrupt`, stays itself.
    pub(crate) fn start_error(&self, py: Python<'_>, error: &Error) -> PyErr {
        let cause = lock(&self.start_failure).take();
        match cause {
            Some(cause) if !cause.is_instance_of::<PyException>(py) => cause,
            cause => {
                let raised = exception(py, error);
                if error.kind() == ErrorKind::HandlerFailed {
                    raised.set_cause(py, cause);
                }
                raised
            }
        }
    }

    /// Calls a callback that is given the server, and answers nothing.
    pub(crate) fn call_of_server(&self, py: Python<'_>, server: &Handle, callback: &Callback) {
        let called = |method: &Method| method.call(py, [&self.server(py, server)?]);
        if let Some(Err(error)) = callback.method().map(called) {
            self.failed(py, server, callback, None, error);
        }
    }

    /// Calls `on_stop`.
    pub(crate) fn stop(&self, py: Python<'_>, server: &Handle) {
        self.call_of_server(py, server, &self.callbacks.on_stop);
        self.conns.forget_expected(py);
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the last callback has returned.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// A callback, or another function of the program's, has raised: that is reported; the wish to end the program
    /// (`sys.exit()`, `KeyboardInterrupt`) stops the server and is kept for whoever waits for it.
    pub(crate) fn failed(
        &self,
        py: Python<'_>,
        server: &Handle,
        callback: &Callback,
        conn: Option<&Bound<'_, Conn>>,
        error: PyErr,
    ) {
        let exit = match is_exit(py, &error) {
            true => Some(error),
            false => self.callbacks.report(py, callback, conn, error).err(),
        };
        let Some(exit) = exit.map(|exit| exit.into_value(py)) else { return };
        // The first counts.
        let second = match &mut *lock(&self.exit) {
            Some(_) => Some(exit),
            none => none.replace(exit),
        };
        second.into_iter().for_each(|second| drop(second.into_bound(py)));
        server.stop();
    }

    /// What a callback raised to end the program: once.
    pub(crate) fn take_exit(&self, py: Python<'_>) -> Option<PyErr> {
        let exit = lock(&self.exit).take();
        exit.map(|exit| PyErr::from_value(exit.into_bound(py).into_any()))
    }

    /// Shows the garbage collector what this has, when no loop has it, too.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&*lock(&self.exit))?;
        self.callbacks.visit(visit)
    }
}

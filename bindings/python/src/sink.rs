//! Where the engine's batches arrive: their events become calls of the handler's methods, on the loop's
//! thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyWeakrefMethods, PyWeakrefReference};
use reactor_core::binding::batch::{Batch, Event, EventKind, Sink};
use reactor_core::{Action, BoxError, CloseReason, ConnId, Error, ErrorKind, Handle};

use crate::callbacks::{Callback, Callbacks};
use crate::conn::{Conn, Conns};
use crate::errors::{exception, is_closed_error};
use crate::exit::Registration;
use crate::server::Server;

/// What a server object and its sink share.
pub(crate) struct State {
    pub(crate) callbacks: Callbacks,
    pub(crate) conns: Conns,
    /// The server object; weak, because the object owns this.
    server: PyOnceLock<Py<PyWeakrefReference>>,
    /// What `on_start` raised, until the start raises an exception because of it.
    start_failure: Mutex<Option<PyErr>>,
    /// `on_stop` has returned. Changes only with the interpreter lock held.
    ended: AtomicBool,
}

/// The sink: the loops own it, so it is dropped when the last of them has ended.
pub(crate) struct PythonSink {
    state: Arc<State>,
    /// Dropped along, which says that no callback is to come.
    _registration: Registration,
}

impl PythonSink {
    pub(crate) fn new(state: Arc<State>, registration: Registration) -> Self {
        PythonSink { state, _registration: registration }
    }
}

impl Sink for PythonSink {
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        Python::attach(|py| self.state.start(py, server)).map_err(|error| {
            let text = error.to_string();
            *self.state.start_failure() = Some(error);
            text.into()
        })
    }

    fn deliver(&self, server: &Handle, batch: Batch) {
        Python::attach(|py| {
            for event in batch.events() {
                self.state.take(py, server, event, batch.bytes());
            }
        });
        // Dropping the batch answers it, without the interpreter lock.
    }

    fn on_stop(&self, server: &Handle) {
        Python::attach(|py| self.state.stop(py, server));
    }

    /// Attaches the loop's thread for its lifetime, and detaches it around the run: so the attaching for each
    /// batch is no more than taking the lock.
    fn around_loop(&self, run: &mut dyn FnMut()) {
        // The closure stays on this thread, whatever the bound on `detach` asks of it.
        struct Run<'a>(&'a mut dyn FnMut());
        // SAFETY: `detach` calls its closure on the calling thread; nothing is sent.
        unsafe impl Send for Run<'_> {}
        impl Run<'_> {
            fn call(self) {
                (self.0)();
            }
        }
        let run = Run(run);
        Python::attach(|py| py.detach(move || run.call()));
    }
}

impl State {
    pub(crate) fn new(callbacks: Callbacks) -> Self {
        State {
            callbacks,
            conns: Conns::default(),
            server: PyOnceLock::new(),
            start_failure: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// Remembers the object that `on_start` and `on_stop` are given.
    pub(crate) fn set_server(&self, server: &Bound<'_, PyWeakrefReference>) {
        self.server.get_or_init(server.py(), || server.clone().unbind());
    }

    /// The exception for a failed start, caused by what `on_start` raised. What is no failure but the wish to
    /// end the program, such as `KeyboardInterrupt`, stays itself.
    pub(crate) fn start_error(&self, py: Python<'_>, error: &Error) -> PyErr {
        let cause = self.start_failure().take();
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

    fn start_failure(&self) -> MutexGuard<'_, Option<PyErr>> {
        self.start_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the last callback has returned.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn start(&self, py: Python<'_>, server: &Handle) -> PyResult<Action> {
        let callback = &self.callbacks.on_start;
        let Some(method) = callback.method(py) else { return Ok(Action::None) };
        callback.action(&method.call1((self.server(py, server)?,))?)
    }

    fn stop(&self, py: Python<'_>, server: &Handle) {
        let callback = &self.callbacks.on_stop;
        let result = callback.method(py).map(|method| method.call1((self.server(py, server)?,)));
        if let Some(Err(error)) = result {
            self.callbacks.report(py, callback, None, error);
        }
        self.ended.store(true, Ordering::Release);
    }

    /// The server object, or, if it is being dropped, one that stands for it.
    fn server<'py>(&self, py: Python<'py>, server: &Handle) -> PyResult<Bound<'py, Server>> {
        let object = self.server.get(py).and_then(|weak| weak.bind(py).upgrade());
        match object {
            Some(object) => Ok(object.cast_into::<Server>()?),
            None => Bound::new(py, Server::stand_in(server.clone())),
        }
    }

    fn take(&self, py: Python<'_>, server: &Handle, event: &Event, bytes: &[u8]) {
        let (callbacks, id) = (&self.callbacks, event.conn);
        match &event.kind {
            EventKind::Open => match self.conns.open(py, id, server) {
                Ok(conn) => self.call(server, &callbacks.on_open, &conn, || Ok((conn.clone(),))),
                Err(error) => {
                    // Without an object nothing can be called. The answer only says whether it was open.
                    let _ = server.fail(id);
                    callbacks.report(py, &callbacks.on_open, None, error);
                }
            },
            EventKind::Data(range) => {
                let Some(conn) = self.listening(py, id) else { return };
                let args = || Ok((conn.clone(), PyBytes::new(py, &bytes[range.clone()])));
                self.call(server, &callbacks.on_data, &conn, args);
            }
            EventKind::Drain => {
                let Some(conn) = self.listening(py, id) else { return };
                self.call(server, &callbacks.on_drain, &conn, || Ok((conn.clone(),)));
            }
            EventKind::Close(closed) => {
                let Some(conn) = self.conns.remove(py, id) else { return };
                let args = || Ok((conn.clone(), close_reason(py, closed.reason)?, closed.errno));
                self.call(server, &callbacks.on_close, &conn, args);
            }
        }
    }

    /// The connection, if this side has not closed it.
    fn listening<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Conn>> {
        self.conns.get(py, id).filter(|conn| conn.get().takes_events())
    }

    /// Calls a method, if there is one, and does what it answers.
    fn call<'py, A: PyCallArgs<'py>>(
        &self,
        server: &Handle,
        callback: &Callback,
        conn: &Bound<'py, Conn>,
        args: impl FnOnce() -> PyResult<A>,
    ) {
        let Some(method) = callback.method(conn.py()) else { return };
        let returned = args().and_then(|args| method.call1(args));
        let closed = match returned.and_then(|returned| callback.action(&returned)) {
            Ok(Action::Close) => conn.get().close_here(),
            Ok(Action::Stop) => return server.stop(),
            Ok(_) => return,
            Err(error) => {
                let peer_left = conn.get().takes_events() && !conn.get().is_open();
                let closed = conn.get().fail();
                // The peer went while the batch was on its way: the write that noticed is no failure, and
                // on_close follows.
                if !(peer_left && is_closed_error(conn.py(), &error)) {
                    self.callbacks.report(conn.py(), callback, Some(conn), error);
                }
                closed
            }
        };
        // It may have been closed before.
        drop(closed);
    }
}

/// The member of `reactor.CloseReason`, or the number if that enumeration does not know it.
fn close_reason(py: Python<'_>, reason: CloseReason) -> PyResult<Bound<'_, PyAny>> {
    static KNOWN: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let number = (reason as i32).into_pyobject(py)?.into_any();
    let known = KNOWN.import(py, "reactor._types", "KNOWN_REASONS")?.get_item(&number)?;
    Ok(known.unwrap_or(number))
}

//! What a server object and its loops share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use reactor_core::{Action, Error, ErrorKind, Handle};

use crate::callbacks::Callbacks;
use crate::conns::ConnsOfLoops;
use crate::errors::exception;
use crate::method::Method;

/// Makes an object for callbacks of a server whose own object is being dropped.
type StandIn = for<'py> fn(Python<'py>, &Handle) -> PyResult<Bound<'py, PyAny>>;

pub(crate) struct State {
    pub(crate) callbacks: Callbacks,
    pub(crate) conns: ConnsOfLoops,
    /// The server object; weak, because the object owns this.
    server: PyOnceLock<Py<PyWeakrefReference>>,
    stand_in: StandIn,
    /// What `on_start` raised, until the start raises an exception because of it.
    start_failure: Mutex<Option<PyErr>>,
    /// `on_stop` has returned. Changes only with the interpreter lock held.
    ended: AtomicBool,
}

impl State {
    pub(crate) fn new(callbacks: Callbacks, stand_in: StandIn) -> Self {
        State {
            callbacks,
            conns: ConnsOfLoops::default(),
            server: PyOnceLock::new(),
            stand_in,
            start_failure: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// Remembers the object that `on_start` and `on_stop` are given.
    pub(crate) fn set_server(&self, server: &Bound<'_, PyWeakrefReference>) {
        self.server.get_or_init(server.py(), || server.clone().unbind());
    }

    /// The server object, or, if it is being dropped, one that stands for it.
    fn server<'py>(&self, py: Python<'py>, server: &Handle) -> PyResult<Bound<'py, PyAny>> {
        let object = self.server.get(py).and_then(|weak| weak.bind(py).upgrade());
        object.map_or_else(|| (self.stand_in)(py, server), Ok)
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
            *self.start_failure() = Some(error);
            text
        })
    }

    fn start_failure(&self) -> MutexGuard<'_, Option<PyErr>> {
        self.start_failure.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Calls `on_stop`, whose answer asks for nothing.
    pub(crate) fn stop(&self, py: Python<'_>, server: &Handle) {
        let callback = &self.callbacks.on_stop;
        let called = |method: &Method| method.call(py, [&self.server(py, server)?]);
        if let Some(Err(error)) = callback.method().map(called) {
            self.callbacks.report(py, callback, None, error);
        }
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the last callback has returned.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

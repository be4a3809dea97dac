//! What an engine's object, its receiver and its transports share.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor_core::binding::slot_of;
use reactor_core::{ConnId, Handle, Hosted};

use super::endpoints::Place;
use super::transport::Transport;

/// Slots that are kept when nothing is in them.
const KEPT: usize = 1024;

thread_local! {
    static HERE: u8 = const { 0 };
}

/// A number that no other thread has as long as this one lives.
fn this_thread() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Who gets accepted connections.
pub(crate) struct Accepting {
    pub(crate) factory: Py<PyAny>,
    pub(crate) context: Py<PyAny>,
}

/// An outgoing connection that is being made.
pub(crate) struct Pending {
    /// None of a datagram endpoint: whoever waits is given its id, and makes the protocol.
    pub(crate) factory: Option<Py<PyAny>>,
    pub(crate) context: Py<PyAny>,
    /// The future that waits for it.
    pub(crate) waiter: Py<PyAny>,
}

pub(crate) struct Shared {
    pub(crate) server: OnceCell<Handle>,
    pub(crate) event_loop: Py<PyAny>,
    thread: usize,
    pub(crate) accepting: RefCell<Option<Accepting>>,
    pub(crate) pending: RefCell<HashMap<ConnId, Pending>>,
    /// The transports, each in the slot of its connection's id.
    transports: RefCell<Vec<Option<Py<Transport>>>>,
    taken: Cell<usize>,
    /// Those that wait for their output to become less.
    pub(crate) waiting: RefCell<Vec<Py<Transport>>>,
    /// Who gets what comes for datagram endpoints.
    pub(crate) endpoints: RefCell<HashMap<ConnId, Place>>,
    /// The transports of those whose output is blocked.
    pub(crate) blocked: RefCell<Vec<Py<PyAny>>>,
    pub(crate) hosted: RefCell<Option<Hosted>>,
    /// It is lent out: a turn goes on.
    pub(crate) turning: Cell<bool>,
    /// It is lent out to a call that is made between two turns: what protocols are to be told in that, they are told later.
    pub(crate) calling: Cell<bool>,
    /// What ends the program was raised in a callback: the turn raises it when it is over.
    pub(crate) raised: RefCell<Option<PyErr>>,
    /// Transports whose `connection_lost` was not called yet.
    pub(crate) open: Cell<usize>,
    /// Called when there are none any more.
    pub(crate) idle: RefCell<Option<Py<PyAny>>>,
    /// Called by the event loop after each end of a connection.
    pub(crate) ended: RefCell<Option<Py<PyAny>>>,
    /// Nobody is told anything any more.
    pub(crate) over: Cell<bool>,
}

// SAFETY: whoever reaches for what is inside holds the interpreter lock, and this module is declared to need it; the engine
// itself, which belongs to one thread, is used and dropped on that only, which `is_here` says.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(event_loop: Py<PyAny>) -> Self {
        Shared {
            server: OnceCell::new(),
            event_loop,
            thread: this_thread(),
            accepting: RefCell::default(),
            pending: RefCell::default(),
            transports: RefCell::default(),
            taken: Cell::new(0),
            waiting: RefCell::default(),
            endpoints: RefCell::default(),
            blocked: RefCell::default(),
            hosted: RefCell::default(),
            turning: Cell::new(false),
            calling: Cell::new(false),
            raised: RefCell::default(),
            open: Cell::new(0),
            idle: RefCell::default(),
            ended: RefCell::default(),
            over: Cell::new(false),
        }
    }

    /// Whether this is the thread of its loop.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.thread == this_thread()
    }

    pub(crate) fn server(&self) -> &Handle {
        // It is set when the object is made.
        self.server.get().unwrap_or_else(|| unreachable!("the engine has no server"))
    }

    /// Runs what calls the engine: within the turn that goes on, or between two, and then what was written is sent.
    pub(crate) fn with_loop<T>(&self, run: impl FnOnce(&Handle) -> T) -> PyResult<T> {
        if !self.is_here() {
            let text = "a transport belongs to its event loop's thread: use loop.call_soon_threadsafe";
            return Err(PyRuntimeError::new_err(text));
        }
        if self.turning.get() {
            return Ok(run(self.server()));
        }
        let mut lent = self.hosted.borrow_mut();
        let Some(hosted) = lent.as_mut() else {
            return Err(PyRuntimeError::new_err(
                "the engine of this transport has ended with its event loop",
            ));
        };
        self.turning.set(true);
        self.calling.set(true);
        let done = hosted.between(|| run(self.server()));
        self.calling.set(false);
        self.turning.set(false);
        // A callback may have shut it.
        let gone = if self.over.get() { lent.take() } else { None };
        drop((lent, gone));
        done.map_err(|error| PyRuntimeError::new_err(error.message().to_owned()))
    }

    // ---- the transports ----

    pub(crate) fn insert(&self, id: ConnId, transport: &Bound<'_, Transport>) {
        let slot = slot_of(id);
        let mut transports = self.transports.borrow_mut();
        if transports.len() <= slot {
            transports.resize_with(slot + 1, || None);
        }
        self.taken.set(self.taken.get() + 1);
        self.open.set(self.open.get() + 1);
        transports[slot] = Some(transport.clone().unbind());
    }

    #[inline]
    pub(crate) fn find<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Transport>> {
        let transports = self.transports.borrow();
        let transport = transports.get(slot_of(id))?.as_ref()?.bind(py);
        (transport.get().id == id).then(|| transport.clone())
    }

    pub(crate) fn remove<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Transport>> {
        let mut transports = self.transports.borrow_mut();
        let place = transports.get_mut(slot_of(id))?;
        let transport = place.take_if(|transport| transport.get().id == id)?;
        self.taken.set(self.taken.get() - 1);
        if self.taken.get() == 0 && transports.len() > KEPT {
            *transports = Vec::new();
        }
        Some(transport.into_bound(py))
    }

    /// All that there are.
    pub(crate) fn all(&self, py: Python<'_>) -> Vec<Py<Transport>> {
        self.transports.borrow().iter().flatten().map(|transport| transport.clone_ref(py)).collect()
    }

    /// Shows them to the garbage collector.
    pub(crate) fn each(
        &self,
        show: impl FnMut(&Py<Transport>) -> Result<(), pyo3::PyTraverseError>,
    ) -> Result<(), pyo3::PyTraverseError> {
        match self.transports.try_borrow() {
            Ok(transports) => transports.iter().flatten().try_for_each(show),
            Err(_) => Ok(()),
        }
    }

    /// One transport less whose `connection_lost` is to come.
    pub(crate) fn one_lost(&self, py: Python<'_>) {
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() > 0 || self.over.get() {
            return;
        }
        let idle = self.idle.borrow().as_ref().map(|idle| idle.clone_ref(py));
        if let Some(Err(error)) = idle.map(|idle| idle.call0(py)) {
            self.report(py, "the end of a server's last connection failed", error, None);
        }
    }

    /// A connection has left the engine, or is about to.
    pub(crate) fn one_ended(&self, py: Python<'_>) {
        let ended = self.ended.borrow().as_ref().map(|ended| ended.clone_ref(py));
        if let Some(Err(error)) = ended.map(|ended| self.event_loop.call_method1(py, "call_soon", (ended,))) {
            self.report(py, "the end of a connection cannot be told", error, None);
        }
    }

    // ---- failures ----

    /// Gives a failure to the event loop's exception handler. What is to end the program is raised by the turn instead.
    pub(crate) fn report(
        &self,
        py: Python<'_>,
        message: &str,
        error: PyErr,
        of: Option<&Bound<'_, Transport>>,
    ) {
        if error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py) {
            self.raised.borrow_mut().get_or_insert(error);
            return;
        }
        if let Err(error) = self.try_report(py, message, error, of) {
            error.write_unraisable(py, None);
        }
    }

    fn try_report(
        &self,
        py: Python<'_>,
        message: &str,
        error: PyErr,
        of: Option<&Bound<'_, Transport>>,
    ) -> PyResult<()> {
        let told = PyDict::new(py);
        told.set_item("message", message)?;
        told.set_item("exception", error.into_value(py))?;
        if let Some(transport) = of {
            told.set_item("transport", transport)?;
            told.set_item("protocol", transport.get().protocol_object(py))?;
        }
        self.event_loop.call_method1(py, "call_exception_handler", (told,)).map(drop)
    }
}

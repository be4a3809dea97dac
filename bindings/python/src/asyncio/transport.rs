//! A connection as asyncio's protocols see it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyType};
use reactor_core::{Conn as LoopConn, ConnId, Handle};

use super::addresses::name_of;
use super::protocol::Protocol;
use super::shared::Shared;
use crate::bytes::with_bytes;
use crate::errors::IntoPyResult;

/// Bytes of unsent output above which a protocol is paused, if nobody says otherwise.
const HIGH: usize = 64 << 10;

/// What asyncio.Transport is, for a connection of the engine's. It belongs to its event loop's thread.
#[pyclass(module = "reactor.asyncio", frozen, dict, weakref)]
pub(crate) struct Transport {
    pub(crate) id: ConnId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: State,
}

/// What changes of it.
pub(crate) struct State {
    /// Always true. Making the object's `__dict__` may run the garbage collector, which then sees the object as it was allocated:
    /// all zeroes.
    made: Cell<bool>,
    /// Nothing is to be said about a write but that it is to be sent.
    pub(crate) plain: Cell<bool>,
    pub(crate) closing: Cell<bool>,
    /// `write_eof` was called.
    pub(crate) ended: Cell<bool>,
    /// `pause_reading` was called.
    pub(crate) paused: Cell<bool>,
    /// `pause_writing` was called, and `resume_writing` not yet.
    pub(crate) protocol_paused: Cell<bool>,
    /// It waits for its output to become less.
    pub(crate) waits: Cell<bool>,
    /// `eof_received` was called, and returned a true value.
    pub(crate) at_eof: Cell<bool>,
    /// `connection_lost` was called, or is about to be.
    pub(crate) lost: Cell<bool>,
    /// The engine has parted with the connection.
    pub(crate) gone: Cell<bool>,
    pub(crate) low: Cell<usize>,
    pub(crate) high: Cell<usize>,
    /// `None` when `connection_lost` has returned.
    pub(crate) protocol: RefCell<Option<Rc<Protocol>>>,
    /// What its callbacks run in.
    pub(crate) context: Py<PyAny>,
    /// Input of a BufferedProtocol that was paused in the middle of it.
    pub(crate) rest: RefCell<Vec<u8>>,
    pub(crate) sockname: RefCell<Option<Py<PyAny>>>,
    pub(crate) peername: RefCell<Option<Py<PyAny>>>,
    /// The socket object that borrows the descriptor, and what users get of it.
    pub(crate) socket: RefCell<Option<(Py<PyAny>, Py<PyAny>)>>,
}

// SAFETY: whoever reaches for what is inside holds the interpreter lock, and this module is declared to need it; no Python code
// runs while anything is borrowed.
unsafe impl Send for State {}
// SAFETY: as above.
unsafe impl Sync for State {}

impl Transport {
    pub(crate) fn new(
        id: ConnId,
        shared: Arc<Shared>,
        protocol: &Bound<'_, PyAny>,
        context: Py<PyAny>,
    ) -> PyResult<Self> {
        let state = State {
            made: Cell::new(true),
            plain: Cell::new(true),
            closing: Cell::new(false),
            ended: Cell::new(false),
            paused: Cell::new(false),
            protocol_paused: Cell::new(false),
            waits: Cell::new(false),
            at_eof: Cell::new(false),
            lost: Cell::new(false),
            gone: Cell::new(false),
            low: Cell::new(HIGH / 4),
            high: Cell::new(HIGH),
            protocol: RefCell::new(Some(Rc::new(Protocol::of(protocol)?))),
            context,
            rest: RefCell::default(),
            sockname: RefCell::default(),
            peername: RefCell::default(),
            socket: RefCell::default(),
        };
        Ok(Transport { id, shared, state })
    }

    pub(crate) fn server(&self) -> &Handle {
        self.shared.server()
    }

    pub(crate) fn protocol(&self) -> Option<Rc<Protocol>> {
        self.state.protocol.borrow().clone()
    }

    pub(crate) fn protocol_object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.protocol.borrow().as_ref().map(|protocol| protocol.object.clone_ref(py))
    }

    /// Whether the engine has nothing to do with it any more.
    pub(crate) fn is_out(&self) -> bool {
        self.state.lost.get() || self.state.gone.get()
    }

    /// The usual write: a few bytes, in a callback. Says whether it was one; if not, nothing was done. Does not panic.
    #[inline]
    pub(crate) fn write_flowing(&self, bytes: &[u8]) -> bool {
        self.state.plain.get() && self.server().write_flowing(self.id.to_u64(), bytes)
    }

    /// Any write.
    pub(crate) fn write_any(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let this = slf.get();
        let bytes_like = with_bytes_like(data, <[u8]>::is_empty)?;
        if this.state.ended.get() {
            return Err(PyRuntimeError::new_err("Cannot call write() after write_eof()"));
        }
        if bytes_like || this.is_out() {
            return Ok(());
        }
        let left = with_bytes_like(data, |bytes| {
            this.shared.with_loop(|server| {
                // One that is refused finds its connection broken, of which the protocol hears next.
                let written = server.write(this.id, bytes).is_ok();
                match written {
                    true => server.send_now(this.id),
                    false => 0,
                }
            })
        })??;
        Self::check_pressure(slf, left);
        Ok(())
    }

    /// Tells the protocol that it writes too much, if so much is left.
    pub(crate) fn check_pressure(slf: &Bound<'_, Self>, left: usize) {
        let this = slf.get();
        if left <= this.state.high.get() || this.state.protocol_paused.replace(true) {
            return;
        }
        Self::wait(slf);
        Self::tell_protocol(slf, "pause_writing");
    }

    /// Calls a method of the protocol that asks for nothing; its failure changes nothing.
    pub(crate) fn tell_protocol(slf: &Bound<'_, Self>, name: &str) {
        let py = slf.py();
        let Some(protocol) = slf.get().protocol_object(py) else { return };
        if let Err(error) = protocol.call_method0(py, name) {
            slf.get().shared.report(py, &format!("protocol.{name}() failed"), error, Some(slf));
        }
    }
}

/// As `with_bytes`, with asyncio's words for what is none.
fn with_bytes_like<T>(data: &Bound<'_, PyAny>, use_bytes: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
    static MEMORYVIEW: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = data.py();
    let view = data.get_type().is(MEMORYVIEW.import(py, "builtins", "memoryview")?);
    let array = data.is_instance_of::<pyo3::types::PyByteArray>() || data.is_instance_of::<PyBytes>();
    if view || array {
        return with_bytes(data, use_bytes);
    }
    let name = data.get_type().name()?;
    Err(PyTypeError::new_err(format!("data argument must be a bytes-like object, not '{name}'")))
}

#[pymethods]
impl Transport {
    /// Writes what is in the list, as one write.
    fn writelines(slf: &Bound<'_, Self>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        let whole = PyBytes::new(slf.py(), b"").call_method1("join", (list_of_data,))?;
        Self::write_any(slf, &whole)
    }

    /// Queues the bytes, and sends what the kernel takes: in a callback at its end, otherwise at once.
    ///
    /// Raises `RuntimeError` after `write_eof` and on another thread than the event loop's; after a close that has nothing left
    /// to send, nothing happens.
    pub(crate) fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write_any(slf, data)
    }

    /// Ends the writing side behind what was written.
    fn write_eof(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.closing.get() || self.state.ended.replace(true) {
            return Ok(());
        }
        self.state.plain.set(false);
        if self.is_out() {
            return Ok(());
        }
        let ended = self.shared.with_loop(|server| server.end(self.id))?;
        // A connection that is broken has ended anyhow.
        let _ = (py, ended.is_ok());
        Ok(())
    }

    /// Whether there is `write_eof`: always.
    #[allow(clippy::unused_self)] // asyncio's name.
    fn can_write_eof(&self) -> bool {
        true
    }

    /// No `data_received` and no `eof_received` until `resume_reading`.
    fn pause_reading(&self) -> PyResult<()> {
        if self.state.closing.get() || self.state.paused.replace(true) || self.is_out() {
            return Ok(());
        }
        // Refused for a connection that is broken, which ends.
        self.shared.with_loop(|server| drop(server.pause(self.id)))
    }

    /// Reading goes on, not inside this call.
    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        if this.state.closing.get() || !this.state.paused.get() {
            return Ok(());
        }
        this.state.paused.set(false);
        if !this.state.rest.borrow().is_empty() || this.state.at_eof.get() {
            return Self::soon(slf, "_go_on");
        }
        match this.is_out() {
            true => Ok(()),
            false => this.shared.with_loop(|server| drop(server.resume(this.id))),
        }
    }

    /// Whether `data_received` can come: not when it is paused or closing.
    fn is_reading(&self) -> bool {
        !self.state.closing.get() && !self.state.paused.get()
    }

    /// Whether it is closed or closing.
    fn is_closing(&self) -> bool {
        self.state.closing.get()
    }

    /// Sends what was written, then closes; `connection_lost` follows.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::begin_close(slf)
    }

    /// Closes at once; `connection_lost` follows. What the kernel has not taken is dropped, and then the peer sees a reset.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::give_up(slf, None)
    }

    /// When `pause_writing` and `resume_writing` are called: above `high` bytes that the kernel has not taken, and at `low`.
    /// The default is 65,536 and a quarter of `high`. Raises `ValueError` unless high >= low >= 0.
    #[pyo3(signature = (high=None, low=None))]
    fn set_write_buffer_limits(
        slf: &Bound<'_, Self>,
        high: Option<isize>,
        low: Option<isize>,
    ) -> PyResult<()> {
        let high = high.unwrap_or_else(|| low.map_or(HIGH as isize, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        let wrong = || PyValueError::new_err(format!("high ({high}) must be >= low ({low}) must be >= 0"));
        let (Ok(high), Ok(low)) = (usize::try_from(high), usize::try_from(low)) else { return Err(wrong()) };
        if high < low {
            return Err(wrong());
        }
        let this = slf.get();
        this.state.high.set(high);
        this.state.low.set(low);
        // A turn's writes of less than that need no look at what is left.
        let plain = high >= HIGH && !this.state.closing.get() && !this.state.ended.get();
        this.state.plain.set(plain && !this.is_out());
        let left = this.get_write_buffer_size();
        Self::check_pressure(slf, left);
        Ok(())
    }

    /// The marks, low and high, in bytes.
    fn get_write_buffer_limits(&self) -> (usize, usize) {
        (self.state.low.get(), self.state.high.get())
    }

    /// Bytes written that the kernel has not taken.
    fn get_write_buffer_size(&self) -> usize {
        match self.is_out() {
            true => 0,
            false => self.shared.with_loop(|server| server.send_now(self.id)).unwrap_or(0),
        }
    }

    /// Gives what comes to another protocol from now on.
    fn set_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let protocol = Rc::new(Protocol::of(protocol)?);
        let before = self.state.protocol.replace(Some(protocol));
        drop(before);
        Ok(())
    }

    /// Who is given what comes; None after `connection_lost`.
    fn get_protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol_object(py)
    }

    /// `socket`, `sockname` or `peername`; the default for anything else.
    #[pyo3(signature = (name, default=None))]
    fn get_extra_info(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        default: Option<Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let Ok(name) = name.cast::<PyString>() else { return Ok(default) };
        Ok(match &*name.to_cow()? {
            "sockname" => self.sockname(py)?.or(default),
            "peername" => self.peername(py)?.or(default),
            "socket" => Some(self.socket(py)?),
            _ => default,
        })
    }

    /// So that `isinstance(transport, asyncio.Transport)` says what is true of all but the memory layout.
    #[getter(__class__)]
    #[allow(clippy::unused_self)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyType>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        CLASS.import(py, "asyncio.transports", "_FlowControlMixin").cloned()
    }

    /// For asyncio's own fallback of `loop.sendfile`.
    #[getter(_loop)]
    fn event_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.shared.event_loop.clone_ref(py)
    }

    #[getter(_protocol_paused)]
    fn is_protocol_paused(&self) -> bool {
        self.state.protocol_paused.get()
    }

    #[pyo3(name = "_go_on")]
    fn go_on_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::go_on(slf)
    }

    #[pyo3(name = "_lose")]
    fn lose_now(slf: &Bound<'_, Self>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        Self::lose(slf, error.as_ref())
    }

    fn __repr__(&self) -> String {
        let state = match (self.state.lost.get() || self.state.gone.get(), self.state.closing.get()) {
            (true, _) => "closed",
            (_, true) => "closing",
            _ => "open",
        };
        format!("<reactor.asyncio.Transport {} {state}>", self.id)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.state.made.get() {
            return Ok(());
        }
        visit.call(&self.state.context)?;
        if let Ok(protocol) = self.state.protocol.try_borrow() {
            protocol.iter().try_for_each(|protocol| protocol.visit(&visit))?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let protocol = self.state.protocol.take();
        drop(protocol);
    }
}

/// What can be asked of it.
impl Transport {
    pub(crate) fn sockname(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(known) = &*self.state.sockname.borrow() {
            return Ok(Some(known.clone_ref(py)));
        }
        let Ok(address) = self.server().local_address(self.id) else { return Ok(None) };
        let name = name_of(py, &address)?;
        drop(self.state.sockname.replace(Some(name.clone_ref(py))));
        Ok(Some(name))
    }

    pub(crate) fn peername(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(known) = &*self.state.peername.borrow() {
            return Ok(Some(known.clone_ref(py)));
        }
        let Ok(address) = self.server().remote_address(self.id) else { return Ok(None) };
        let name = name_of(py, &address)?;
        drop(self.state.peername.replace(Some(name.clone_ref(py))));
        Ok(Some(name))
    }

    fn socket(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static BORROW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if let Some((_, shown)) = &*self.state.socket.borrow() {
            return Ok(shown.clone_ref(py));
        }
        let number = match self.state.gone.get() {
            true => None,
            false => Some(self.server().descriptor(self.id).into_py_result(py)?),
        };
        let borrow = BORROW.import(py, "reactor.asyncio._sockets", "borrow")?;
        let both: (Py<PyAny>, Py<PyAny>) = borrow.call1((number,))?.extract()?;
        let shown = both.1.clone_ref(py);
        drop(self.state.socket.replace(Some(both)));
        Ok(shown)
    }

    /// The engine closes the descriptor next: what is known of it is kept, and nobody uses it any more.
    pub(crate) fn part_with_socket(&self, py: Python<'_>, conn: &LoopConn<'_>) -> PyResult<()> {
        // By its id it is not found any more.
        let names =
            [(&self.state.sockname, conn.local_address()), (&self.state.peername, conn.remote_address())];
        for (known, address) in names {
            let unknown = known.borrow().is_none();
            if let Some(address) = address.ok().filter(|_| unknown) {
                let name = name_of(py, &address)?;
                drop(known.replace(Some(name)));
            }
        }
        let socket = self.state.socket.borrow().as_ref().map(|(socket, _)| socket.clone_ref(py));
        socket.map(|socket| socket.call_method0(py, "detach")).transpose().map(drop)
    }
}

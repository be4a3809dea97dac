//! The server object.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyOverflowError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor_core::{ConnId, Error, ErrorKind, Handle};

use crate::argument::Argument;
use crate::callbacks::Callbacks;
use crate::delivery::PythonDelivery;
use crate::errors::{exception, IntoPyResult};
use crate::exit::{is_ending, Registration};
use crate::options::Options;
use crate::state::State;

/// A server: listeners, event loops, and the handler whose methods they call. Usable from any thread. When
/// the last reference to it is gone it stops, and ends by itself. What a callback starts, a program or a thread, has the
/// signal mask of the thread that started the server. Python's signal handlers run in the main thread, as ever.
///
/// handler: an object with callbacks, such as an instance of a class derived from `Handler`, which describes them. A method
///     on_... that is none of them is an error.
/// hosted: whether another event loop drives the server: asyncio's, by `serve`, or any, by `Hosted`. Then it has one loop and no
///     thread, and callbacks of connections may be `async def`, for asyncio. False, the default: it has threads of its own.
/// loops: event loops, each on a thread of its own, at most 1024. 0, the default: one for each processor that this process
///     may use; or, hosted, one.
/// high_water: bytes of unsent output above which a connection is no longer read, and `Conn.write` returns False. 0, the
///     default: 1 MiB.
/// low_water: bytes of unsent output at which `on_drain` is called and reading resumes. 0, the default: half of high_water.
/// hard_limit: bytes of unsent output that a connection may hold at most; a write beyond it raises `FullError`. 0, the
///     default: 64 MiB.
/// read_budget: bytes read from one connection before the others of its loop have their turn. 0, the default: 256 KiB.
/// linger: seconds that a connection closed by this side waits for the peer to close, too, at most 3600. 0.0, the default: 2
///     seconds. None: it does not wait.
/// look: whether a busy loop polls for a moment before it sleeps: "adaptive", the default, where trials show that it brings
///     the loop more work; or "never".
/// byte_budget: bytes that all connections together may hold: unsent output, unfinished input, datagrams and completions that
///     wait. Above it, whoever holds much and moves little is closed with `CloseReason.OVERFLOW`, and `Server.write` raises
///     `FullError`. 0, the default: a quarter of the memory that this process may use. None: no budget.
/// stall_limit: seconds in which the peer of a connection that is being closed takes none of what is queued, after which it is
///     reset with `CloseReason.TIME_OUT`; at most 3600. 0.0, the default: 30 seconds.
/// keep_on_overflow: whether a connection stays open after a write beyond hard_limit, which raises `FullError`. False, the
///     default: it is closed with `CloseReason.OVERFLOW`.
/// balance: how incoming connections are spread over the loops: "round-robin", the default, each loop in its turn;
///     "least-connections", the loop with the fewest; "random"; "source-hash", by the client's address, so that a client always
///     meets the same loop; or "reuseport", one listening socket for each loop, among which the kernel deals them out.
/// pin: whether each loop's thread is bound to one of the processors that this process may use. False, the default: it is not.
/// max_connections: incoming connections that may be open at once; further ones are closed without a callback. 0, the default:
///     no limit.
/// max_connections_per_address: the same for each client address; Unix sockets do not count. 0, the default: no limit.
/// stop_deadline: seconds that a graceful stop waits for the connections to finish if it does not say itself, at most 3600. 0.0,
///     the default: 30 seconds.
///
/// Raises `InvalidArgumentError` for a value out of range and for a callback that is unknown, `SystemCallError` when
/// descriptors have run out, `TypeError` for an argument that is unknown or of another type.
#[pyclass(module = "reactor", frozen, weakref)]
pub(crate) struct Server {
    pub(crate) handle: Handle,
    /// `None` in an object that only stands for a server, and in one that the garbage collector took apart.
    owned: Mutex<Option<Owned>>,
    /// From the call of start on. Changes only with the interpreter lock held.
    pub(crate) started: AtomicBool,
}

/// What a server object owns.
#[derive(Clone)]
pub(crate) struct Owned {
    pub(crate) core: Arc<reactor_core::Server>,
    pub(crate) state: Arc<State>,
    /// Its place on the list of those that run at the interpreter's end.
    pub(crate) key: u64,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (handler, **options))]
    #[pyo3(
        text_signature = "(handler, *, hosted=False, loops=0, balance=\"round-robin\", pin=False, high_water=0, low_water=0, \
                          hard_limit=0, keep_on_overflow=False, byte_budget=0, read_budget=0, linger=0.0, \
                          stall_limit=0.0, max_connections=0, max_connections_per_address=0, stop_deadline=0.0, \
                          look=\"adaptive\")"
    )]
    fn new(handler: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let Options { config, hosted } = Options::of(handler.py(), options)?;
        let state = Arc::new(State::new(Callbacks::of(handler, hosted)?, hosted, Self::stand_in));
        let registration = Registration::new();
        let key = registration.key();
        let delivery = PythonDelivery::new(Arc::clone(&state), registration);
        let core = reactor_core::Server::delivering(delivery, &config).into_py_result(handler.py())?;
        let handle = core.handle().clone();
        let owned = Mutex::new(Some(Owned { core: Arc::new(core), state, key }));
        Ok(Server { handle, owned, started: AtomicBool::new(false) })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<reactor.Server {}>", py.detach(|| self.handle.addresses()).join(" "))
    }

    /// While loops run they own the handler too: then it is no part of a cycle that may be taken apart.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &*self.lock() {
            Some(Owned { state, .. }) if !self.started.load(Ordering::Acquire) || state.has_ended() => {
                state.visit(&visit)
            }
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.release();
    }
}

impl Server {
    /// An object for callbacks of a server whose own object is being dropped.
    fn stand_in<'py>(py: Python<'py>, handle: &Handle) -> PyResult<Bound<'py, PyAny>> {
        let (handle, owned, started) = (handle.clone(), Mutex::new(None), AtomicBool::new(true));
        Bound::new(py, Server { handle, owned, started }).map(Bound::into_any)
    }

    /// What the object and its loops share.
    pub(crate) fn state(&self, py: Python<'_>) -> PyResult<Arc<State>> {
        self.owned(py).map(|owned| owned.state)
    }

    /// The lock is never held while Python code may run, nor while waiting for the interpreter lock.
    fn lock(&self) -> MutexGuard<'_, Option<Owned>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn owned(&self, py: Python<'_>) -> PyResult<Owned> {
        let gone = || Error::new(ErrorKind::WrongState, "the server object is being dropped");
        self.lock().clone().ok_or_else(|| exception(py, &gone()))
    }

    /// Gives up what the object owns: the server stops. Nobody waits for that in a destructor, which may run anywhere, and when
    /// the interpreter is half gone.
    fn release(&self) {
        // The lock is free again when what was owned goes.
        let owned = self.lock().take();
        if let Some(Owned { core, .. }) = owned {
            // Not while an exception is on its way, which logging would meet, and which says what went wrong.
            Python::try_attach(|py| {
                (!is_ending() && !PyErr::occurred(py)).then(|| core.handle().tell_if_unstarted())
            });
            core.let_go();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release();
    }
}

/// The id in a number. One that never was an id is treated like that of a connection that is gone.
pub(crate) fn conn_id(id: &Bound<'_, PyAny>) -> PyResult<ConnId> {
    let closed = || exception(id.py(), &Error::new(ErrorKind::Closed, format!("connection {id} is closed")));
    match id.extract::<u64>() {
        Ok(number) => ConnId::from_u64(number).ok_or_else(closed),
        Err(error) if error.is_instance_of::<PyOverflowError>(id.py()) => Err(closed()),
        Err(_) => Err(Argument { name: "id", value: id }.no("a connection's id, an integer")),
    }
}

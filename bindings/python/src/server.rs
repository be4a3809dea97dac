//! The server object.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyKeyboardInterrupt, PyOverflowError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyWeakrefReference};
use reactor_core::{ConnId, Error, ErrorKind, Handle};

use crate::callbacks::Callbacks;
use crate::delivery::PythonDelivery;
use crate::errors::{exception, IntoPyResult};
use crate::exit::{register, Registration};
use crate::options::{Count, Options};
use crate::state::State;
use crate::wakeup::Wakeup;

/// A server: listeners, event loops, and the handler whose methods they call. Usable from any thread. When
/// the last reference to it is gone it stops, and ends by itself. What a callback starts, a program or a thread, has the
/// signal mask of the thread that started the server. Python's signal handlers run in the main thread, as ever.
///
/// handler: an object with callbacks, such as an instance of a class derived from `Handler`, which describes them. A method
///     on_... that is none of them is an error.
/// loops: event loops, each on a thread of its own, at most 1024. 0, the default: one for each processor that this process
///     may use.
/// high_water: bytes of unsent output above which a connection is no longer read, and `Conn.write` returns False. 0, the
///     default: 1 MiB.
/// low_water: bytes of unsent output at which `on_drain` is called and reading resumes. 0, the default: half of high_water.
/// hard_limit: bytes of unsent output that a connection may hold at most; a write beyond it raises `FullError`. 0, the
///     default: 64 MiB.
/// read_budget: bytes read from one connection before the others of its loop have their turn. 0, the default: 256 KiB.
/// linger: seconds that a connection closed by this side waits for the peer to close, too. 0.0, the default: 2 seconds.
/// look: whether a busy loop polls for a moment before it sleeps: "adaptive", the default, where trials show that it brings
///     the loop more work; or "never".
/// byte_budget: bytes that all connections together may hold, unsent output and unfinished input. Above it, whoever holds much
///     and moves little is closed with `CloseReason.OVERFLOW`, and `Server.write` raises `FullError`. 0, the default: a quarter
///     of the memory that this process may use.
/// stall_limit: seconds in which the peer of a connection that is being closed takes none of what is queued, after which it is
///     reset with `CloseReason.TIME_OUT`. 0.0, the default: 30 seconds.
/// keep_on_overflow: whether a connection stays open after a write beyond hard_limit, which raises `FullError`. False, the
///     default: it is closed with `CloseReason.OVERFLOW`.
///
/// Raises `InvalidArgumentError` for a value out of range and for a callback that is unknown, `SystemCallError` when
/// descriptors have run out, `TypeError` for an argument that is unknown or of another type.
#[pyclass(module = "reactor", frozen, weakref)]
pub(crate) struct Server {
    pub(crate) handle: Handle,
    /// `None` in an object that only stands for a server, and in one that the garbage collector took apart.
    owned: Mutex<Option<Owned>>,
    /// From the call of start on. Changes only with the interpreter lock held.
    started: AtomicBool,
}

/// What a server object owns.
#[derive(Clone)]
struct Owned {
    core: Arc<reactor_core::Server>,
    state: Arc<State>,
    /// Its place on the list of those that run at the interpreter's end.
    key: u64,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (handler, *, loops=Count::DEFAULT, high_water=Count::DEFAULT, low_water=Count::DEFAULT,
                        hard_limit=Count::DEFAULT, read_budget=Count::DEFAULT, linger=0.0, look="adaptive".to_owned(),
                        byte_budget=Count::DEFAULT, stall_limit=0.0, keep_on_overflow=false, **unknown))]
    #[pyo3(text_signature = "(handler, *, loops=0, high_water=0, low_water=0, hard_limit=0, read_budget=0, \
                          linger=0.0, look=\"adaptive\", byte_budget=0, stall_limit=0.0, keep_on_overflow=False)")]
    #[allow(clippy::too_many_arguments)] // One for each keyword.
    fn new(
        handler: &Bound<'_, PyAny>,
        loops: Count,
        high_water: Count,
        low_water: Count,
        hard_limit: Count,
        read_budget: Count,
        linger: f64,
        look: String,
        byte_budget: Count,
        stall_limit: f64,
        keep_on_overflow: bool,
        unknown: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        refuse_unknown(unknown)?;
        let options = Options {
            loops,
            high_water,
            low_water,
            hard_limit,
            byte_budget,
            read_budget,
            linger,
            stall_limit,
            keep_on_overflow,
            look,
        };
        let config = options.config().into_py_result(handler.py())?;
        let state = Arc::new(State::new(Callbacks::of(handler)?, Self::stand_in));
        let registration = Registration::new();
        let key = registration.key();
        let delivery = PythonDelivery::new(Arc::clone(&state), registration);
        let core = reactor_core::Server::delivering(delivery, &config).into_py_result(handler.py())?;
        let handle = core.handle().clone();
        let owned = Mutex::new(Some(Owned { core: Arc::new(core), state, key }));
        Ok(Server { handle, owned, started: AtomicBool::new(false) })
    }

    /// Binds and listens at `[scheme://]address[?option=value&...]` and returns the address really bound.
    ///
    /// Options: reuseport=BOOL, backlog=N, nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]] in seconds,
    /// rcvbuf=N and sndbuf=N in bytes, device=NAME, ipv6only=BOOL, mode=OCTAL of a Unix socket's path,
    /// shared=BOOL (other processes accept from the socket, too, so that a stop does not end the listening), for UDP
    /// datagram=N in bytes, broadcast=BOOL and join=GROUP[@INTERFACE]; and of each connection the time-outs idle=MS, read=MS and
    /// write=MS, in milliseconds, half_open=BOOL, framing=FRAMING. BOOL is true or false. FRAMING is line,
    /// fixed:LENGTH, delimiter:BYTES (any byte as % and two hexadecimal digits: delimiter:%0D%0A) or length:WIDTH
    /// (1, 2, 3, 4, 8 or varint); behind it, after commas, max_frame=N; of lines and delimiters keep_delimiter=BOOL,
    /// deliver_rest=BOOL, and of delimiters or=BYTES for each further one; of a length field order=big|little,
    /// offset=N, adjustment=N, strip=N|header. With a framing each on_data has one whole frame.
    ///
    /// Raises `InvalidAddressError`, which says what options there are, or what form one has; `AddressInUseError`,
    /// `SystemCallError`, or once the server stops `WrongStateError`.
    fn listen(&self, url: &Bound<'_, PyAny>) -> PyResult<String> {
        let py = url.py();
        let url = url.cast::<PyString>().map_err(|_| no_url(url))?;
        let core = self.owned(py)?.core;
        let text = url.to_cow().map_err(|_| not_unicode(url))?;
        py.detach(|| core.listen(&text)).into_py_result(py)
    }

    /// Calls `on_start` on this thread, then starts the loops and returns. A server can be started once.
    /// Raises `StoppedError` if on_start returned STOP or stop was called before, `HandlerFailedError` if
    /// on_start raised an `Exception` (`KeyboardInterrupt` and its kin are raised on), `SystemCallError`, or
    /// if it was started before, or the interpreter ends, `WrongStateError`.
    fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Owned { core, state, key } = this.owned(py)?;
        if this.handle.loops() == 0 && !register(key, this.handle.clone()) {
            let ends = Error::new(ErrorKind::WrongState, "cannot start: the interpreter ends");
            return Err(exception(py, &ends));
        }
        state.set_server(&PyWeakrefReference::new(slf)?);
        this.started.store(true, Ordering::Release);
        let result = py.detach(|| core.start());
        this.started.store(this.handle.loops() > 0, Ordering::Release);
        result.map_err(|error| state.start_error(py, &error))
    }

    /// Starts, and waits until the server has stopped; in the main thread signals are handled meanwhile.
    /// Ctrl-C (`KeyboardInterrupt`) stops the server and makes this return; another exception of a signal
    /// handler stops it and is raised on. A callback's `KeyboardInterrupt` counts as Ctrl-C, and its `sys.exit()`
    /// stops the server and is raised here. Raises what `start` and `wait` raise.
    fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        // Before the start: one that nobody can wait for would go on running.
        reactor_core::Server::check_thread().into_py_result(py)?;
        Self::start(slf)?;
        let Err(error) = this.wait(py) else { return Ok(()) };
        this.handle.stop();
        // A second Ctrl-C ends the waiting, too.
        this.wait(py)?;
        match error.is_instance_of::<PyKeyboardInterrupt>(py) {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Blocks until the server has stopped, on_stop has returned and its threads have ended. An exception of
    /// a signal handler, such as `KeyboardInterrupt`, is raised on; the server keeps running. What a callback
    /// raised to end the program, by `sys.exit()` or as `KeyboardInterrupt`, stopped the server and is raised here, once. Raises
    /// `WrongThreadError` in a callback, `WrongStateError` if the server was not started.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let Owned { core, state, .. } = self.owned(py)?;
        let Some(signals) = Wakeup::begin(py)? else {
            // Signals are handled in the main thread.
            py.detach(|| core.wait()).into_py_result(py)?;
            return state.take_exit(py).map_or(Ok(()), Err);
        };
        let waited = loop {
            // Before the wait: from here on a signal ends it, whichever thread it interrupts.
            if let Err(raised) = py.check_signals() {
                break Err(raised);
            }
            match py.detach(|| core.wait_or_readable(signals.as_fd())).into_py_result(py) {
                Ok(true) => break Ok(()),
                Ok(false) => signals.drain(py),
                Err(error) => break Err(error),
            }
        };
        signals.end(py);
        waited.and_then(|()| state.take_exit(py).map_or(Ok(()), Err))
    }

    /// Asks the server to stop: connections are closed with `CloseReason.SHUTDOWN`. Asynchronous, usable from
    /// any thread and callback, may be repeated; before the start, the start is refused.
    fn stop(&self) {
        self.handle.stop();
    }

    /// The addresses really bound, as URLs without a query, in the order of the listen calls.
    #[getter]
    fn addresses(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.handle.addresses())
    }

    /// The number of event loops; 0 before the start.
    #[getter]
    fn loops(&self) -> usize {
        self.handle.loops()
    }

    /// Connections that are open, those being closed included.
    #[getter]
    fn connections(&self) -> usize {
        self.handle.connections()
    }

    /// Bytes written to connections and not yet taken by the kernel.
    #[getter]
    fn queued_bytes(&self) -> usize {
        self.handle.queued_bytes()
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Stops the server and waits for it, if it was started.
    #[pyo3(signature = (*_exc_info))]
    fn __exit__(&self, py: Python<'_>, _exc_info: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.handle.stop();
        match self.handle.loops() {
            0 => Ok(()),
            _ => self.wait(py),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<reactor.Server {}>", self.addresses(py).join(" "))
    }

    /// While loops run they own the handler too: then it is no part of a cycle that may be taken apart.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &*self.lock() {
            Some(Owned { state, .. }) if !self.started.load(Ordering::Acquire) || state.has_ended() => {
                state.callbacks.visit(&visit)
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

    /// The lock is never held while Python code may run, nor while waiting for the interpreter lock.
    fn lock(&self) -> MutexGuard<'_, Option<Owned>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owned(&self, py: Python<'_>) -> PyResult<Owned> {
        let gone = || Error::new(ErrorKind::WrongState, "the server object is being dropped");
        self.lock().clone().ok_or_else(|| exception(py, &gone()))
    }

    /// What the object and its loops share.
    pub(crate) fn state(&self, py: Python<'_>) -> PyResult<Arc<State>> {
        self.owned(py).map(|owned| owned.state)
    }

    /// Gives up what the object owns: the server stops. Nobody waits for that in a destructor, which may run anywhere, and when
    /// the interpreter is half gone.
    fn release(&self) {
        if let Some(Owned { core, .. }) = self.lock().take() {
            core.let_go();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release();
    }
}

/// The error for what is no text, such as a pair of host and port.
fn no_url(url: &Bound<'_, PyAny>) -> PyErr {
    let quoted = url.repr().map_or_else(|_| "this".to_owned(), |quoted| quoted.to_string());
    let forms = "\"tcp://127.0.0.1:5000\", \"tcp://:5000\" for all addresses, or \"unix:///path\"";
    PyTypeError::new_err(format!("the url has to be a string, such as {forms}, not {quoted}"))
}

/// The error for arguments that the constructor does not have.
fn refuse_unknown(unknown: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    let Some(name) = unknown.and_then(|unknown| unknown.keys().iter().next()) else { return Ok(()) };
    let known = Options::NAMES.join(", ");
    let text = format!("Server() got an unexpected keyword argument {} (known: {known})", name.repr()?);
    Err(PyTypeError::new_err(text))
}

/// The error for a URL with surrogates in it, as they come from command lines.
fn not_unicode(url: &Bound<'_, PyString>) -> PyErr {
    match url.repr() {
        Ok(quoted) => {
            let message = format!("invalid address {quoted}: it is not valid Unicode");
            exception(url.py(), &Error::new(ErrorKind::InvalidAddress, message))
        }
        Err(error) => error,
    }
}

/// The id in a number. One that never was an id is treated like that of a connection that is gone.
pub(crate) fn conn_id(id: &Bound<'_, PyAny>) -> PyResult<ConnId> {
    let closed = || exception(id.py(), &Error::new(ErrorKind::Closed, format!("connection {id} is closed")));
    match id.extract::<u64>() {
        Ok(number) => ConnId::from_u64(number).ok_or_else(closed),
        Err(error) if error.is_instance_of::<PyOverflowError>(id.py()) => Err(closed()),
        Err(error) => Err(error),
    }
}

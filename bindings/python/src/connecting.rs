//! Connections that this side makes, or is given.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt};
use reactor_core::binding::Terms;
use reactor_core::{ConnId, ConnectOptions, Error};

use crate::argument::{invalid, is_integer, Argument};
use crate::errors::{exception, IntoPyResult};
use crate::listening::url_text;
use crate::server::Server;
use crate::state::State;
use crate::terms::{terms, Subject};

#[pymethods]
impl Server {
    /// Connects to `[scheme://]address[?option=value&...]` and returns the connection's id at once. The callbacks are those of
    /// every connection: `on_open` when it is made; or if that fails `on_close` alone, with `CloseReason.CONNECT_FAILED` or
    /// `TIME_OUT`. What is written by the id before that is queued, but not over UDP. Usable on any thread; it never blocks.
    ///
    /// The schemes are tcp, also without a scheme, tcp4, tcp6, udp, udp4, udp6 and unix. A name is looked up, and its addresses
    /// are tried as RFC 8305 says: the next is begun when one fails or has been silent for 250 ms. Options stand in the query,
    /// where they win, or are arguments of this call, whose names are given in brackets where they are others. None, the
    /// default of each, asks for nothing.
    ///
    /// timeout: seconds that looking up the name and connecting may take together. Default: 30. None: for ever. It is no option
    ///     of the query, and neither are the next two.
    /// loop: the loop that the connection lives on, from 0. Default: the calling loop, or else each in its turn.
    /// context: what `Conn.context` is from the beginning. Default: None.
    ///
    /// nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N [recv_buffer], sndbuf=N [send_buffer], device=NAME,
    /// broadcast=BOOL, idle=MS, read=MS, write=MS, half_open=BOOL, framing=FRAMING: as `listen` has them.
    /// bind=IP[:PORT]: the local address to connect from (tcp, udp). Default: the system's choice.
    ///
    /// Raises `InvalidAddressError`; `InvalidArgumentError` and `TypeError` for an argument, by its name, and for a loop that
    /// there is not; `WrongStateError` before the start and after a stop.
    #[pyo3(signature = (url, **options))]
    #[pyo3(
        text_signature = "($self, url, *, timeout=30.0, loop=None, context=None, nodelay=None, keepalive=None, \
                          recv_buffer=None, send_buffer=None, device=None, broadcast=None, bind=None, idle=None, \
                          read=None, write=None, half_open=None, framing=None)"
    )]
    fn connect(&self, url: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<u64> {
        let (py, text) = (url.py(), url_text(url)?);
        let mut own = Own::default();
        let terms =
            terms("connect", Subject::Connect, options, Own::OF_CONNECT, |argument| own.take(argument))?;
        let state = self.state(py)?;
        let id = self.handle.connect_on(&text, &terms, own.options(&terms)).into_py_result(py)?;
        self.give_context(id, own.context, &state);
        Ok(id.to_u64())
    }

    /// Gives a connected TCP or Unix stream to the engine, which owns its descriptor from then on, and returns the connection's
    /// id; `on_open` follows. Usable on any thread.
    ///
    /// socket: a `socket.socket`, which is detached by this and has no descriptor afterwards, or the number of a descriptor. If
    ///     this raises, it stays yours.
    /// loop, context, idle, read, write, half_open and framing: as `connect` has them.
    ///
    /// Raises `InvalidArgumentError` if it is no connected stream socket, `TypeError` for a socket with TLS, whose plaintext is
    /// not the descriptor's, `SystemCallError`, and otherwise what `connect` raises.
    #[pyo3(signature = (socket, **options))]
    #[pyo3(text_signature = "($self, socket, *, loop=None, context=None, idle=None, read=None, write=None, \
                          half_open=None, framing=None)")]
    fn enroll(&self, socket: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<u64> {
        let py = socket.py();
        let mut own = Own::default();
        let terms = terms("enroll", Subject::Conn, options, Own::OF_ENROLL, |argument| own.take(argument))?;
        let number = descriptor(socket)?;
        let (state, copied) = (self.state(py)?, copy(py, number)?);
        let id = self.handle.enroll(copied, own.options(&terms)).into_py_result(py)?;
        self.give_context(id, own.context, &state);
        let_go(socket)?;
        Ok(id.to_u64())
    }
}

impl Server {
    /// Gives a connection its context, before its loop can tell anything of it: that takes the interpreter's lock, which nothing
    /// here gives up. Making an object could: the garbage collector may run then, and so any code.
    fn give_context(&self, id: ConnId, context: Option<Bound<'_, PyAny>>, state: &State) {
        context.into_iter().for_each(|context| state.conns.expect_context(id, context));
    }
}

/// The arguments that are no options of the table.
struct Own<'py> {
    timeout: Duration,
    on_loop: Option<usize>,
    context: Option<Bound<'py, PyAny>>,
}

impl Default for Own<'_> {
    fn default() -> Self {
        Own { timeout: ConnectOptions::DEFAULT_TIMEOUT, on_loop: None, context: None }
    }
}

impl<'py> Own<'py> {
    const OF_CONNECT: &'static [&'static str] = &["timeout", "loop", "context"];
    const OF_ENROLL: &'static [&'static str] = &["loop", "context"];

    fn take(&mut self, argument: Argument<'_, 'py>) -> PyResult<()> {
        match argument.name {
            "timeout" => self.timeout = timeout(argument)?,
            "loop" if argument.value.is_none() => self.on_loop = None,
            "loop" => self.on_loop = Some(argument.count(usize::MAX)?),
            _ => self.context = Some(argument.value.clone()).filter(|value| !value.is_none()),
        }
        Ok(())
    }

    fn options(&self, terms: &Terms) -> ConnectOptions {
        let (conn, timeout, on_loop) = (terms.conns().clone(), self.timeout, self.on_loop);
        ConnectOptions { conn, timeout, on_loop, ..ConnectOptions::default() }
    }
}

/// Zero is the engine's word for its default, and so it is nobody's time-out.
fn timeout(argument: Argument<'_, '_>) -> PyResult<Duration> {
    if argument.value.is_none() {
        return Ok(Duration::MAX);
    }
    let timeout = argument.seconds()?;
    match timeout.is_zero() {
        true => Err(argument.outside("a number of seconds above 0, or None for ever")),
        false => Ok(timeout),
    }
}

/// The number of the descriptor that a program gives away.
fn descriptor(socket: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    if is_integer(socket) {
        let number = socket.extract::<RawFd>().ok().filter(|number| *number >= 0);
        return number.ok_or_else(|| invalid(socket.py(), format!("{socket} is not a descriptor's number")));
    }
    let class = socket.py().import("socket")?.getattr("socket")?;
    let wrong =
        |why: &str| Err(PyTypeError::new_err(format!("socket must be {why}, not {}", socket.repr()?)));
    if !socket.is_instance(&class)? {
        return wrong("a socket.socket, or the number of a descriptor");
    }
    // What TLS has read and not handed out, and its keys, would be lost.
    if socket.hasattr("server_hostname")? {
        return wrong("a plain socket");
    }
    match socket.call_method0("fileno")?.extract::<RawFd>()? {
        number @ 0.. => Ok(number),
        _ => Err(invalid(socket.py(), "the socket is closed".to_owned())),
    }
}

/// Another descriptor of the same socket: the program keeps its own until the engine has taken this one.
fn copy(py: Python<'_>, number: RawFd) -> PyResult<OwnedFd> {
    let failed = |error: io::Error| {
        let error = Error::system(format_args!("cannot enroll the descriptor {number}"), &error);
        match error.errno() {
            Some(libc::EBADF) => invalid(py, error.message().to_owned()),
            _ => exception(py, &error),
        }
    };
    // SAFETY: it is only copied. Whether the number is one's at all, the system says.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    borrowed.try_clone_to_owned().map_err(failed)
}

/// Parts with the program's own descriptor.
fn let_go(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = socket.py();
    let number = match socket.is_instance_of::<PyInt>() {
        true => socket.clone(),
        false => socket.call_method0("detach")?,
    };
    py.import("os")?.call_method1("close", (number,)).map(drop)
}

//! Writing to a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use reactor_core::binding::Complete;
use reactor_core::{Completed, ConnId, Error, ErrorKind, Handle, Pressure};

use crate::argument::Argument;
use crate::bytes::{with_bytes, Gathered};
use crate::conn::Conn;
use crate::errors::{exception, IntoPyResult};
use crate::state::State;

impl Conn {
    /// The usual write: a few bytes, in a callback of its loop's. Says whether they were queued; if not, nothing was
    /// done. Does not panic.
    #[inline]
    pub(crate) fn write_flowing(&self, bytes: &[u8]) -> bool {
        self.handle().write_flowing(self.id(), bytes)
    }

    /// The same for a frame.
    #[inline]
    pub(crate) fn write_frame_flowing(&self, payload: &[u8]) -> bool {
        self.handle().write_frame_flowing(self.id(), payload)
    }
}

#[pymethods]
impl Conn {
    /// Queues a copy of the bytes. True: go on. False: they are accepted, but the queue is above the
    /// high-water mark, so wait for `on_drain`. Never blocks; usable on any thread. In `on_datagram` it answers the sender.
    ///
    /// on_complete: called exactly once if the write is accepted, on the connection's loop and never from inside the call: with
    ///     True after the kernel took the last byte, which does not say that the peer has it; or with False before `on_close` and
    ///     `on_detach` if it did not. No `async def`: nobody would await it.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, `FullError` if the queue would exceed the
    /// hard limit, which closes the connection unless `keep_on_overflow` is set, or the server its byte budget;
    /// `UnsupportedError` for a UDP endpoint outside the callback of a datagram.
    #[pyo3(signature = (data, *, on_complete=None))]
    pub(crate) fn write(
        &self,
        data: &Bound<'_, PyAny>,
        on_complete: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        match on_complete {
            None => write(self.handle(), self.conn_id(), data),
            Some(function) => write_then(
                &self.state(data.py())?,
                self.handle(),
                self.conn_id(),
                &Gathered::one(data)?,
                function,
            ),
        }
    }

    /// Queues several bytes-like objects, in order, as one write: what other threads write does not come between.
    /// Otherwise as `write`.
    #[pyo3(signature = (lines, *, on_complete=None))]
    fn writelines(&self, lines: &Bound<'_, PyAny>, on_complete: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        match on_complete {
            None => writelines(self.handle(), self.conn_id(), lines),
            Some(function) => write_then(
                &self.state(lines.py())?,
                self.handle(),
                self.conn_id(),
                &Gathered::of(lines)?,
                function,
            ),
        }
    }

    /// Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter behind. Otherwise
    /// as `write`.
    ///
    /// Raises what `write` raises; `InvalidArgumentError` also if the connection has no framing, or one of the program's own, or
    /// the payload does not fit it.
    pub(crate) fn write_frame(&self, payload: &Bound<'_, PyAny>) -> PyResult<bool> {
        write_frame(self.handle(), self.conn_id(), payload)
    }

    /// Sends a datagram from a UDP endpoint to any address: "127.0.0.1:5000", "[::1]:5000", or a pair of host and port. The
    /// host is an IP address: names are not looked up. Otherwise as `write`.
    ///
    /// Raises what `write` raises; `InvalidArgumentError` for what is no such address, and more bytes than a datagram can have;
    /// `UnsupportedError` for a connection.
    fn send_to(&self, address: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        send_to(self.handle(), self.conn_id(), address, data)
    }
}

fn goes_on(pressure: Pressure) -> bool {
    pressure == Pressure::Low
}

/// Writes to a connection; true if the writer may go on.
pub(crate) fn write(server: &Handle, id: ConnId, data: &Bound<'_, PyAny>) -> PyResult<bool> {
    with_bytes(data, |bytes| server.write(id, bytes))?.into_py_result(data.py()).map(goes_on)
}

pub(crate) fn writelines(server: &Handle, id: ConnId, lines: &Bound<'_, PyAny>) -> PyResult<bool> {
    let written = Gathered::of(lines)?.with(|slices| server.write_gathered(id, slices));
    written.into_py_result(lines.py()).map(goes_on)
}

pub(crate) fn write_frame(server: &Handle, id: ConnId, payload: &Bound<'_, PyAny>) -> PyResult<bool> {
    with_bytes(payload, |bytes| server.write_frame(id, bytes))?.into_py_result(payload.py()).map(goes_on)
}

pub(crate) fn send_to(
    server: &Handle,
    id: ConnId,
    address: &Bound<'_, PyAny>,
    data: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let to = socket_address(address)?;
    with_bytes(data, |bytes| server.send_to(id, to, bytes))?.into_py_result(data.py()).map(goes_on)
}

/// Writes, and calls the function when that is over.
pub(crate) fn write_then(
    state: &Arc<State>,
    server: &Handle,
    id: ConnId,
    bytes: &Gathered<'_>,
    function: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let py = function.py();
    let function = Argument { name: "on_complete", value: function }.function()?;
    let completion = Completion { state: Arc::downgrade(state), server: server.clone(), id, function };
    let written = bytes.with(|slices| server.write_completing(id, slices, Box::new(completion)));
    written.into_py_result(py).map(goes_on)
}

/// What a function takes that is made for one write, in bytes: a closure over three variables with a number of its own, a bound
/// method of an object with a future. One that is there anyway counts for as much: nobody can tell.
const FUNCTION: usize = 384;

/// A function of the program's, for the end of a write.
struct Completion {
    state: Weak<State>,
    server: Handle,
    id: ConnId,
    function: Py<PyAny>,
}

impl Complete for Completion {
    fn call(self: Box<Self>, completed: Completed) {
        let Completion { state, server, id, function } = *self;
        Python::attach(|py| {
            let called = function.into_bound(py).call1((completed == Completed::Sent,));
            if let (Err(error), Some(state)) = (called, state.upgrade()) {
                let conn = state.conns.get(py, id);
                state.failed(py, &server, &state.callbacks.on_complete, conn.as_ref(), error);
            }
        });
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + FUNCTION
    }
}

/// An IP address and port, as text or as the socket module has them.
pub(crate) fn socket_address(given: &Bound<'_, PyAny>) -> PyResult<SocketAddr> {
    let wrong = || match given.repr() {
        Ok(quoted) => {
            let text = format!(
                "cannot send a datagram to {quoted}: an address is such as \"127.0.0.1:5000\", \"[::1]:5000\" or \
                 (\"127.0.0.1\", 5000)"
            );
            exception(given.py(), &Error::new(ErrorKind::InvalidArgument, text))
        }
        Err(error) => error,
    };
    if let Ok(text) = given.cast::<PyString>() {
        return text.to_cow().ok().and_then(|text| text.parse().ok()).ok_or_else(wrong);
    }
    let pair = given.cast::<PyTuple>().map_err(|_| wrong())?;
    let host = pair.get_item(0).and_then(|host| host.extract::<String>()).map_err(|_| wrong())?;
    let port = pair.get_item(1).and_then(|port| port.extract::<u16>()).map_err(|_| wrong())?;
    let mut address = SocketAddr::new(host.parse::<IpAddr>().map_err(|_| wrong())?, port);
    if let (SocketAddr::V6(v6), 4) = (&mut address, pair.len()) {
        v6.set_flowinfo(pair.get_item(2)?.extract()?);
        v6.set_scope_id(pair.get_item(3)?.extract()?);
    }
    Ok(address)
}

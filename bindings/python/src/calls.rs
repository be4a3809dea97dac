//! Calls on connections by their ids, from any thread.

use pyo3::prelude::*;

use crate::bytes::Gathered;
use crate::conn::Conn;
use crate::errors::IntoPyResult;
use crate::server::{conn_id, Server};
use crate::{looking, steering, writing};

#[pymethods]
impl Server {
    /// The object of a connection by its id, which has every call on it: the one that callbacks are given.
    ///
    /// Raises `ClosedError` if the connection is gone, or belongs to another server.
    fn conn<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Conn>> {
        let py = id.py();
        self.state(py)?.conn(py, &self.handle, conn_id(id)?)
    }

    /// Writes to a connection by its id, like `Conn.write`.
    #[pyo3(signature = (id, data, *, on_complete=None))]
    fn write(
        &self,
        id: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        on_complete: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        match on_complete {
            None => writing::write(&self.handle, conn_id(id)?, data),
            Some(function) => {
                let (state, bytes) = (self.state(id.py())?, Gathered::one(data)?);
                writing::write_then(&state, &self.handle, conn_id(id)?, &bytes, function)
            }
        }
    }

    /// Writes several bytes-like objects as one write to a connection by its id, like `Conn.writelines`.
    #[pyo3(signature = (id, lines, *, on_complete=None))]
    fn writelines(
        &self,
        id: &Bound<'_, PyAny>,
        lines: &Bound<'_, PyAny>,
        on_complete: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        match on_complete {
            None => writing::writelines(&self.handle, conn_id(id)?, lines),
            Some(function) => {
                let (state, bytes) = (self.state(id.py())?, Gathered::of(lines)?);
                writing::write_then(&state, &self.handle, conn_id(id)?, &bytes, function)
            }
        }
    }

    /// Writes a frame to a connection by its id, like `Conn.write_frame`.
    fn write_frame(&self, id: &Bound<'_, PyAny>, payload: &Bound<'_, PyAny>) -> PyResult<bool> {
        writing::write_frame(&self.handle, conn_id(id)?, payload)
    }

    /// Sends a datagram from a UDP endpoint by its id, like `Conn.send_to`.
    fn send_to(
        &self,
        id: &Bound<'_, PyAny>,
        address: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        writing::send_to(&self.handle, conn_id(id)?, address, data)
    }

    /// Shuts the writing side of a connection down by its id, like `Conn.end`.
    fn end(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.end(conn_id(id)?).into_py_result(id.py())
    }

    /// Closes a connection by its id, like `Conn.close`.
    fn close(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.end_by(id, reactor_core::Handle::close)
    }

    /// Resets a connection by its id, like `Conn.abort`.
    fn abort(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.end_by(id, reactor_core::Handle::abort)
    }

    /// Takes a connection out of the engine by its id, like `Conn.detach`.
    fn detach(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.detach(conn_id(id)?).into_py_result(id.py())
    }

    /// Has `on_wake` called for a connection by its id, like `Conn.wake`.
    fn wake(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.wake(conn_id(id)?).into_py_result(id.py())
    }

    /// Stops reading a connection by its id, like `Conn.pause`.
    fn pause(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.pause(conn_id(id)?).into_py_result(id.py())
    }

    /// Reads a connection again by its id, like `Conn.resume`.
    fn resume(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.resume(conn_id(id)?).into_py_result(id.py())
    }

    /// Holds a connection by its id, like `Conn.hold`.
    fn hold(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.hold(conn_id(id)?).into_py_result(id.py())
    }

    /// Takes a hold back by the connection's id, like `Conn.release`.
    #[pyo3(name = "release")]
    fn release_conn(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        self.handle.release(conn_id(id)?).into_py_result(id.py())
    }

    /// Has a function called on the loop of a connection by its id, like `Conn.run_on_loop`.
    fn run_on_conn(&self, id: &Bound<'_, PyAny>, function: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = id.py();
        let state = self.state(py)?;
        let conn = state.conn(py, &self.handle, conn_id(id)?)?;
        steering::run_on_loop(&state, &conn, function)
    }

    /// What can be read of a connection by its id, like `Conn.info`.
    fn info<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        looking::info(id.py(), &self.handle, conn_id(id)?)
    }

    /// The peer's address of a connection by its id, like `Conn.remote_address`.
    fn remote_address(&self, id: &Bound<'_, PyAny>) -> PyResult<String> {
        looking::remote_address(id.py(), &self.handle, conn_id(id)?)
    }

    /// The address of this side of a connection by its id, like `Conn.local_address`.
    fn local_address(&self, id: &Bound<'_, PyAny>) -> PyResult<String> {
        looking::local_address(id.py(), &self.handle, conn_id(id)?)
    }
}

impl Server {
    /// Closes or resets a connection, whose object is told.
    fn end_by(
        &self,
        id: &Bound<'_, PyAny>,
        call: fn(&reactor_core::Handle, reactor_core::ConnId) -> reactor_core::Result<()>,
    ) -> PyResult<()> {
        let (py, id) = (id.py(), conn_id(id)?);
        match self.state(py).ok().and_then(|state| state.conns.get(py, id)) {
            Some(conn) => conn.get().end_by(py, call),
            None => call(&self.handle, id).into_py_result(py),
        }
    }
}

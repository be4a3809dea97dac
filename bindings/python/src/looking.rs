//! What can be asked of a connection.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use reactor_core::{Conn as LoopConn, ConnId, ErrorKind, Handle, Result};

use crate::conn::Conn;
use crate::errors::IntoPyResult;
use crate::made::named_tuple;

#[pymethods]
impl Conn {
    /// The peer's address: "127.0.0.1:5000", "[::1]:5000", "[fe80::1%2]:5000", "/run/x.sock", "@name", or "" for an unnamed one.
    /// On the connection's loop in `on_close`, too: that of an outgoing connection which could not be made is the last that was
    /// tried.
    ///
    /// Raises `ClosedError` if the connection is gone, `SystemCallError` if the socket has no peer.
    #[getter]
    fn remote_address(&self, py: Python<'_>) -> PyResult<String> {
        remote_address(py, self.handle(), self.conn_id())
    }

    /// The address of this side; otherwise as `remote_address`. An outgoing connection which could not be made may have none in
    /// `on_close`.
    #[getter]
    fn local_address(&self, py: Python<'_>) -> PyResult<String> {
        local_address(py, self.handle(), self.conn_id())
    }

    /// Who is at the other end of a Unix connection, as it was when it connected: a `Credentials`.
    ///
    /// Raises `ClosedError` if the connection is gone, `SystemCallError` if it is no Unix socket.
    #[getter]
    fn peer_credentials<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        peer_credentials(py, self.handle(), self.conn_id())
    }

    /// What can be read of the connection now: a `ConnInfo`. On the connection's loop in `on_close` and `on_detach`, too.
    ///
    /// Raises `ClosedError` if the connection is gone.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        info(py, self.handle(), self.conn_id())
    }
}

/// Asks the connection as its callbacks do, which know more of one that is leaving; elsewhere by its id.
fn ask<T>(
    server: &Handle,
    id: ConnId,
    own: impl FnOnce(&LoopConn<'_>) -> Result<T>,
    by_id: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match server.with_conn(id, own) {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::WrongThread => by_id(),
        Err(error) => Err(error),
    }
}

pub(crate) fn remote_address(py: Python<'_>, server: &Handle, id: ConnId) -> PyResult<String> {
    let address = ask(server, id, |conn| conn.remote_address(), || server.remote_address(id));
    address.into_py_result(py).map(|address| address.to_string())
}

pub(crate) fn local_address(py: Python<'_>, server: &Handle, id: ConnId) -> PyResult<String> {
    let address = ask(server, id, |conn| conn.local_address(), || server.local_address(id));
    address.into_py_result(py).map(|address| address.to_string())
}

pub(crate) fn peer_credentials<'py>(
    py: Python<'py>,
    server: &Handle,
    id: ConnId,
) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let who = server.peer_credentials(id).into_py_result(py)?;
    named_tuple(CLASS.import(py, "reactor._types", "Credentials")?, (who.pid, who.uid, who.gid))
}

pub(crate) fn info<'py>(py: Python<'py>, server: &Handle, id: ConnId) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let info = ask(server, id, |conn| conn.info(), || server.info(id)).into_py_result(py)?;
    let listener = info.listener.map(|listener| listener.to_u32());
    let members = (listener, info.on_loop, info.age.as_secs_f64(), info.received, info.sent, info.queued);
    named_tuple(CLASS.import(py, "reactor._types", "ConnInfo")?, members)
}

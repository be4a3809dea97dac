//! Options of a connection's socket.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};
use reactor_core::{Error, ErrorKind, KeepAlive, Multicast, SocketOption};

use crate::argument::Argument;
use crate::conn::Conn;
use crate::errors::{exception, IntoPyResult};

#[pymethods]
impl Conn {
    /// Sets options of the connection's socket, at once; what is None stays as it is.
    ///
    /// nodelay: whether small writes leave at once (TCP_NODELAY). TCP.
    /// keepalive: whether the kernel probes a silent connection: True, False, or the seconds of silence before the first probe; or
    ///     these, the seconds between probes and the number of unanswered probes that end it, as a tuple of up to three, in which
    ///     0 is the system's default. TCP.
    /// recv_buffer, send_buffer: bytes of the kernel's receive and send buffer, above 0. It caps the number and then doubles it.
    /// ttl: hops that packets may go, 1 to 255. TCP and UDP.
    /// broadcast: whether datagrams may go to broadcast addresses. UDP.
    /// multicast_ttl: hops that multicast datagrams may go, 0 to 255. UDP.
    /// multicast_loop: whether this machine hears the multicast datagrams that it sends. UDP.
    ///
    /// Raises `InvalidArgumentError` for a value out of range, `SystemCallError` where such a socket does not have the option,
    /// `ClosedError` if the connection is gone.
    #[pyo3(signature = (*, nodelay=None, keepalive=None, recv_buffer=None, send_buffer=None, ttl=None, broadcast=None,
                        multicast_ttl=None, multicast_loop=None))]
    #[allow(clippy::too_many_arguments)] // One for each keyword.
    fn set_options(
        &self,
        py: Python<'_>,
        nodelay: Option<&Bound<'_, PyAny>>,
        keepalive: Option<&Bound<'_, PyAny>>,
        recv_buffer: Option<&Bound<'_, PyAny>>,
        send_buffer: Option<&Bound<'_, PyAny>>,
        ttl: Option<&Bound<'_, PyAny>>,
        broadcast: Option<&Bound<'_, PyAny>>,
        multicast_ttl: Option<&Bound<'_, PyAny>>,
        multicast_loop: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let keepalive = keepalive.map(self::keepalive).transpose()?;
        let given = [
            switch("nodelay", nodelay)?.map(SocketOption::NoDelay),
            keepalive.map(SocketOption::KeepAlive),
            bytes("recv_buffer", recv_buffer)?.map(SocketOption::RecvBuffer),
            bytes("send_buffer", send_buffer)?.map(SocketOption::SendBuffer),
            hops("ttl", ttl)?.map(SocketOption::Ttl),
            switch("broadcast", broadcast)?.map(SocketOption::Broadcast),
            hops("multicast_ttl", multicast_ttl)?.map(SocketOption::MulticastTtl),
            switch("multicast_loop", multicast_loop)?.map(SocketOption::MulticastLoop),
        ];
        given.into_iter().flatten().try_for_each(|option| self.set_option(py, &option))
    }

    /// Receives from a multicast group, too: "ADDRESS" or "ADDRESS@INTERFACE", the interface by name, or for IPv4 also by one
    /// of its addresses. UDP.
    ///
    /// Raises what `set_options` raises.
    fn join_multicast(&self, py: Python<'_>, group: &str) -> PyResult<()> {
        self.set_option(py, &SocketOption::JoinMulticast(multicast(py, group)?))
    }

    /// No longer receives from a multicast group that was joined in the same words.
    ///
    /// Raises what `set_options` raises.
    fn leave_multicast(&self, py: Python<'_>, group: &str) -> PyResult<()> {
        self.set_option(py, &SocketOption::LeaveMulticast(multicast(py, group)?))
    }
}

impl Conn {
    fn set_option(&self, py: Python<'_>, option: &SocketOption) -> PyResult<()> {
        self.handle().set_option(self.conn_id(), option).into_py_result(py)
    }
}

fn switch(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<bool>> {
    given.map(|value| Argument { name, value }.switch()).transpose()
}

fn bytes(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    given.map(|value| Argument { name, value }.count(usize::MAX)).transpose()
}

/// What is no hops at all the engine says.
fn hops(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u32>> {
    let hops = given.map(|value| Argument { name, value }.count(255)).transpose()?;
    Ok(hops.map(|hops| u32::try_from(hops).unwrap_or(u32::MAX)))
}

/// True, False, seconds of silence, or a tuple of these, seconds between probes, and their number.
fn keepalive(given: &Bound<'_, PyAny>) -> PyResult<KeepAlive> {
    if let Ok(on) = given.cast::<PyBool>() {
        return Ok(if on.is_true() { KeepAlive::ON } else { KeepAlive::OFF });
    }
    let wrong = || {
        match given.repr() {
        Ok(quoted) => PyTypeError::new_err(format!(
            "keepalive must be True, False, a number of seconds, or a tuple (idle, interval, count), not {quoted}"
        )),
        Err(error) => error,
    }
    };
    let time = |value: &Bound<'_, PyAny>| {
        value.extract::<f64>().map_err(|_| wrong())?;
        Argument { name: "keepalive", value }.seconds()
    };
    let Ok(parts) = given.cast::<PyTuple>() else {
        return Ok(KeepAlive { idle: time(given)?, ..KeepAlive::ON });
    };
    if parts.is_empty() || parts.len() > 3 {
        return Err(wrong());
    }
    let at = |index| parts.get_item(index).ok();
    let count = at(2).map_or(Ok(0), |count| count.extract::<u32>().map_err(|_| wrong()))?;
    let interval = at(1).map_or(Ok(Duration::ZERO), |interval| time(&interval))?;
    Ok(KeepAlive { idle: time(&parts.get_item(0)?)?, interval, count })
}

/// `GROUP[@INTERFACE]`.
fn multicast(py: Python<'_>, text: &str) -> PyResult<Multicast> {
    let (group, interface) = text.split_once('@').map_or((text, None), |(group, name)| (group, Some(name)));
    match group.parse() {
        Ok(group) => Ok(Multicast { group, interface: interface.map(str::to_owned) }),
        Err(_) => {
            let message = format!("a multicast group is \"ADDRESS\" or \"ADDRESS@INTERFACE\", not {text:?}");
            Err(exception(py, &Error::new(ErrorKind::InvalidArgument, message)))
        }
    }
}

//! Datagram endpoints: who gets what comes for them, and what their transports, which are written in Python, ask of the engine.

use std::rc::Rc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use reactor_core::{Address, Conn as LoopConn, ConnId, ConnOptions, ErrorKind, ListenOptions};

use super::addresses::name_of;
use super::engine::{known, Engine};
use super::found::in_context;
use super::shared::{Pending, Shared};
use crate::bytes::with_bytes;
use crate::errors::{exception, IntoPyResult};
use crate::method::Method;
use crate::writing::socket_address;

/// What comes for an endpoint that has no protocol yet.
pub(crate) enum Came {
    /// A datagram, and its sender.
    Datagram(Py<PyAny>, Py<PyAny>),
    /// Something for this method of its transport, with the system's number.
    Told(&'static str, Option<i32>),
}

/// Who gets it.
pub(crate) enum Place {
    /// Nobody yet: what comes waits, and no more is read.
    Early(Vec<Came>),
    Taken(Rc<Endpoint>),
}

/// An endpoint that has its protocol.
pub(crate) struct Endpoint {
    /// The protocol's `datagram_received`.
    received: Method,
    transport: Py<PyAny>,
    /// What callbacks run in.
    context: Py<PyAny>,
}

impl Place {
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Place::Early(_) => Ok(()),
            Place::Taken(endpoint) => {
                endpoint.received.visit(visit)?;
                visit.call(&endpoint.transport)?;
                visit.call(&endpoint.context)
            }
        }
    }
}

/// For the package's `DatagramTransport`.
#[pymethods]
impl Engine {
    /// Opens an endpoint: the listener's number, and the endpoint's. What comes for it waits until it is `attach`ed.
    fn open_endpoint(
        &self,
        py: Python<'_>,
        url: &str,
        reuse_port: Option<bool>,
        broadcast: Option<bool>,
    ) -> PyResult<(u32, u64)> {
        let options = ListenOptions { reuseport: reuse_port, broadcast, ..ListenOptions::default() };
        let server = self.shared.server();
        let listening = server.listen(url, &options, &ConnOptions::default()).into_py_result(py)?;
        let listener = listening.id.to_u32();
        let Some(id) = server.endpoints(listening.id).first().copied() else {
            return Err(PyRuntimeError::new_err("a listener of datagrams has no endpoint"));
        };
        self.shared.endpoints.borrow_mut().insert(id, Place::Early(Vec::new()));
        // The loop takes it in.
        self.turn(py).inspect_err(|_| drop(self.end_endpoint(py, id.to_u64(), listener, true)))?;
        Ok((listener, id.to_u64()))
    }

    /// Gives what comes for an endpoint to `received`, in the context, beginning with what has come before; and what else happens to
    /// the methods `_undelivered` and `_ended` of the transport.
    fn attach(
        &self,
        py: Python<'_>,
        id: u64,
        received: Bound<'_, PyAny>,
        transport: Py<PyAny>,
        context: Py<PyAny>,
    ) -> PyResult<()> {
        let Some(id) = ConnId::from_u64(id) else { return Ok(()) };
        let taken = Rc::new(Endpoint { received: Method::of(received)?, transport, context });
        let before = self.shared.endpoints.borrow_mut().insert(id, Place::Taken(Rc::clone(&taken)));
        let Some(Place::Early(early)) = before else { return Ok(()) };
        for came in early {
            if !self.shared.taken(id).is_some_and(|now| Rc::ptr_eq(&now, &taken)) {
                break;
            }
            match came {
                Came::Datagram(data, sender) => {
                    self.shared.give(py, &taken, data.bind(py), sender.bind(py));
                }
                Came::Told(method, errno) => self.shared.tell_endpoint(py, id, method, errno),
            }
        }
        // Refused if it was closed meanwhile.
        self.shared.with_loop(|server| drop(server.resume(id)))
    }

    /// Nothing more is received.
    fn detach(&self, id: u64) {
        let before = ConnId::from_u64(id).and_then(|id| self.shared.endpoints.borrow_mut().remove(&id));
        drop(before);
    }

    /// Sends a datagram, to the peer without an address: how much has not left. It is tried at once if that is above `high`. None: the
    /// address has a name that is to be looked up.
    fn send(
        &self,
        py: Python<'_>,
        id: u64,
        data: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
        high: usize,
    ) -> PyResult<Option<usize>> {
        let Some(id) = ConnId::from_u64(id) else { return Ok(Some(0)) };
        let to = match address.map(socket_address) {
            Some(Err(_)) => return Ok(None),
            to => to.transpose()?,
        };
        let sent = with_bytes(data, |bytes| {
            self.shared.with_loop(|server| {
                let _ = match to {
                    Some(to) => server.send_to(id, to, bytes)?,
                    None => server.write(id, bytes)?,
                };
                let left = server.unsent(id);
                Ok(if left > high { server.send_now(id) } else { left })
            })
        })??;
        match sent {
            Ok(left) => Ok(Some(left)),
            Err(error) => match ErrorKind::Closed == reactor_core::Error::kind(&error) {
                true => Ok(Some(0)),
                false => Err(exception(py, &error)),
            },
        }
    }

    /// How much has not left, when that was tried.
    fn unsent(&self, id: u64) -> PyResult<usize> {
        let id = ConnId::from_u64(id);
        self.shared.with_loop(|server| id.map_or(0, |id| server.send_now(id)))
    }

    /// Has `_look_after` of a transport called after each turn, until that is false.
    fn look_after(&self, transport: Py<PyAny>) {
        self.shared.blocked.borrow_mut().push(transport);
    }

    /// Closes an endpoint: of a listener, or 0. What has not left is dropped.
    fn end_endpoint(&self, py: Python<'_>, id: u64, listener: u32, abort: bool) -> PyResult<()> {
        self.detach(id);
        match (known(listener), ConnId::from_u64(id)) {
            (Ok(listener), _) => {
                self.shared.with_loop(|server| server.close_listener(listener))?.into_py_result(py)
            }
            // Refused if it is closed.
            (_, Some(id)) => self.shared.with_loop(|server| {
                drop(if abort { server.abort(id) } else { server.close(id) });
            }),
            _ => Ok(()),
        }
    }

    /// An address of an endpoint: its own, or the peer's.
    fn address_of(&self, py: Python<'_>, id: u64, of_peer: bool) -> PyResult<Py<PyAny>> {
        let id = endpoint(id)?;
        let server = self.shared.server();
        let address = if of_peer { server.remote_address(id) } else { server.local_address(id) };
        name_of(py, &address.into_py_result(py)?)
    }

    /// The number of its descriptor, which is good until it ends.
    fn descriptor_of(&self, py: Python<'_>, id: u64) -> PyResult<i32> {
        self.shared.server().descriptor(endpoint(id)?).into_py_result(py)
    }
}

fn endpoint(id: u64) -> PyResult<ConnId> {
    ConnId::from_u64(id).ok_or_else(|| PyRuntimeError::new_err("0 is no endpoint"))
}

impl Shared {
    /// The endpoint, if it has its protocol.
    fn taken(&self, id: ConnId) -> Option<Rc<Endpoint>> {
        match self.endpoints.borrow().get(&id) {
            Some(Place::Taken(endpoint)) => Some(Rc::clone(endpoint)),
            _ => None,
        }
    }

    fn give(&self, py: Python<'_>, to: &Endpoint, data: &Bound<'_, PyAny>, sender: &Bound<'_, PyAny>) {
        let told = in_context(py, &to.context, || to.received.call(py, [data, sender]));
        if let Err(error) = told {
            self.report(py, "Exception in callback protocol.datagram_received()", error, None);
        }
    }

    /// A datagram came.
    pub(crate) fn datagram(&self, py: Python<'_>, conn: &LoopConn<'_>, data: &[u8]) {
        if self.over.get() {
            return;
        }
        let sender = conn.sender().map(Address::Inet).or_else(|| conn.remote_address().ok());
        let sender = match sender.map(|sender| name_of(py, &sender)) {
            Some(Ok(sender)) => sender,
            Some(Err(error)) => return self.report(py, "a sender's address cannot be told", error, None),
            None => py.None(),
        };
        let data = PyBytes::new(py, data).into_any();
        match self.taken(conn.id()) {
            Some(endpoint) => self.give(py, &endpoint, &data, sender.bind(py)),
            None => {
                if let Some(Place::Early(early)) = self.endpoints.borrow_mut().get_mut(&conn.id()) {
                    early.push(Came::Datagram(data.unbind(), sender));
                    // Refused if it is closing.
                    drop(conn.pause());
                }
            }
        }
    }

    /// An outgoing endpoint is there: whoever waits for it is told.
    pub(crate) fn endpoint_connected(&self, py: Python<'_>, conn: &LoopConn<'_>, pending: &Pending) {
        let waiter = pending.waiter.bind(py);
        let told = (|| match waiter.call_method0("done")?.is_truthy()? {
            true => Ok(false),
            false => waiter.call_method1("set_result", (conn.id().to_u64(),)).map(|_| true),
        })();
        if !*told.as_ref().unwrap_or(&false) {
            drop(conn.close());
        }
        match told {
            Ok(false) => {}
            Ok(true) => drop(self.endpoints.borrow_mut().insert(conn.id(), Place::Early(Vec::new()))),
            Err(error) => self.report(py, "an endpoint cannot be handed out", error, None),
        }
    }

    /// Tells the transport of an endpoint something, when it has its protocol.
    pub(crate) fn tell_endpoint(&self, py: Python<'_>, id: ConnId, method: &'static str, errno: Option<i32>) {
        if let Some(Place::Early(early)) = self.endpoints.borrow_mut().get_mut(&id) {
            return early.push(Came::Told(method, errno));
        }
        let Some(endpoint) = self.taken(id).filter(|_| !self.over.get()) else { return };
        let told = match self.calling.get() {
            // Not inside a call of the protocol's, and not where the context may be entered already.
            true => self.tell_endpoint_soon(py, &endpoint, method, errno),
            false => {
                in_context(py, &endpoint.context, || endpoint.transport.call_method1(py, method, (errno,)))
                    .map(drop)
            }
        };
        if let Err(error) = told {
            self.report(py, "Exception in callback protocol.error_received()", error, None);
        }
    }

    fn tell_endpoint_soon(
        &self,
        py: Python<'_>,
        endpoint: &Endpoint,
        method: &str,
        errno: Option<i32>,
    ) -> PyResult<()> {
        let method = endpoint.transport.getattr(py, method)?;
        let named = PyDict::new(py);
        named.set_item("context", &endpoint.context)?;
        self.event_loop.bind(py).call_method("call_soon", (method, errno), Some(&named)).map(drop)
    }

    /// Looks after the endpoints whose output was blocked.
    pub(crate) fn look_after_blocked(&self, py: Python<'_>) {
        let blocked = self.blocked.take();
        for transport in blocked {
            match transport.call_method0(py, "_look_after").and_then(|more| more.is_truthy(py)) {
                Ok(true) => self.blocked.borrow_mut().push(transport),
                Ok(false) => {}
                Err(error) => self.report(py, "an endpoint cannot be looked after", error, None),
            }
        }
    }
}

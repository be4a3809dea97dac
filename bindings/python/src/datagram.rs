//! What comes with a datagram.

use std::net::{IpAddr, SocketAddr};

use pyo3::prelude::*;
use reactor_core::Conn as LoopConn;

/// What came with a datagram: who sent it, and where to.
#[pyclass(module = "reactor", frozen)]
#[derive(PartialEq)]
pub(crate) struct Datagram {
    sender: SocketAddr,
    destination: Option<IpAddr>,
    interface: u32,
    truncated: bool,
}

impl Datagram {
    /// Of the datagram that a callback of the connection's is being given.
    pub(crate) fn of(conn: &LoopConn<'_>) -> Option<Self> {
        let to = conn.destination();
        Some(Datagram {
            sender: conn.sender()?,
            destination: to.map(|to| to.address),
            interface: to.map_or(0, |to| to.interface),
            truncated: conn.is_truncated(),
        })
    }
}

#[pymethods]
impl Datagram {
    /// The sender's address, as `Conn.send_to` takes it: "127.0.0.1:5000" or "[::1]:5000".
    #[getter]
    fn sender(&self) -> String {
        self.sender.to_string()
    }

    /// The IP address that it was sent to: one of this machine's, a multicast group, or everybody's. None of a connected socket.
    #[getter]
    fn destination(&self) -> Option<String> {
        self.destination.map(|address| address.to_string())
    }

    /// The number of the network interface by which it came, as `socket.if_indextoname` takes it; None if that is not known.
    #[getter]
    fn interface(&self) -> Option<u32> {
        Some(self.interface).filter(|interface| *interface != 0)
    }

    /// Whether the datagram was longer than the listener's option `datagram` allows, and its end is lost.
    #[getter]
    fn truncated(&self) -> bool {
        self.truncated
    }

    fn __eq__(&self, other: &Datagram) -> bool {
        self == other
    }

    fn __repr__(&self) -> String {
        format!("<reactor.Datagram from {}>", self.sender)
    }
}

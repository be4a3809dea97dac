//! Addresses as Python's sockets tell them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use reactor_core::Address;

/// A pair for IPv4, four for IPv6, a text for a path and for no name, bytes for an abstract name.
pub(crate) fn name_of(py: Python<'_>, address: &Address) -> PyResult<Py<PyAny>> {
    Ok(match address {
        Address::Inet(SocketAddr::V4(addr)) => {
            (addr.ip().to_string(), addr.port()).into_pyobject(py)?.into_any().unbind()
        }
        Address::Inet(SocketAddr::V6(addr)) => {
            let mut host = addr.ip().to_string();
            if addr.scope_id() != 0 {
                let zone = py.import("socket")?.call_method1("if_indextoname", (addr.scope_id(),))?;
                host = format!("{host}%{}", zone.extract::<String>()?);
            }
            let four = (host, addr.port(), addr.flowinfo(), addr.scope_id());
            four.into_pyobject(py)?.into_any().unbind()
        }
        Address::Path(path) => text_of(py, path.as_os_str())?,
        Address::Abstract(name) => PyBytes::new(py, &[b"\0", name.as_slice()].concat()).into_any().unbind(),
        _ => PyString::new(py, "").into_any().unbind(),
    })
}

fn text_of(py: Python<'_>, path: &OsStr) -> PyResult<Py<PyAny>> {
    let bytes = PyBytes::new(py, path.as_bytes());
    Ok(py.import("os")?.call_method1("fsdecode", (bytes,))?.unbind())
}

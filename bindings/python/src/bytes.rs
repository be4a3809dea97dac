//! Bytes-like arguments.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

/// Gives `use_bytes` the contents of any bytes-like object. It must not call into Python.
///
/// The buffer protocol is not in the stable interface of Python 3.9: what is neither `bytes` nor `bytearray`
/// is copied once.
pub(crate) fn with_bytes<T>(data: &Bound<'_, PyAny>, use_bytes: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(use_bytes(bytes.as_bytes()));
    }
    if let Ok(array) = data.cast::<PyByteArray>() {
        // SAFETY: `use_bytes` does not call into Python and the lock is held throughout, so nobody changes or
        // resizes the array meanwhile.
        return Ok(use_bytes(unsafe { array.as_bytes() }));
    }
    let view = PyMemoryView::from(data).map_err(|_| not_bytes(data))?;
    let copy = data.py().get_type::<PyBytes>().call1((view,))?;
    Ok(use_bytes(copy.cast::<PyBytes>()?.as_bytes()))
}

fn not_bytes(data: &Bound<'_, PyAny>) -> PyErr {
    match data.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("a bytes-like object is required, not '{name}'")),
        Err(error) => error,
    }
}

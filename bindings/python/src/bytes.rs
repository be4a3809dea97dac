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
    let view = PyMemoryView::from(data).map_err(|error| not_bytes(data, error))?;
    let copy = data.py().get_type::<PyBytes>().call1((view,))?;
    Ok(use_bytes(copy.cast::<PyBytes>()?.as_bytes()))
}

/// Bytes-like objects that are written together.
pub(crate) struct Gathered<'py>(Vec<Bound<'py, PyAny>>);

impl<'py> Gathered<'py> {
    pub(crate) fn one(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(Gathered(vec![readable(data)?]))
    }

    /// Those of an iterable.
    pub(crate) fn of(lines: &Bound<'py, PyAny>) -> PyResult<Self> {
        // Bytes are an iterable of numbers.
        if lines.is_instance_of::<PyBytes>() || lines.is_instance_of::<PyByteArray>() {
            let text = "writelines takes an iterable of bytes-like objects; for one there is write";
            return Err(PyTypeError::new_err(text));
        }
        let readable = |line: PyResult<Bound<'py, PyAny>>| readable(&line?);
        lines.try_iter()?.map(readable).collect::<PyResult<_>>().map(Gathered)
    }

    /// Gives `use_slices` their contents. It must not call into Python.
    pub(crate) fn with<T>(&self, use_slices: impl FnOnce(&[&[u8]]) -> T) -> T {
        let slices: Vec<&[u8]> = self.0.iter().map(contents).collect();
        use_slices(&slices)
    }
}

/// The object itself, if it is one that `contents` reads, or else a copy.
fn readable<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match data.is_instance_of::<PyBytes>() || data.is_instance_of::<PyByteArray>() {
        true => Ok(data.clone()),
        false => Ok(with_bytes(data, |bytes| PyBytes::new(data.py(), bytes).into_any())?),
    }
}

/// The contents of what `readable` gave, until Python code runs next.
fn contents<'a>(data: &'a Bound<'_, PyAny>) -> &'a [u8] {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return bytes.as_bytes();
    }
    data.cast::<PyByteArray>().map_or(&[], |array| {
        // SAFETY: `Gathered::with` reads it at once, and calls nothing of Python's while the lock is held.
        unsafe { array.as_bytes() }
    })
}

/// The error for what has no buffer. One that has, and fails to give it, says why itself.
fn not_bytes(data: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyTypeError>(data.py()) {
        return error;
    }
    match data.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("a bytes-like object is required, not '{name}'")),
        Err(error) => error,
    }
}

//! `Transport.write` as the interpreter calls it: with its one argument, not in a tuple made for the call.

use std::ffi::CString;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use pyo3::{ffi, Borrowed};

use super::transport::Transport;

/// Puts the method in the place of the one that pyo3 has made, whose name and description it keeps.
pub(crate) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    let general = class.getattr("write")?;
    if general.get_type().name()?.to_cow()? != "method_descriptor" {
        return Ok(());
    }
    let text = format!("write($self, data, /)\n--\n\n{}", general.getattr("__doc__")?.extract::<String>()?);
    // The interpreter keeps a pointer to the definition as long as the class lives, which is for ever.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"write".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: write },
        ml_flags: ffi::METH_O,
        ml_doc: CString::new(text)?.into_raw(),
    }));
    // SAFETY: the lock is held; the definition and its strings are never freed, and its flags are what `write` takes.
    let method =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition))? };
    class.setattr("write", method)
}

/// What the interpreter calls.
unsafe extern "C" fn write(transport: *mut ffi::PyObject, data: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with its lock held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter has checked that it is a transport, which lives until this returns.
    let transport = unsafe { Borrowed::from_ptr(py, transport).cast_unchecked::<Transport>() };
    // SAFETY: the argument lives until this returns.
    let data = unsafe { Borrowed::from_ptr(py, data) };
    if data.cast::<PyBytes>().is_ok_and(|data| transport.get().write_flowing(data.as_bytes())) {
        return py.None().into_ptr();
    }
    match write_any(&transport, &data) {
        Ok(()) => py.None().into_ptr(),
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

/// Any write: much, between two turns, not `bytes`, refused.
#[inline(never)]
fn write_any<'py>(transport: &Borrowed<'_, 'py, Transport>, data: &Borrowed<'_, 'py, PyAny>) -> PyResult<()> {
    // Attached as pyo3 would do it, so that objects are dropped at once. No panic may reach the interpreter.
    let attached = || Python::attach(|_| Transport::write_any(transport, data));
    catch_unwind(AssertUnwindSafe(attached))
        .unwrap_or_else(|_| Err(PanicException::new_err("the engine panicked in write")))
}

//! `Conn.write` and `Conn.write_frame` as the interpreter calls them: with their one argument as it lies there, not in a tuple
//! made for the call.

use std::ffi::{c_int, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{mem, ptr};

use pyo3::exceptions::PyRuntimeError;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyTuple, PyType};
use pyo3::{ffi, Borrowed};

use crate::conn::Conn;

/// METH_FASTCALL with METH_KEYWORDS: part of the stable interface since 3.10.
const FLAGS: c_int = 0x80 | ffi::METH_KEYWORDS;

/// What they stand for: the object, the arguments, their number without those that have names, the names.
type Fast = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// A method that is called so.
trait Shortcut {
    const NAME: &'static CStr;

    /// The method as pyo3 makes it, for calls with names or with another number of arguments, which are few or wrong.
    fn general() -> &'static PyOnceLock<Py<PyAny>>;

    /// The usual case, which neither fails nor panics. Says whether it was that; if not, nothing was done.
    fn usual(conn: &Conn, bytes: &[u8]) -> bool;

    /// Any call with one argument.
    fn any(conn: &Conn, data: &Bound<'_, PyAny>) -> PyResult<bool>;
}

struct Write;

impl Shortcut for Write {
    const NAME: &'static CStr = c"write";

    fn general() -> &'static PyOnceLock<Py<PyAny>> {
        static GENERAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        &GENERAL
    }

    #[inline(always)]
    fn usual(conn: &Conn, bytes: &[u8]) -> bool {
        conn.write_flowing(bytes)
    }

    fn any(conn: &Conn, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        conn.write(data, None)
    }
}

struct WriteFrame;

impl Shortcut for WriteFrame {
    const NAME: &'static CStr = c"write_frame";

    fn general() -> &'static PyOnceLock<Py<PyAny>> {
        static GENERAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        &GENERAL
    }

    #[inline(always)]
    fn usual(conn: &Conn, bytes: &[u8]) -> bool {
        conn.write_frame_flowing(bytes)
    }

    fn any(conn: &Conn, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        conn.write_frame(data)
    }
}

/// Puts the methods in the places of the general ones, whose names and descriptions they keep. Python 3.9 keeps those
/// themselves.
pub(crate) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    install_one::<Write>(class)?;
    install_one::<WriteFrame>(class)
}

fn install_one<S: Shortcut>(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    if py.version_info() < (3, 10) || S::general().get(py).is_some() {
        return Ok(());
    }
    let name = S::NAME.to_string_lossy();
    let general = class.getattr(&*name)?;
    let part = |name| general.getattr(name)?.extract::<String>();
    let described = format!("{name}{}\n--\n\n{}", part("__text_signature__")?, part("__doc__")?);
    // SAFETY: it is called as what it is, which FLAGS say.
    let stored = unsafe { mem::transmute::<Fast, ffi::PyCFunctionWithKeywords>(call::<S>) };
    // The interpreter keeps a pointer to the definition as long as the class lives, which is for ever.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: S::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionWithKeywords: stored },
        ml_flags: FLAGS,
        ml_doc: CString::new(described)?.into_raw(),
    }));
    // SAFETY: the lock is held; the definition and its strings are never freed, and its flags are what `call` takes.
    let method =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition))? };
    S::general().get_or_init(py, || general.unbind());
    class.setattr(&*name, method)
}

/// What the interpreter calls.
unsafe extern "C" fn call<S: Shortcut>(
    conn: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    number: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with its lock held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter has checked that it is a connection, which lives until this returns.
    let conn = unsafe { Borrowed::from_ptr(py, conn).cast_unchecked::<Conn>() };
    let written = if number == 1 && names.is_null() {
        // SAFETY: there is one argument, which lives until this returns.
        let data = unsafe { Borrowed::from_ptr(py, *args) };
        if data.cast::<PyBytes>().is_ok_and(|data| S::usual(conn.get(), data.as_bytes())) {
            return PyBool::new(py, true).to_owned().into_any().into_ptr();
        }
        call_one::<S>(&conn, &data)
    } else {
        // SAFETY: so the interpreter lays arguments out: those without a name first, then one for each name.
        unsafe { call_any::<S>(&conn, args, number, names) }
    };
    written.map_or_else(
        |error| {
            error.restore(py);
            ptr::null_mut()
        },
        Bound::into_ptr,
    )
}

/// Any call with one argument: much, not in a callback, not `bytes`, refused.
#[inline(never)]
fn call_one<'py, S: Shortcut>(
    conn: &Borrowed<'_, 'py, Conn>,
    data: &Borrowed<'_, 'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // Attached as pyo3 would do it, so that objects are dropped at once. No panic may reach the interpreter.
    let attached = || Python::attach(|_| S::any(conn.get(), data));
    let written = catch_unwind(AssertUnwindSafe(attached))
        .unwrap_or_else(|_| Err(PanicException::new_err("the engine panicked in a write")))?;
    Ok(PyBool::new(conn.py(), written).to_owned().into_any())
}

/// Calls the general method with the same arguments.
///
/// # Safety
/// `args` has `number` objects, and one more for each of `names`, which is a tuple or null.
#[inline(never)]
unsafe fn call_any<'py, S: Shortcut>(
    conn: &Borrowed<'_, 'py, Conn>,
    args: *const *mut ffi::PyObject,
    number: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyAny>> {
    let py = conn.py();
    let Some(general) = S::general().get(py) else {
        return Err(PyRuntimeError::new_err("reactor is not imported"));
    };
    // SAFETY: null becomes `None`, and anything else is a tuple that lives until this returns.
    let names =
        unsafe { Borrowed::from_ptr_or_opt(py, names).map(|names| names.cast_unchecked::<PyTuple>()) };
    // SAFETY: the caller has so many, which live until this returns.
    let arg = |at: usize| unsafe { Borrowed::from_ptr(py, *args.add(at)) };
    let number = number.unsigned_abs();
    let unnamed = std::iter::once(conn.as_any().as_borrowed()).chain((0..number).map(arg));
    let unnamed = PyTuple::new(py, unnamed.collect::<Vec<_>>())?;
    let named = PyDict::new(py);
    for (at, name) in names.iter().flat_map(|names| names.iter_borrowed()).enumerate() {
        named.set_item(name, arg(number + at))?;
    }
    general.bind(py).call(unnamed, Some(&named))
}

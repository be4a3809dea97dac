//! Functions of the interpreter that every CPython has, but the stable interface of Python 3.9 has not: found by name.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::sync::OnceLock;
use std::{mem, ptr, slice};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Py_buffer, as it has been since Python 3.0 and as the stable interface fixed it with 3.11.
#[repr(C)]
struct RawBuffer {
    buf: *mut c_void,
    obj: *mut ffi::PyObject,
    len: ffi::Py_ssize_t,
    itemsize: ffi::Py_ssize_t,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut ffi::Py_ssize_t,
    strides: *mut ffi::Py_ssize_t,
    suboffsets: *mut ffi::Py_ssize_t,
    internal: *mut c_void,
}

type GetBuffer = unsafe extern "C" fn(*mut ffi::PyObject, *mut RawBuffer, c_int) -> c_int;
type ReleaseBuffer = unsafe extern "C" fn(*mut RawBuffer);
type OfContext = unsafe extern "C" fn(*mut ffi::PyObject) -> c_int;

const WRITABLE: c_int = 1;

/// What was found.
struct Found {
    get_buffer: GetBuffer,
    release_buffer: ReleaseBuffer,
    enter: OfContext,
    exit: OfContext,
}

impl Found {
    fn find() -> Option<Self> {
        let find = |name: &CStr| {
            // SAFETY: the name is terminated.
            let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            (!found.is_null()).then_some(found)
        };
        // SAFETY: functions of these names have had these signatures in every version since 3.9.
        unsafe {
            Some(Found {
                get_buffer: mem::transmute::<*mut c_void, GetBuffer>(find(c"PyObject_GetBuffer")?),
                release_buffer: mem::transmute::<*mut c_void, ReleaseBuffer>(find(c"PyBuffer_Release")?),
                enter: mem::transmute::<*mut c_void, OfContext>(find(c"PyContext_Enter")?),
                exit: mem::transmute::<*mut c_void, OfContext>(find(c"PyContext_Exit")?),
            })
        }
    }
}

#[inline]
fn found() -> PyResult<&'static Found> {
    static FOUND: OnceLock<Option<Found>> = OnceLock::new();
    let found = FOUND.get_or_init(Found::find).as_ref();
    found.ok_or_else(|| {
        PyRuntimeError::new_err("this interpreter lacks a function that reactor.asyncio needs")
    })
}

/// Writable memory of a Python object, which cannot be resized meanwhile.
pub(crate) struct Memory<'py> {
    raw: Box<RawBuffer>,
    release: ReleaseBuffer,
    _locked: Python<'py>,
}

impl<'py> Memory<'py> {
    pub(crate) fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let found = found()?;
        let mut raw = Box::new(RawBuffer {
            buf: ptr::null_mut(),
            obj: ptr::null_mut(),
            len: 0,
            itemsize: 0,
            readonly: 0,
            ndim: 0,
            format: ptr::null_mut(),
            shape: ptr::null_mut(),
            strides: ptr::null_mut(),
            suboffsets: ptr::null_mut(),
            internal: ptr::null_mut(),
        });
        // SAFETY: the lock is held, and what it fills in stays where it is until it is released.
        match unsafe { (found.get_buffer)(object.as_ptr(), &raw mut *raw, WRITABLE) } {
            0 => Ok(Memory { raw, release: found.release_buffer, _locked: object.py() }),
            _ => Err(PyErr::fetch(object.py())),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.raw.len.unsigned_abs()
    }

    /// Copies as much of the bytes as there is room for; says how much.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.len());
        // SAFETY: a writable buffer that was asked for without more is contiguous and has so many bytes; no Python code runs
        // meanwhile.
        let memory = unsafe { slice::from_raw_parts_mut(self.raw.buf.cast::<u8>(), len) };
        memory.copy_from_slice(&bytes[..len]);
        len
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: it was filled in by its counterpart, and the lock is held.
        unsafe { (self.release)(&raw mut *self.raw) };
    }
}

/// Runs `run` in a context of the module contextvars.
#[inline]
pub(crate) fn in_context<T>(
    py: Python<'_>,
    context: &Py<PyAny>,
    run: impl FnOnce() -> PyResult<T>,
) -> PyResult<T> {
    let found = found()?;
    // SAFETY: the lock is held, and the object is a context, or that is what the call answers.
    if unsafe { (found.enter)(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let done = run();
    // SAFETY: as above; it was entered by this thread.
    match unsafe { (found.exit)(context.as_ptr()) } {
        0 => done,
        _ => Err(PyErr::fetch(py)),
    }
}

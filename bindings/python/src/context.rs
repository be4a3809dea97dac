//! Calls in a `contextvars.Context`.

use std::ffi::{c_int, c_void, CStr};
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::method::Method;

/// PyContext_Enter and PyContext_Exit.
type Switch = unsafe extern "C" fn(*mut ffi::PyObject) -> c_int;

/// Calls a method in a context, as its `run` does.
#[inline]
pub(crate) fn call_in<'py, const N: usize>(
    context: &Bound<'py, PyAny>,
    method: &Method,
    args: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    let Some((enter, exit)) = switches() else {
        return method.call_by(&context.getattr("run")?, args);
    };
    switch(context, enter)?;
    let returned = method.call(py, args);
    let left = switch(context, exit);
    returned.and_then(|returned| left.map(|()| returned))
}

#[inline]
fn switch(context: &Bound<'_, PyAny>, how: Switch) -> PyResult<()> {
    // SAFETY: the lock is held, as the borrow says; the function itself looks whether the object is a context.
    match unsafe { how(context.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(context.py())),
    }
}

/// Both, where the interpreter exports them: `run` costs 90 instructions more. They are in no stable interface, but every version
/// from 3.7 on has them, with this signature.
#[inline]
fn switches() -> Option<(Switch, Switch)> {
    static FOUND: OnceLock<Option<(Switch, Switch)>> = OnceLock::new();
    *FOUND.get_or_init(|| Some((found(c"PyContext_Enter")?, found(c"PyContext_Exit")?)))
}

fn found(name: &CStr) -> Option<Switch> {
    // SAFETY: the name is terminated.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: functions of these names have had this signature in every version that has them; null becomes `None`.
    unsafe { std::mem::transmute::<*mut c_void, Option<Switch>>(found) }
}

//! A method of the user's, found once and called often.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// PyObject_Vectorcall: callable, arguments, their number with a flag, names.
type Vectorcall = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    usize,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// PY_VECTORCALL_ARGUMENTS_OFFSET: the place in front of the arguments may be used by who is called.
const ROOM_IN_FRONT: usize = 1 << (usize::BITS - 1);
/// Most arguments of a callback: those of `on_detach`.
const MOST: usize = 4;

/// What is called.
pub(crate) struct Method {
    /// The method as its handler gave it.
    bound: Py<PyAny>,
    /// If it is a function bound to an object: the function and the object. Together they are called more directly.
    parts: Option<(Py<PyAny>, Py<PyAny>)>,
}

impl Method {
    pub(crate) fn of(method: Bound<'_, PyAny>) -> PyResult<Self> {
        let bound = method.get_type().is(bound_method_class(method.py())?);
        let part = |name| method.getattr(name).map(Bound::unbind);
        let parts = if bound { Some((part("__func__")?, part("__self__")?)) } else { None };
        Ok(Method { bound: method.unbind(), parts })
    }

    /// Calls it.
    #[inline(always)]
    pub(crate) fn call<'py, const N: usize>(
        &self,
        py: Python<'py>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        const { assert!(N <= MOST) };
        let Some(vectorcall) = vectorcall() else {
            return self.bound.bind(py).call1(PyTuple::new(py, args)?);
        };
        // A place in front, the object, the arguments.
        let mut places = [ptr::null_mut(); 2 + MOST];
        for (place, arg) in places[2..].iter_mut().zip(args) {
            *place = arg.as_ptr();
        }
        let (callable, skipped) = match &self.parts {
            Some((function, object)) => {
                places[1] = object.as_ptr();
                (function, 1)
            }
            None => (&self.bound, 2),
        };
        let number = (2 + N - skipped) | ROOM_IN_FRONT;
        // SAFETY: the lock is held, as `py` says; callable and arguments are objects that live as long as the borrows
        // do; there are as many as the number says, and one more place in front of them.
        unsafe {
            let returned =
                vectorcall(callable.as_ptr(), places.as_ptr().add(skipped), number, ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, returned)
        }
    }

    /// The method itself.
    pub(crate) fn bound<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.bound.bind(py)
    }

    /// Has it called by something else, which is given the method and its arguments.
    #[inline]
    pub(crate) fn call_by<'py, const N: usize>(
        &self,
        caller: &Bound<'py, PyAny>,
        args: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        const { assert!(N <= MOST) };
        let py = caller.py();
        // A place in front, the method, the arguments.
        let mut places = [ptr::null_mut(); 2 + MOST];
        places[1] = self.bound.as_ptr();
        for (place, arg) in places[2..].iter_mut().zip(args) {
            *place = arg.as_ptr();
        }
        let Some(vectorcall) = vectorcall() else {
            let all = std::iter::once(self.bound(py)).chain(args);
            return caller.call1(PyTuple::new(py, all.collect::<Vec<_>>())?);
        };
        // SAFETY: as in `call`, with the method in front of the arguments.
        unsafe {
            let number = (1 + N) | ROOM_IN_FRONT;
            let returned = vectorcall(caller.as_ptr(), places.as_ptr().add(1), number, ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, returned)
        }
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.bound)?;
        self.parts.iter().try_for_each(|(function, object)| {
            visit.call(function)?;
            visit.call(object)
        })
    }
}

/// The class of methods that are written in Python and bound to an object.
fn bound_method_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "types", "MethodType")
}

/// PyObject_Vectorcall of this interpreter, which has it from 3.11 on. It joined the stable interface with 3.12 only, so
/// that linking to it would refuse older ones.
#[inline]
fn vectorcall() -> Option<Vectorcall> {
    static FOUND: OnceLock<Option<Vectorcall>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: the name is terminated.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"PyObject_Vectorcall".as_ptr()) };
        // SAFETY: a function of this name has had this signature in every version that has it; null becomes `None`.
        unsafe { std::mem::transmute::<*mut c_void, Option<Vectorcall>>(found) }
    })
}

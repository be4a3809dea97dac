//! Values of the package's own classes, made without any Python code: in a daemon thread that could hand the interpreter lock over
//! while the interpreter ends, and such a thread is ended right there, below frames of Rust, which aborts the process.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

/// A member of a class that is derived from `tuple` and adds names.
pub(crate) fn named_tuple<'py>(
    class: &Bound<'py, PyType>,
    members: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    py.get_type::<PyTuple>().call_method1("__new__", (class, members.into_pyobject(py)?))
}

/// A member of a class that is derived from `str`, without what its own constructor would set.
pub(crate) fn text<'py>(class: &Bound<'py, PyType>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    class.py().get_type::<PyString>().call_method1("__new__", (class, text))
}

/// A member of a data class without default values, with all its members.
pub(crate) fn data<'py>(
    class: &Bound<'py, PyType>,
    members: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let object = class.py().get_type::<PyAny>().call_method1("__new__", (class,))?;
    object.getattr("__dict__")?.cast::<PyDict>()?.update(members.as_mapping())?;
    Ok(object)
}

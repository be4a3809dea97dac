//! A protocol: its methods that are called often, found once.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::method::Method;

/// Who has a transport's input.
pub(crate) struct Protocol {
    pub(crate) object: Py<PyAny>,
    pub(crate) input: Input,
}

/// What input is given to.
pub(crate) enum Input {
    /// `data_received`.
    Data(Method),
    /// Of an asyncio.BufferedProtocol.
    Buffer { get: Method, updated: Method },
    /// It lacks the method: that is an error when input comes.
    Lacking,
}

impl Protocol {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let find = |name| object.getattr_opt(name)?.map(Method::of).transpose();
        let input = if object.is_instance(buffered(object.py())?)? {
            match (find("get_buffer")?, find("buffer_updated")?) {
                (Some(get), Some(updated)) => Input::Buffer { get, updated },
                _ => Input::Lacking,
            }
        } else {
            find("data_received")?.map_or(Input::Lacking, Input::Data)
        };
        Ok(Protocol { object: object.clone().unbind(), input })
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)?;
        match &self.input {
            Input::Data(method) => method.visit(visit),
            Input::Buffer { get, updated } => {
                get.visit(visit)?;
                updated.visit(visit)
            }
            Input::Lacking => Ok(()),
        }
    }
}

/// `asyncio.BufferedProtocol`.
fn buffered(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio", "BufferedProtocol")
}

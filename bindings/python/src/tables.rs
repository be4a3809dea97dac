//! The engine's own tables, with which the tests compare what this package says of options.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use reactor_core::binding::OPTIONS;
use reactor_core::{Config, Metrics};

use crate::terms::Subject;

/// Adds them to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let listen = PyDict::new(module.py());
    for row in OPTIONS.iter().filter(|row| row.is_of_listeners()) {
        listen.set_item(row.name, row.form)?;
    }
    module.add("LISTEN_OPTIONS", listen)?;
    for (name, subject) in [
        ("LISTEN_MEMBERS", Subject::Listener),
        ("CONNECT_MEMBERS", Subject::Connect),
        ("CONN_MEMBERS", Subject::Conn),
    ] {
        let members: Vec<_> = subject.rows().map(|row| row.member).collect();
        module.add(name, PyTuple::new(module.py(), members)?)?;
    }
    let counters = Metrics::default().counters().into_iter().map(|(name, _)| name);
    module.add("COUNTERS", PyTuple::new(module.py(), counters.collect::<Vec<_>>())?)?;
    module.add("SERVER_OPTIONS", PyTuple::new(module.py(), Config::NAMES)?)
}

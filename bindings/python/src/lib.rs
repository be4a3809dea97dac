//! The Python extension module `reactor._native`: names, values and errors of the engine in Python's terms.
//! The package `reactor` around it, in Python, holds the enumerations, the exceptions and the base class
//! `Handler`.

mod bytes;
mod callback;
mod callbacks;
mod conn;
mod conns;
mod delivery;
mod errors;
mod exit;
mod interpreter;
mod logging;
mod method;
mod options;
mod receiver;
mod report;
mod server;
mod state;
mod write_method;

use pyo3::prelude::*;

/// The module. It needs the interpreter lock: what a handler's objects do beside it is the user's matter.
#[pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::PyDict;
    use reactor_core::{Action, CloseReason, ErrorKind};

    #[pymodule_export]
    use crate::conn::Conn;
    #[pymodule_export]
    use crate::server::Server;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        crate::logging::install();
        crate::options::add_tables(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        let (actions, kinds, reasons) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
        for action in Action::ALL {
            actions.set_item(action.name(), action as i32)?;
        }
        for kind in ErrorKind::ALL {
            kinds.set_item(kind.name(), kind as i32)?;
        }
        for reason in CloseReason::ALL {
            reasons.set_item(reason.name(), reason as i32)?;
        }
        module.add("ACTIONS", actions)?;
        module.add("ERROR_KINDS", kinds)?;
        module.add("CLOSE_REASONS", reasons)?;
        crate::errors::find_classes(py)?;
        crate::write_method::install(&py.get_type::<Conn>())?;
        crate::exit::stop_servers_at_exit(py)
    }
}

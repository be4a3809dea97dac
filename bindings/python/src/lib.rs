//! The Python extension module `reactor._native`: names, values and errors of the engine in Python's terms.
//! The package `reactor` around it, in Python, holds the enumerations, the exceptions and the base class
//! `Handler`.

mod again;
mod argument;
mod asyncio;
mod bytes;
mod callback;
mod callbacks;
mod calls;
mod conn;
mod connecting;
mod conns;
mod context;
mod datagram;
mod delivery;
mod errors;
mod exit;
mod framing;
mod gathered;
mod host_thread;
mod hosted;
mod hosting;
mod interpreter;
mod life;
mod listening;
mod logging;
mod looking;
mod loops;
mod made;
mod method;
mod metrics;
mod names;
mod options;
mod receiver;
mod report;
mod scopes;
mod server;
mod socket_options;
mod state;
mod steering;
mod tables;
mod terms;
mod timer;
mod wakeup;
mod write_method;
mod writing;

use pyo3::prelude::*;

/// The module. It needs the interpreter lock: what a handler's objects do beside it is the user's matter.
#[pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::PyDict;
    use reactor_core::{Action, CloseReason, ErrorKind};

    use crate::conn::Conn;
    use crate::datagram::Datagram;
    #[pymodule_export]
    use crate::framing::check_framing;
    use crate::hosted::Hosted;
    #[pymodule_export]
    use crate::hosting::host;
    use crate::metrics::Histogram;
    use crate::server::Server;
    use crate::timer::Timer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        // Before anything of ours is made: it would be that interpreter's, and go with it.
        crate::interpreter::expect_main(py)?;
        crate::interpreter::expect_lock(py)?;
        // The thread that imports it first is its main thread, which must not be a loop's.
        py.import("threading")?;
        crate::again::restore(py)?;
        module.add_class::<Conn>()?;
        module.add_class::<Server>()?;
        module.add_class::<Timer>()?;
        module.add_class::<Datagram>()?;
        module.add_class::<Histogram>()?;
        module.add_class::<Hosted>()?;
        crate::logging::install(module)?;
        crate::tables::add(module)?;
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
        crate::again::remember(py)?;
        crate::write_method::install(&py.get_type::<Conn>())?;
        crate::asyncio::install(module)?;
        crate::exit::stop_servers_at_exit(py)
    }
}

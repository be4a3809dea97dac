//! `reactor.asyncio`: transports of the engine for protocols that were written for asyncio. The package around it, in
//! Python, has what is called seldom.

mod addresses;
mod endpoints;
mod engine;
mod found;
mod losing;
mod protocol;
mod receiver;
mod shared;
mod transport;
mod waiting;
mod write;

use pyo3::prelude::*;

/// Adds the classes, and what pyo3 does not make.
pub(crate) fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()?;
    module.add_class::<transport::Transport>()?;
    write::install(&module.py().get_type::<transport::Transport>())
}

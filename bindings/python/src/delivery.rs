//! How the engine calls the handler's methods: on the loops' own threads, under the interpreter lock.

use std::sync::Arc;

use pyo3::prelude::*;
use reactor_core::binding::{Carries, Delivery, Receiver};
use reactor_core::{Action, BoxError, Handle};

use crate::exit::Registration;
use crate::interpreter::{as_thread, attached};
use crate::receiver::PythonReceiver;
use crate::state::State;

/// The delivery of one server: the loops own it, so it is dropped when the last of them has ended.
pub(crate) struct PythonDelivery {
    state: Arc<State>,
    /// Dropped along, which says that no callback is to come.
    _registration: Registration,
}

impl PythonDelivery {
    pub(crate) fn new(state: Arc<State>, registration: Registration) -> Self {
        PythonDelivery { state, _registration: registration }
    }
}

impl Delivery for PythonDelivery {
    fn receiver(&self) -> Box<dyn Receiver> {
        Box::new(PythonReceiver::new(Arc::clone(&self.state)))
    }

    fn carries(&self) -> Carries {
        Carries {
            detach: true,
            commands: true,
            turns: true,
            lends: false,
            gathers: self.state.callbacks.gather(),
        }
    }

    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        Ok(Python::attach(|py| self.state.start(py, server))?)
    }

    fn on_stop(&self, server: &Handle) {
        Python::attach(|py| match self.state.is_hosted() {
            true => self.state.stopped(py, server),
            false => as_thread(py, || self.state.stop(py, server)),
        });
    }

    fn around_loop(&self, run: &mut dyn FnMut()) {
        attached(run);
    }
}

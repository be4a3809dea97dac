//! A server whose hand-overs are moved to the test, as a language with a thread of its own takes them.

use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;

use reactor_core::binding::log::{HandOver, Logged, Reader};
use reactor_core::{Action, BoxError, Config, Handle, Server};

/// Moves what it is given to the test, which answers by dropping it.
struct Away(Mutex<Sender<HandOver>>);

impl Reader for Away {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn read(&self, _: &Handle, hand_over: HandOver) -> Option<HandOver> {
        // The test may have seen enough.
        let _ = self.0.lock().unwrap().send(hand_over);
        None
    }

    fn on_stop(&self, _: &Handle) {}

    fn takes_commands(&self) -> bool {
        true
    }
}

/// A server that does not run yet, and what it will hand over.
pub(crate) fn handing_over(config: &Config) -> (Server, Receiver<HandOver>) {
    let (sender, hand_overs) = channel();
    let server = Server::delivering(Logged::new(Away(Mutex::new(sender))), config).unwrap();
    (server, hand_overs)
}

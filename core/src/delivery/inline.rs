//! The inline carrier: a [`Handler`]'s callbacks, called straight from the loop.

use std::sync::Arc;

use super::event::Event;
use super::handler::{BoxError, Handler};
use super::receiver::{Delivery, Receiver};
use crate::api::conn::Conn;
use crate::contract::action::Action;
use crate::contract::carries::Carries;
use crate::shared::handle::Handle;

/// One handler for all loops.
pub(crate) struct Inline<H>(Arc<H>);

impl<H> Inline<H> {
    pub(crate) fn new(handler: H) -> Self {
        Inline(Arc::new(handler))
    }
}

impl<H: Handler> Delivery for Inline<H> {
    fn receiver(&self) -> Box<dyn Receiver> {
        Box::new(Inline(Arc::clone(&self.0)))
    }

    fn carries(&self) -> Carries {
        Carries { detach: true, commands: true, turns: false, lends: false, gathers: false }
    }

    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        self.0.on_start(server)
    }

    fn on_stop(&self, server: &Handle) {
        self.0.on_stop(server);
    }
}

impl<H: Handler> Receiver for Inline<H> {
    #[inline]
    fn data(&mut self, conn: &Conn<'_>, data: &[u8]) -> Action {
        self.0.on_data(conn, data)
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        match event {
            Event::Open(conn) => return self.0.on_open(conn),
            Event::Datagram(conn, data) => return self.0.on_data(conn, data),
            Event::Eof(conn) => return self.0.on_eof(conn),
            Event::Drain(conn) => return self.0.on_drain(conn),
            Event::Wake(conn) => return self.0.on_wake(conn),
            Event::Timer(conn, timer) => return self.0.on_timer(conn, timer),
            Event::Completed(completion, completed) => completion.call(completed),
            Event::Undelivered(..) => {}
            Event::Detached(conn, detached) => self.0.on_detach(conn, detached),
            Event::Closed(conn, closed) => self.0.on_close(conn, closed),
            Event::Tick(server, next) => *next = self.0.on_tick(server),
            Event::PreWrite(server) => self.0.on_pre_write(server),
            Event::Stopping(server) => self.0.on_stopping(server),
        }
        Action::None
    }
}

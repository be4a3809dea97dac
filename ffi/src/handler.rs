//! The carrier that calls a C program: inline, from the loop.

use std::ffi::c_void;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use reactor_core::binding::{guarded, Carries, Delivery, Event, Receiver};
use reactor_core::{Action, BoxError, Closed, Conn, Detached, Handle, TimerId};

use crate::action::from_c;
use crate::callbacks::Table;
use crate::conn::reactor_conn;
use crate::inside::Inside;
use crate::server::reactor_server;

/// What calls C, for all loops and on each.
pub(crate) struct CHandler(pub(crate) Arc<Table>);

type OnConn = unsafe extern "C" fn(*mut c_void, *mut reactor_server, reactor_conn) -> i32;
type OnServer = unsafe extern "C" fn(*mut c_void, *mut reactor_server);

impl CHandler {
    /// Calls a callback of a connection that is told nothing else; if there is none, `otherwise`.
    fn on_conn(&self, conn: &Conn<'_>, callback: Option<OnConn>, otherwise: Action) -> Action {
        callback.map_or(otherwise, |callback| {
            // SAFETY: the program's own function, with its data and its server, which outlives its loops.
            done(conn, unsafe { callback(self.0.user_data(), self.0.server(), conn.id().to_u64()) })
        })
    }

    fn on_server(&self, callback: Option<OnServer>) {
        if let Some(callback) = callback {
            let _inside = Inside::mark();
            // SAFETY: as in `on_conn`.
            unsafe { callback(self.0.user_data(), self.0.server()) };
        }
    }

    fn on_timer(&self, conn: &Conn<'_>, timer: TimerId) -> Action {
        self.0.callbacks.on_timer.map_or(Action::None, |on_timer| {
            let (id, server) = (conn.id().to_u64(), self.0.server());
            // SAFETY: as in `on_conn`.
            done(conn, unsafe { on_timer(self.0.user_data(), server, id, timer.to_u64()) })
        })
    }

    fn on_detach(&self, conn: &Conn<'_>, detached: Detached) {
        let Some(on_detach) = self.0.callbacks.on_detach else { return };
        let (id, server) = (conn.id().to_u64(), self.0.server());
        let Detached { descriptor, input, output } = detached;
        let ((input, input_len), (output, output_len)) =
            ((input.as_ptr(), input.len()), (output.as_ptr(), output.len()));
        let descriptor = descriptor.into_raw_fd();
        // SAFETY: as in `on_data`, twice; the descriptor is the program's, and nobody else's, from here on.
        unsafe {
            on_detach(self.0.user_data(), server, id, descriptor, input, input_len, output, output_len);
        }
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        if let Some(on_close) = self.0.callbacks.on_close {
            let (id, server) = (conn.id().to_u64(), self.0.server());
            let (reason, error_number) = (closed.reason as i32, closed.errno.unwrap_or(0));
            // SAFETY: as in `on_conn`.
            unsafe { on_close(self.0.user_data(), server, id, reason, error_number) };
        }
    }

    fn on_tick(&self) -> Option<Duration> {
        let on_tick = self.0.callbacks.on_tick?;
        // SAFETY: as in `on_conn`.
        let next = unsafe { on_tick(self.0.user_data(), self.0.server()) };
        u64::try_from(next).ok().map(Duration::from_millis)
    }
}

impl Delivery for CHandler {
    fn receiver(&self) -> Box<dyn Receiver> {
        Box::new(CHandler(Arc::clone(&self.0)))
    }

    fn carries(&self) -> Carries {
        Carries { detach: true, commands: true, turns: false, lends: false, gathers: false }
    }

    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        let Some(on_start) = self.0.callbacks.on_start else { return Ok(Action::None) };
        let _inside = Inside::mark();
        let mut action = 0;
        let returned = guarded(|| {
            // SAFETY: the program's own function, with its data and its server, which lives until it is freed,
            // and that waits for the start to return.
            action = unsafe { on_start(self.0.user_data(), self.0.server()) };
        });
        if !returned {
            return Err("it ended its thread".into());
        }
        from_c(action).ok_or_else(|| format!("it returned {action}, which is no action").into())
    }

    fn on_stop(&self, _: &Handle) {
        // There is nothing left to end if it ends its thread.
        let _ = guarded(|| self.on_server(self.0.callbacks.on_stop));
    }

    fn around_loop(&self, run: &mut dyn FnMut()) {
        let _inside = Inside::mark();
        run();
    }
}

impl Receiver for CHandler {
    fn data(&mut self, conn: &Conn<'_>, data: &[u8]) -> Action {
        self.0.callbacks.on_data.map_or(Action::None, |on_data| {
            let (id, server) = (conn.id().to_u64(), self.0.server());
            // SAFETY: as in `on_conn`; the bytes are valid while the callback runs, as it was promised.
            done(conn, unsafe { on_data(self.0.user_data(), server, id, data.as_ptr(), data.len()) })
        })
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        let callbacks = &self.0.callbacks;
        match event {
            Event::Open(conn) => return self.on_conn(conn, callbacks.on_open, Action::None),
            Event::Datagram(conn, data) => return self.data(conn, data),
            Event::Eof(conn) => return self.on_conn(conn, callbacks.on_eof, Action::Close),
            Event::Drain(conn) => return self.on_conn(conn, callbacks.on_drain, Action::None),
            Event::Wake(conn) => return self.on_conn(conn, callbacks.on_wake, Action::None),
            Event::Timer(conn, timer) => return self.on_timer(conn, timer),
            Event::Completed(completion, completed) => completion.call(completed),
            Event::Undelivered(..) => {}
            Event::Detached(conn, detached) => self.on_detach(conn, detached),
            Event::Closed(conn, closed) => self.on_close(conn, closed),
            Event::Tick(_, next) => *next = self.on_tick(),
            Event::PreWrite(server) => match callbacks.on_pre_write {
                Some(_) => self.on_server(callbacks.on_pre_write),
                None => server.has_no_pre_write(),
            },
            Event::Stopping(_) => self.on_server(callbacks.on_stopping),
        }
        Action::None
    }
}

/// The action that a callback returned; a number that is none fails the connection.
fn done(conn: &Conn<'_>, action: i32) -> Action {
    from_c(action).unwrap_or_else(|| no_action(conn, action))
}

#[cold]
#[inline(never)]
fn no_action(conn: &Conn<'_>, action: i32) -> Action {
    conn.callback_failed(format_args!("returned {action}, which is no action"));
    Action::None
}

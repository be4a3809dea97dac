//! The callbacks of a C program, as the engine's handler.

use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use reactor_core::{Action, BoxError, Closed, Conn, Handle, Handler};

use crate::action::from_c;
use crate::conn::reactor_conn;
use crate::inside::Inside;
use crate::server::reactor_server;
use crate::sized::SizedStruct;

/// What a program wants to be called for. Set size to sizeof; a callback that is NULL is not called.
///
/// Callbacks get the server that reactor_server_new() made and the id of the connection. The callbacks of one
/// connection come in order, never two at once, on its loop's thread; those of different loops run at the
/// same time. An action that is none of REACTOR_ACTION_... counts as a failure: it closes the connection, and
/// on_close is told so by the reason REACTOR_CLOSE_HANDLER_ERROR; nothing else reports it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_callbacks {
    /// sizeof(struct reactor_callbacks), by which a later library knows the members that this program knows.
    pub size: usize,
    /// The program's own; given to every callback and used for nothing else. May be NULL.
    pub user_data: *mut c_void,
    /// Called once by reactor_server_free(), on its thread, after everything else, to release user_data. It
    /// must not use the server any more. Not called when reactor_server_new() fails: user_data is the
    /// caller's then.
    pub destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// The server starts: once per start, before any other callback, on the thread that starts it. Returning
    /// REACTOR_ACTION_STOP refuses the start (REACTOR_STATUS_STOPPED), a number that is no action fails it
    /// (REACTOR_STATUS_HANDLER_FAILED).
    pub on_start: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server) -> i32>,
    /// A connection is open and takes writes.
    pub on_open: Option<
        unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn) -> i32,
    >,
    /// Bytes came in. They are valid until the callback returns, and count as consumed; len is never 0.
    pub on_data: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            server: *mut reactor_server,
            conn: reactor_conn,
            data: *const u8,
            len: usize,
        ) -> i32,
    >,
    /// The queue of unsent output, once above the high-water mark, has fallen to the low-water mark.
    pub on_drain: Option<
        unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn) -> i32,
    >,
    /// The connection is gone: the last of its callbacks, exactly once after each on_open. reason is one of
    /// REACTOR_CLOSE_..., or a number that this program does not know; error_number is the system's for
    /// REACTOR_CLOSE_RESET, and 0 where there is none.
    pub on_close: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            server: *mut reactor_server,
            conn: reactor_conn,
            reason: i32,
            error_number: i32,
        ),
    >,
    /// The server has stopped: once, after the last callback of any connection, when all loops have ended.
    pub on_stop: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server)>,
}

// SAFETY: `size` first, then pointers, which have no padding between them and may be NULL.
unsafe impl SizedStruct for reactor_callbacks {
    const ENDS: &'static [usize] = &[
        offset_of!(reactor_callbacks, destroy),
        offset_of!(reactor_callbacks, on_start),
        offset_of!(reactor_callbacks, on_open),
        offset_of!(reactor_callbacks, on_data),
        offset_of!(reactor_callbacks, on_drain),
        offset_of!(reactor_callbacks, on_close),
        offset_of!(reactor_callbacks, on_stop),
    ];
}

/// The callbacks and the server that they are given.
pub(crate) struct Table {
    callbacks: reactor_callbacks,
    server: AtomicPtr<reactor_server>,
}

// SAFETY: the program agreed to be called on the loops' threads, with its `user_data`; nothing else is
// shared.
unsafe impl Send for Table {}
// SAFETY: as for `Send`: callbacks of different loops run at the same time, as the header says.
unsafe impl Sync for Table {}

impl Table {
    pub(crate) fn new(callbacks: reactor_callbacks) -> Self {
        Table { callbacks, server: AtomicPtr::default() }
    }

    /// Says which server to give to the callbacks; before the first of them.
    pub(crate) fn set_server(&self, server: *mut reactor_server) {
        self.server.store(server, Ordering::Release);
    }

    fn server(&self) -> *mut reactor_server {
        self.server.load(Ordering::Acquire)
    }

    /// Releases the program's `user_data`; once, last.
    pub(crate) fn destroy(&self) {
        if let Some(destroy) = self.callbacks.destroy {
            // SAFETY: the program's own function, with the value that it expects.
            unsafe { destroy(self.callbacks.user_data) };
        }
    }
}

/// The handler that calls C.
pub(crate) struct CHandler(pub(crate) Arc<Table>);

impl Handler for CHandler {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        let Table { callbacks, .. } = &*self.0;
        let Some(on_start) = callbacks.on_start else { return Ok(Action::None) };
        let _inside = Inside::mark();
        // SAFETY: the program's own function, with its data and its server, which lives until it is freed,
        // and that waits for the start to return.
        let action = unsafe { on_start(callbacks.user_data, self.0.server()) };
        from_c(action).ok_or_else(|| format!("it returned {action}, which is no action").into())
    }

    fn on_open(&self, conn: &Conn<'_>) -> Action {
        let Table { callbacks, .. } = &*self.0;
        callbacks.on_open.map_or(Action::None, |on_open| {
            // SAFETY: the program's own function, with its data and its server, which outlives its loops.
            done(conn, unsafe { on_open(callbacks.user_data, self.0.server(), conn.id().to_u64()) })
        })
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let Table { callbacks, .. } = &*self.0;
        callbacks.on_data.map_or(Action::None, |on_data| {
            let (id, server) = (conn.id().to_u64(), self.0.server());
            // SAFETY: as in `on_open`; the bytes are valid while the callback runs, as it was promised.
            done(conn, unsafe { on_data(callbacks.user_data, server, id, data.as_ptr(), data.len()) })
        })
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        let Table { callbacks, .. } = &*self.0;
        callbacks.on_drain.map_or(Action::None, |on_drain| {
            // SAFETY: as in `on_open`.
            done(conn, unsafe { on_drain(callbacks.user_data, self.0.server(), conn.id().to_u64()) })
        })
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        let Table { callbacks, .. } = &*self.0;
        if let Some(on_close) = callbacks.on_close {
            let (id, server) = (conn.id().to_u64(), self.0.server());
            let (reason, error_number) = (closed.reason as i32, closed.errno.unwrap_or(0));
            // SAFETY: as in `on_open`.
            unsafe { on_close(callbacks.user_data, server, id, reason, error_number) };
        }
    }

    fn on_stop(&self, _: &Handle) {
        let Table { callbacks, .. } = &*self.0;
        if let Some(on_stop) = callbacks.on_stop {
            let _inside = Inside::mark();
            // SAFETY: as in `on_open`: the thread that calls it is waited for.
            unsafe { on_stop(callbacks.user_data, self.0.server()) };
        }
    }

    fn around_loop(&self, run: &mut dyn FnMut()) {
        let _inside = Inside::mark();
        run();
    }
}

/// The action that a callback returned; a number that is none fails the connection.
fn done(conn: &Conn<'_>, action: i32) -> Action {
    from_c(action).unwrap_or_else(|| {
        // Refused if the connection is closed or closing already, and then there is nothing left to do.
        let _ = conn.fail();
        Action::None
    })
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    #[test]
    fn a_program_may_end_at_every_pointer_after_the_first_two_members() {
        let pointer = size_of::<usize>();
        let ends: Vec<usize> = (2 * pointer..size_of::<reactor_callbacks>()).step_by(pointer).collect();
        assert_eq!(reactor_callbacks::ENDS, ends);
    }
}

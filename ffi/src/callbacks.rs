//! The callbacks of a C program.

use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::conn::{reactor_conn, reactor_timer};
use crate::inside::Inside;
use crate::server::reactor_server;
use crate::sized::{ends, SizedStruct};

/// What a program wants to be called for. Set size to sizeof; a callback that is NULL is not called.
///
/// Callbacks get the server that reactor_server_new() made and the id of the connection. The callbacks of one
/// connection come in order, never two at once, on its loop's thread; those of different loops run at the
/// same time. An action that is none of REACTOR_ACTION_... counts as a failure: it closes the connection,
/// on_close is told so by the reason REACTOR_CLOSE_HANDLER_ERROR, and the log, at REACTOR_LOG_ERROR, says which
/// number it was.
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
    /// The server starts: once per start, before any other callback, on the thread that starts it, and for a
    /// server that its host drives in the first turn. Returning REACTOR_ACTION_STOP refuses the start
    /// (REACTOR_STATUS_STOPPED), a number that is no action fails it (REACTOR_STATUS_HANDLER_FAILED).
    pub on_start: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server) -> i32>,
    /// A connection is open and takes writes. UDP endpoints have no such event.
    pub on_open: Option<
        unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn) -> i32,
    >,
    /// Bytes came in: whatever there is; with a framing, one whole frame; on UDP, one datagram, whose sender
    /// reactor_conn_datagram() tells. They are valid until the callback returns, and count as consumed but
    /// for what reactor_conn_keep() keeps. data is never NULL; len may be 0 for a frame or a datagram.
    pub on_data: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            server: *mut reactor_server,
            conn: reactor_conn,
            data: *const u8,
            len: usize,
        ) -> i32,
    >,
    /// The peer has shut its writing side down, and everything before was delivered. Only for connections
    /// with half_open; others are closed then, and so are these if it is NULL. The connection goes on until
    /// reactor_conn_end() or close.
    pub on_eof: Option<
        unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn) -> i32,
    >,
    /// The queue of unsent output, once above the high-water mark, has fallen to the low-water mark.
    pub on_drain: Option<
        unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn) -> i32,
    >,
    /// reactor_conn_wake() was called for the connection, once or several times.
    pub on_wake: Option<
        unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn) -> i32,
    >,
    /// A timer of the connection's is due: the one that reactor_conn_start_timer() gave.
    pub on_timer: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            server: *mut reactor_server,
            conn: reactor_conn,
            timer: reactor_timer,
        ) -> i32,
    >,
    /// The connection was detached: the last of its callbacks, instead of on_close. descriptor is its socket,
    /// non-blocking and close-on-exec; it is the program's from now on, to be closed by it. input was read
    /// and not consumed, output was written and not taken by the kernel; both are valid until the callback
    /// returns. If this is NULL, the descriptor is closed.
    pub on_detach: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            server: *mut reactor_server,
            conn: reactor_conn,
            descriptor: i32,
            input: *const u8,
            input_len: usize,
            output: *const u8,
            output_len: usize,
        ),
    >,
    /// The connection is gone: the last of its callbacks, exactly once after each on_open, and for an
    /// outgoing connection that failed the only one. reason is one of REACTOR_CLOSE_..., or a number that
    /// this program does not know; error_number is the system's for REACTOR_CLOSE_RESET and
    /// REACTOR_CLOSE_CONNECT_FAILED, and 0 where there is none.
    pub on_close: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            server: *mut reactor_server,
            conn: reactor_conn,
            reason: i32,
            error_number: i32,
        ),
    >,
    /// Time passes: called on loop 0 as soon as the loops run, and again after as many milliseconds as it
    /// returns; REACTOR_NEVER, or any negative number, ends it.
    pub on_tick: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server) -> i64>,
    /// A loop is about to send the first output of a turn: once a turn at most, on the loop's thread. What is
    /// written here leaves along.
    pub on_pre_write: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server)>,
    /// A graceful stop has begun: once, on loop 0. When it returns the listeners are closed, and connections may
    /// finish until the deadline.
    pub on_stopping: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server)>,
    /// The server has stopped: once, after the last callback of any connection, when all loops have ended.
    pub on_stop: Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server)>,
}

// SAFETY: pointers that may be NULL, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_callbacks {
    const ENDS: &'static [usize] = ends!(
        reactor_callbacks: size, user_data; destroy, on_start, on_open, on_data, on_eof, on_drain, on_wake, on_timer,
        on_detach, on_close, on_tick, on_pre_write, on_stopping, on_stop,
    );
}

/// The callbacks and the server that they are given.
pub(crate) struct Table {
    pub(crate) callbacks: reactor_callbacks,
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

    pub(crate) fn server(&self) -> *mut reactor_server {
        self.server.load(Ordering::Acquire)
    }

    pub(crate) fn user_data(&self) -> *mut c_void {
        self.callbacks.user_data
    }

    /// Releases the program's `user_data`; once, last.
    pub(crate) fn destroy(&self) {
        if let Some(destroy) = self.callbacks.destroy {
            let _inside = Inside::mark();
            // SAFETY: the program's own function, with the value that it expects.
            unsafe { destroy(self.callbacks.user_data) };
        }
    }
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

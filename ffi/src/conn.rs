//! Connections, which are named by their ids: ending, reading, calling back.

use std::ffi::c_void;

use reactor_core::{Conn, ConnId, Handle, Result, TimerId};

use crate::call::Call;
use crate::out;
use crate::owned::{hand_over, reactor_destroy, Owned};
use crate::passed::Passed;
use crate::server::reactor_server;
use crate::status::reactor_status;
use crate::value;

/// The id of a connection or UDP endpoint: never 0, and never used again in this process. It may be kept,
/// copied and used by any thread; calls on the id of a dead connection answer REACTOR_STATUS_CLOSED and touch
/// nothing.
pub type reactor_conn = u64;

/// The id of a timer: never 0, and never used again in this process.
pub type reactor_timer = u64;

/// A function that runs on the loop of a connection; calls on conn answer REACTOR_STATUS_CLOSED if it has
/// gone meanwhile.
pub type reactor_conn_function =
    Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server, conn: reactor_conn)>;

/// Shuts the writing side of a connection down, behind what is queued: the peer sees EOF. Reading goes on;
/// the connection is closed when the peer's side has ended, too. Never blocks.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, was ended before, or belongs to
/// another server; REACTOR_STATUS_UNSUPPORTED for a UDP endpoint; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_end(server: *mut reactor_server, conn: reactor_conn) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_end").by_id(server, conn, |handle, id| handle.end(id?)) }
}

/// Closes a connection: from now on writes answer REACTOR_STATUS_CLOSED; what is queued is sent, then writing
/// is shut down; input is discarded until the peer closes too or the linger limit is over; then comes
/// on_close. Never blocks.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_UNSUPPORTED for a UDP endpoint; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_close(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_close").by_id(server, conn, |handle, id| handle.close(id?)) }
}

/// Closes a connection as if a callback of its had failed: the same as reactor_conn_close(), with the reason
/// REACTOR_CLOSE_HANDLER_ERROR.
///
/// Errors: as reactor_conn_close().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_fail(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_fail").by_id(server, conn, |handle, id| handle.fail(id?)) }
}

/// Resets a connection at once: what is queued is dropped. Also one that is being closed. Never blocks.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
/// REACTOR_STATUS_UNSUPPORTED for a UDP endpoint; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_abort(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_abort").by_id(server, conn, |handle, id| handle.abort(id?)) }
}

/// Takes a connection out of the engine: its completions are cancelled, one attempt is made to send what is
/// queued, then on_detach gets the descriptor. Never blocks.
///
/// Errors: as reactor_conn_close().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_detach(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_detach").by_id(server, conn, |handle, id| handle.detach(id?)) }
}

/// Has on_wake called. Several calls before it comes are one. Never blocks.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_wake(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_wake").by_id(server, conn, |handle, id| handle.wake(id?)) }
}

/// Stops reading a connection, until reactor_conn_resume(): the peer feels it as backpressure. Frames that
/// were read already wait, too. So does the peer's EOF; but a reset ends the connection at once, with what was
/// not read. Never blocks.
///
/// Errors: as reactor_conn_wake().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_pause(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_pause").by_id(server, conn, |handle, id| handle.pause(id?)) }
}

/// Reads a connection again. Never blocks.
///
/// Errors: as reactor_conn_wake().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_resume(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_resume").by_id(server, conn, |handle, id| handle.resume(id?)) }
}

/// Holds a connection while an answer is made elsewhere, by a pool of threads, say. Until reactor_conn_release() it is
/// not read, frames that were read already wait, and the peer's EOF does not close it. Its idle and read time-outs do
/// not run. Writes, timers and wakes go on. Holds are counted: it goes on when it was released as often as it was
/// held. A reset, a close, the write time-out and the server's stop end it all the same. Any thread. Never blocks.
///
/// Errors: as reactor_conn_wake(); REACTOR_STATUS_UNSUPPORTED for a UDP socket; REACTOR_STATUS_WRONG_STATE beyond
/// 2,147,483,647 holds.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_hold(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_hold").by_id(server, conn, |handle, id| handle.hold(id?)) }
}

/// Takes one reactor_conn_hold() back. What the calling thread has written before comes before the end that the peer's
/// EOF may have been waiting for. The idle and the read time-out begin anew with the last release. Any thread. Never
/// blocks.
///
/// Errors: as reactor_conn_hold(); REACTOR_STATUS_WRONG_STATE if the connection is not held.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_release(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_release").by_id(server, conn, |handle, id| handle.release(id?)) }
}

/// In on_data: the last count bytes of the input do not count as consumed; they come again in front of the
/// next. Only without a framing, and not on UDP. The last call counts. More than 16 MiB closes the connection,
/// with REACTOR_CLOSE_PROTOCOL: a program that waits for more than that takes the bytes itself.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT if the input has fewer bytes, and for a NULL;
/// REACTOR_STATUS_WRONG_STATE outside on_data of this connection, or with a framing;
/// REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if the connection is gone,
/// or belongs to another server.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_keep(
    server: *mut reactor_server,
    conn: reactor_conn,
    count: usize,
) -> reactor_status {
    let keep = |handle: &Handle, id: Result<ConnId>| handle.with_conn(id?, |conn| conn.keep(count))?;
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_keep").by_id(server, conn, keep) }
}

/// Calls on_timer after delay_ms milliseconds, and again after each repeat_ms if that is not 0. It ends with
/// the connection, or by reactor_server_cancel_timer(). out_timer may be NULL.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD elsewhere than on the connection's loop, where
/// reactor_conn_run_on_loop() leads; REACTOR_STATUS_CLOSED if it is closed or closing, or belongs to another
/// server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a negative time, and beyond 16,777,216 timers on one
/// loop.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_start_timer(
    server: *mut reactor_server,
    conn: reactor_conn,
    delay_ms: i64,
    repeat_ms: i64,
    out_timer: *mut reactor_timer,
) -> reactor_status {
    let call = Call::new("reactor_conn_start_timer");
    let start = |handle: &Handle, id: Result<ConnId>| {
        let delay = value::time(delay_ms, call, "delay_ms")?;
        let repeat = value::time(repeat_ms, call, "repeat_ms")?;
        let timer: TimerId = handle.with_conn(id?, |conn: &Conn<'_>| conn.start_timer(delay, repeat))??;
        // SAFETY: NULL, or the caller passes room for the number.
        unsafe { out::offer(out_timer, timer.to_u64()) };
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.by_id(server, conn, start) }
}

/// Runs a function on the loop of a connection. Never blocks. destroy, which may be NULL, is called after the
/// function, or alone if the loop ends before.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL. user_data is the caller's then, and destroy is not called.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_run_on_loop(
    server: *mut reactor_server,
    conn: reactor_conn,
    function: reactor_conn_function,
    user_data: *mut c_void,
    destroy: reactor_destroy,
) -> reactor_status {
    let call = Call::new("reactor_conn_run_on_loop");
    let called_with = Passed(server);
    let run = |handle: &Handle, id: Result<ConnId>| {
        let (function, id) = (call.required(function, "function")?, id?);
        hand_over(user_data, destroy, |owned: Owned| {
            handle.run_on_conn(id, move |conn| {
                // SAFETY: the program's own function, with its data and its server, which outlives its loops.
                unsafe { function(owned.data(), called_with.get(), conn.id().to_u64()) };
            })
        })
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.by_id(server, conn, run) }
}

/// Says whether a connection takes writes: writes 1 or 0 to *out_open. Not an error for the id of a dead
/// connection, or of another server's.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_is_open(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_open: *mut u32,
) -> reactor_status {
    let is_open = |server: &reactor_server| {
        let id = ConnId::from_u64(conn);
        Ok(id.is_some_and(|id| server.handle().is_open(id)).into())
    };
    // SAFETY: the caller's server, not freed during the call, and NULL or room for the number.
    unsafe { Call::new("reactor_conn_is_open").getter(server, out_open, "out_open", is_open) }
}

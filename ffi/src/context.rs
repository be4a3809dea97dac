//! The program's own value for each connection.

use std::ffi::c_void;

use reactor_core::{ConnId, Context, Handle, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::owned::{hand_over, reactor_destroy, Owned};
use crate::server::reactor_server;
use crate::status::reactor_status;

/// The context of a connection as the engine keeps it.
pub(crate) fn boxed(owned: Owned) -> Context {
    Box::new(owned)
}

/// Gives a connection a value of the program's own, in place of the one before, whose destroy is called.
/// destroy, which may be NULL, is called once, on the connection's loop, after its last callback.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD elsewhere than on the connection's loop; REACTOR_STATUS_CLOSED if it
/// is gone, or belongs to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL server. context is the
/// caller's then, and destroy is not called.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_set_context(
    server: *mut reactor_server,
    conn: reactor_conn,
    context: *mut c_void,
    destroy: reactor_destroy,
) -> reactor_status {
    let set = |handle: &Handle, id: Result<ConnId>| {
        let id = id?;
        hand_over(context, destroy, |owned| {
            // The one before is dropped here.
            handle.with_conn(id, |conn| conn.set_context(boxed(owned))).map(drop)
        })
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_set_context").by_id(server, conn, set) }
}

/// Gives the value that reactor_conn_set_context(), or the options of the connect, gave the connection; NULL
/// if it has none. In on_close and on_detach, too.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD elsewhere than on the connection's loop; REACTOR_STATUS_CLOSED if it
/// is gone, or belongs to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_context(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_context: *mut *mut c_void,
) -> reactor_status {
    let call = Call::new("reactor_conn_context");
    let get = |handle: &Handle, id: Result<ConnId>| {
        let context = handle.with_conn(id?, |conn| conn.with_context(|owned: &mut Owned| owned.data()))?;
        Ok(context.unwrap_or(std::ptr::null_mut()))
    };
    // SAFETY: the caller's server, not freed during the call, and NULL or room for a pointer.
    unsafe {
        call.by_id(server, conn, |handle, id| call.give(out_context, "out_context", || get(handle, id)))
    }
}

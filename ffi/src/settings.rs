//! What the engine keeps of a connection and can be changed: time-outs and framing.

use reactor_core::{ConnId, ConnOptions, Framing, Handle, Result, Timeouts};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::framing::{self, reactor_framing};
use crate::server::reactor_server;
use crate::status::reactor_status;
use crate::value;

/// Changes a connection's time-outs, which begin anew: in milliseconds, 0 or REACTOR_NEVER for none. What
/// they mean is said at struct reactor_listen_options.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a negative time.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_set_timeouts(
    server: *mut reactor_server,
    conn: reactor_conn,
    idle_ms: i64,
    read_ms: i64,
    write_ms: i64,
) -> reactor_status {
    let call = Call::new("reactor_conn_set_timeouts");
    let set = |handle: &Handle, id: Result<ConnId>| {
        let timeouts = timeouts(idle_ms, read_ms, write_ms, call)?;
        handle.set_timeouts(id?, timeouts)
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.by_id(server, conn, set) }
}

pub(crate) fn timeouts(idle_ms: i64, read_ms: i64, write_ms: i64, call: Call) -> Result<Timeouts> {
    Ok(Timeouts {
        idle: value::timeout(idle_ms, call, "idle_ms")?,
        read: value::timeout(read_ms, call, "read_ms")?,
        write: value::timeout(write_ms, call, "write_ms")?,
    })
}

/// What a connection starts with.
pub(crate) fn conn_options(
    framing: Option<Framing>,
    timeouts: Timeouts,
    half_open: u32,
    call: Call,
) -> Result<ConnOptions> {
    let half_open = value::switch(half_open, call, "options->half_open")?.unwrap_or(false);
    Ok(ConnOptions { framing, timeouts, half_open })
}

/// Changes how a connection's input is cut into frames, from the next byte that on_data has not had. NULL:
/// not at all, on_data gets whatever there is. The framing may be freed after the call.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL server and a framing that contradicts itself;
/// REACTOR_STATUS_UNSUPPORTED for a UDP endpoint.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_set_framing(
    server: *mut reactor_server,
    conn: reactor_conn,
    framing: *const reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_conn_set_framing");
    // SAFETY: the caller's server and framing, not freed during the call.
    unsafe { call.by_id(server, conn, |handle, id| handle.set_framing(id?, framing::cloned(framing))) }
}

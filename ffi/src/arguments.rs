//! The arguments of a command, for on_data.

use reactor_core::{ConnId, ErrorKind, Handle, Place, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::server::reactor_server;
use crate::status::reactor_status;

/// Where an argument of a command stands in the data of on_data.
#[repr(C)]
pub struct reactor_place {
    /// Of its first byte, counted from the data's.
    pub offset: usize,
    /// Its bytes.
    pub len: usize,
}

/// In on_data, with a framing of reactor_framing_resp(): gives where the arguments of the command stand in the data, and how
/// many there are, at least one: the command's name. They are valid until on_data returns.
///
/// Errors: REACTOR_STATUS_WRONG_STATE outside on_data of this connection, and with another framing or none;
/// REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if the connection is gone, or belongs
/// to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_arguments(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_places: *mut *const reactor_place,
    out_count: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_conn_arguments");
    let give = |handle: &Handle, id: Result<ConnId>| {
        let id = id?;
        call.not_null(out_places, "out_places")?;
        call.not_null(out_count, "out_count")?;
        let Some(places) = handle.argument_places(id) else { return no_arguments(call, handle, id) };
        // SAFETY: not NULL, and the caller passes room. The loop has a share in the places until on_data returns, and does
        // not change them before.
        unsafe {
            out_places.write(places.as_ptr().cast());
            out_count.write(places.len());
        }
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.by_id(server, conn, give) }
}

#[cold]
fn no_arguments(call: Call, handle: &Handle, id: ConnId) -> Result<()> {
    handle.with_conn(id, |_| ())?;
    let message = "arguments are for on_data of a command: of this connection, with reactor_framing_resp()";
    Err(call.error(ErrorKind::WrongState, message))
}

// It is read as the engine's own.
const _: () = {
    assert!(size_of::<reactor_place>() == size_of::<Place>());
    assert!(std::mem::offset_of!(reactor_place, offset) == std::mem::offset_of!(Place, offset));
    assert!(std::mem::offset_of!(reactor_place, len) == std::mem::offset_of!(Place, len));
};

//! What can be read of a connection at any time.

use reactor_core::{ConnId, ConnInfo, Handle, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::listen::reactor_listener;
use crate::server::reactor_server;
use crate::sized::{self, ends, SizedStruct};
use crate::status::reactor_status;

/// What can be read of a connection at any time. Set size to sizeof before the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_info {
    /// sizeof(struct reactor_info).
    pub size: usize,
    /// The listener it came from; 0 for outgoing connections and descriptors taken over.
    pub listener: reactor_listener,
    /// The index of its loop, from 0.
    pub on_loop: u32,
    /// Milliseconds since it was taken in.
    pub age_ms: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes that the kernel took.
    pub sent: u64,
    /// Bytes written and not taken by the kernel.
    pub queued: u64,
}

// SAFETY: integers only, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_info {
    const ENDS: &'static [usize] =
        ends!(reactor_info: size, listener; on_loop, age_ms, received, sent, queued);
}

/// Tells what can be read of a connection; on its loop, in on_close and on_detach, too.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a size that cannot be.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_info(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_info: *mut reactor_info,
) -> reactor_status {
    let call = Call::new("reactor_conn_info");
    // SAFETY: the caller's server, not freed during the call, and NULL or a structure of the size that it says.
    unsafe {
        call.by_id(server, conn, |handle, id| {
            sized::fill(out_info, call, "out_info", || Ok(from_core(&info(handle, id?)?)))
        })
    }
}

/// On the connection's loop, its own view, which lasts until after its last callback.
fn info(handle: &Handle, id: ConnId) -> Result<ConnInfo> {
    handle.with_conn(id, |conn| conn.info()).and_then(|info| info).or_else(|_| handle.info(id))
}

fn from_core(info: &ConnInfo) -> reactor_info {
    reactor_info {
        size: 0,
        listener: info.listener.map_or(0, |listener| listener.to_u32()),
        on_loop: info.on_loop as u32,
        age_ms: u64::try_from(info.age.as_millis()).unwrap_or(u64::MAX),
        received: info.received,
        sent: info.sent,
        queued: info.queued as u64,
    }
}

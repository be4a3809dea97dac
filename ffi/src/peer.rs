//! Between whom a connection is: the addresses of its two sides, and who is at the other.

use std::ffi::c_char;

use reactor_core::{Address, ConnId, Handle, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::out;
use crate::server::reactor_server;
use crate::status::reactor_status;

/// Gives the peer's address as text: "127.0.0.1:5000", "[::1]:5000", "[fe80::1%2]:5000", "/run/x.sock", "@name", and
/// nothing for an unnamed one: what can stand in a URL behind its scheme. In a path or name, %, ?, control characters
/// and bytes that are not UTF-8 stand as % and two hexadecimal digits. On the connection's loop, in on_close, too: that
/// of an outgoing connection which could not be made is the last that was tried.
///
/// Writes the address and a zero byte to buffer, which has room for capacity bytes; REACTOR_ADDRESS_CAPACITY
/// are always enough. out_length, which may be NULL, is given the length without the zero byte. To learn only
/// the length, pass NULL and 0.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, and a buffer that is too small; REACTOR_STATUS_SYSTEM
/// if the socket has no peer.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_remote_address(
    server: *mut reactor_server,
    conn: reactor_conn,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_conn_remote_address");
    let remote = |handle: &Handle, id| {
        let own = handle.with_conn(id, |conn| conn.remote_address()).and_then(|address| address);
        own.or_else(|_| handle.remote_address(id))
    };
    // SAFETY: what the caller passes.
    unsafe { address(call, server, conn, buffer, capacity, out_length, remote) }
}

/// Gives the address of this side as text; otherwise as reactor_conn_remote_address(). An outgoing connection which
/// could not be made may have none in on_close.
///
/// Errors: as reactor_conn_remote_address().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_local_address(
    server: *mut reactor_server,
    conn: reactor_conn,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_conn_local_address");
    let local = |handle: &Handle, id| {
        let own = handle.with_conn(id, |conn| conn.local_address()).and_then(|address| address);
        own.or_else(|_| handle.local_address(id))
    };
    // SAFETY: what the caller passes.
    unsafe { address(call, server, conn, buffer, capacity, out_length, local) }
}

/// # Safety
/// The server is NULL or not freed during the call; the rest is as for [`Call::give_text`].
unsafe fn address(
    call: Call,
    server: *const reactor_server,
    conn: reactor_conn,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
    address: impl FnOnce(&Handle, ConnId) -> Result<Address>,
) -> reactor_status {
    // SAFETY: what the caller promises.
    unsafe {
        call.by_id(server, conn, |handle, id| {
            call.give_text(&address(handle, id?)?.to_string(), buffer, capacity, out_length)
        })
    }
}

/// Tells who is at the other end of a Unix connection, as it was when it connected: the process, 0 where it
/// has no number here, and the effective user and group. Each of the out_ parameters may be NULL.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
/// REACTOR_STATUS_SYSTEM if it is no Unix socket; REACTOR_STATUS_INVALID_ARGUMENT for a NULL server.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_peer_credentials(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_pid: *mut i32,
    out_uid: *mut u32,
    out_gid: *mut u32,
) -> reactor_status {
    let get = |handle: &Handle, id: Result<ConnId>| {
        let credentials = handle.peer_credentials(id?)?;
        // SAFETY: each NULL, or the caller passes room for the number.
        unsafe {
            out::offer(out_pid, credentials.pid.unwrap_or(0));
            out::offer(out_uid, credentials.uid);
            out::offer(out_gid, credentials.gid);
        }
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_conn_peer_credentials").by_id(server, conn, get) }
}

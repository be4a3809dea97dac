//! What can be read of a connection.

use std::cell::Cell;
use std::ffi::c_char;
use std::mem::MaybeUninit;

use libc::{sockaddr, sockaddr_storage};
use reactor_core::{Address, ConnId, ConnInfo, ErrorKind, Handle, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::listen::reactor_listener;
use crate::out;
use crate::server::reactor_server;
use crate::sized::{self, ends, SizedStruct};
use crate::socket_address;
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

/// A datagram's circumstances. Set size to sizeof before the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_datagram {
    /// sizeof(struct reactor_datagram).
    pub size: usize,
    /// Who sent it: a struct sockaddr_in or sockaddr_in6, valid until the callback returns, and fit for
    /// reactor_conn_send_to(). An IPv4 peer of a dual-stack socket appears as IPv4.
    pub sender: *const sockaddr,
    /// The bytes of sender.
    pub sender_len: usize,
    /// 1 if the datagram was longer than the buffer, and its end is lost; otherwise 0.
    pub truncated: u64,
}

// SAFETY: integers and a pointer that may be NULL, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_datagram {
    const ENDS: &'static [usize] = ends!(reactor_datagram: size, sender, sender_len; truncated);
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

/// In on_data of a UDP endpoint: tells who sent the datagram.
///
/// Errors: REACTOR_STATUS_WRONG_STATE outside on_data of this endpoint, and so for connections;
/// REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if it is closed, or belongs
/// to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a size that cannot be.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_datagram(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_datagram: *mut reactor_datagram,
) -> reactor_status {
    let call = Call::new("reactor_conn_datagram");
    let get = |handle: &Handle, id: Result<ConnId>| {
        let (sender, truncated) = handle.with_conn(id?, |conn| (conn.sender(), conn.is_truncated()))?;
        let no_datagram =
            || call.error(ErrorKind::WrongState, format_args!("{conn} is not handling a datagram"));
        let (sender, sender_len) = keep_sender(socket_address::to_c(sender.ok_or_else(no_datagram)?));
        Ok(reactor_datagram { size: 0, sender, sender_len, truncated: truncated.into() })
    };
    // SAFETY: the caller's server, not freed during the call, and NULL or a structure of the size that it says.
    unsafe {
        call.by_id(server, conn, |handle, id| {
            sized::fill(out_datagram, call, "out_datagram", || get(handle, id))
        })
    }
}

/// Keeps the sender of the datagram that the calling loop delivers: until the next one is asked for.
fn keep_sender((address, len): (sockaddr_storage, usize)) -> (*const sockaddr, usize) {
    thread_local! {
        static SENDER: Cell<MaybeUninit<sockaddr_storage>> = const { Cell::new(MaybeUninit::uninit()) };
    }
    SENDER.with(|sender| {
        sender.set(MaybeUninit::new(address));
        // The value lies at the same place for as long as the thread lives.
        (sender.as_ptr().cast::<sockaddr>().cast_const(), len)
    })
}

/// Gives the peer's address as text: "127.0.0.1:5000", "[::1]:5000", "/run/x.sock", "@name", and nothing for
/// an unnamed one. On the connection's loop, in on_close, too.
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

/// Gives the address of this side as text; otherwise as reactor_conn_remote_address().
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
    // SAFETY: what the caller passes.
    unsafe { address(call, server, conn, buffer, capacity, out_length, Handle::local_address) }
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

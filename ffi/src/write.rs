//! Writing to connections and UDP endpoints.

use std::ffi::c_void;

use libc::{iovec, sockaddr};
use reactor_core::binding::LONG_WRITE;
use reactor_core::{ConnId, Handle, Pressure, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::out;
use crate::passed::Passed;
use crate::server::reactor_server;
use crate::socket_address;
use crate::status::{reactor_status, REACTOR_OK};
use crate::written;

/// Called once for a write that was accepted, on the connection's loop and never from inside the write;
/// completed is REACTOR_COMPLETED_SENT, or REACTOR_COMPLETED_CANCELLED, which comes before on_close or
/// on_detach. It releases user_data if that is needed.
pub type reactor_completion = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        server: *mut reactor_server,
        conn: reactor_conn,
        completed: i32,
    ),
>;

/// Queues a copy of len bytes for a connection; they leave at the end of its loop's turn. Inside a callback of
/// that loop's, 16 KiB or more leave at once, with what was queued before, as far as the kernel takes them,
/// unless there is an on_pre_write. Never blocks. The
/// order of the calls of one thread is kept. data may be NULL if len is 0. On a UDP endpoint, in on_data, it
/// is one datagram that answers the sender.
///
/// out_pressure, which may be NULL, is given REACTOR_PRESSURE_LOW or REACTOR_PRESSURE_HIGH.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, its writing side was ended, or it
/// belongs to another server; REACTOR_STATUS_FULL if the queue would exceed the hard limit, and the connection is
/// closed then with REACTOR_CLOSE_OVERFLOW unless options->keep_on_overflow is on, or if the server would exceed its
/// byte budget, which closes nothing; REACTOR_STATUS_SYSTEM from another thread without memory for the copy;
/// REACTOR_STATUS_UNSUPPORTED for a UDP endpoint outside its on_data;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL. Nothing is queued then.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_write(
    server: *mut reactor_server,
    conn: reactor_conn,
    data: *const u8,
    len: usize,
    out_pressure: *mut u32,
) -> reactor_status {
    // SAFETY: the caller's server, not freed during the call; the caller passes `len` bytes, which nobody
    // changes during the call, and NULL or room for the pressure.
    unsafe {
        if write_flowing(server, conn, data, len) {
            out::offer(out_pressure, written::pressure(Pressure::Low));
            return REACTOR_OK;
        }
        write_bytes(server, conn, data, len, out_pressure)
    }
}

/// Every other write of one run of bytes.
///
/// # Safety
/// As for `reactor_conn_write`.
#[inline(never)]
unsafe fn write_bytes(
    server: *const reactor_server,
    conn: reactor_conn,
    data: *const u8,
    len: usize,
    out_pressure: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_conn_write");
    // SAFETY: what the caller promises.
    unsafe {
        write(call, server, conn, out_pressure, |handle, id| {
            let bytes = call.bytes(data, len)?;
            handle.write(id?, bytes)
        })
    }
}

/// Queues a copy of several runs of bytes, in order, as one write: what other threads write does not come
/// between. Otherwise as reactor_conn_write(). slices may be NULL if count is 0, and the base of a slice if
/// its length is 0.
///
/// Errors: as reactor_conn_write().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_write_gathered(
    server: *mut reactor_server,
    conn: reactor_conn,
    slices: *const iovec,
    count: usize,
    out_pressure: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_conn_write_gathered");
    // SAFETY: as in `reactor_conn_write`, for each of the slices.
    unsafe {
        write(call, server, conn, out_pressure, |handle, id| {
            call.with_slices(slices, count, |slices| handle.write_gathered(id?, slices))
        })
    }
}

/// As reactor_conn_write_gathered(); completion is called once if the write is accepted, and never if it is
/// not.
///
/// Errors: as reactor_conn_write(). completion is not called then, and user_data is the caller's.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_write_then(
    server: *mut reactor_server,
    conn: reactor_conn,
    slices: *const iovec,
    count: usize,
    completion: reactor_completion,
    user_data: *mut c_void,
    out_pressure: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_conn_write_then");
    let (called_with, data) = (Passed(server), Passed(user_data));
    // SAFETY: as in `reactor_conn_write`, for each of the slices.
    unsafe {
        write(call, server, conn, out_pressure, |handle, id| {
            let completion = call.required(completion, "completion")?;
            let completion = move |completed| {
                // SAFETY: the program's own function, with its data and its server, which outlives its loops.
                completion(data.get(), called_with.get(), conn, written::completed(completed));
            };
            call.with_slices(slices, count, |slices| handle.write_then(id?, slices, completion))
        })
    }
}

/// Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter
/// behind. Otherwise as reactor_conn_write().
///
/// Errors: as reactor_conn_write(); REACTOR_STATUS_INVALID_ARGUMENT also if the connection has no framing, or
/// one of the program's own, or the payload does not fit it.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_write_frame(
    server: *mut reactor_server,
    conn: reactor_conn,
    data: *const u8,
    len: usize,
    out_pressure: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_conn_write_frame");
    // SAFETY: as in `reactor_conn_write`.
    unsafe {
        write(call, server, conn, out_pressure, |handle, id| {
            let payload = call.bytes(data, len)?;
            handle.write_frame(id?, payload)
        })
    }
}

/// Sends a datagram from a UDP endpoint to any address: to is a struct sockaddr_in or sockaddr_in6 of to_len
/// bytes. Otherwise as reactor_conn_write().
///
/// Errors: as reactor_conn_write(); REACTOR_STATUS_INVALID_ARGUMENT also for another family, port 0, a to_len that is
/// too short, and more bytes than a datagram can have; REACTOR_STATUS_UNSUPPORTED for a connection.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_send_to(
    server: *mut reactor_server,
    conn: reactor_conn,
    to: *const sockaddr,
    to_len: usize,
    data: *const u8,
    len: usize,
    out_pressure: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_conn_send_to");
    // SAFETY: as in `reactor_conn_write`; the caller passes an address of `to_len` bytes.
    unsafe {
        write(call, server, conn, out_pressure, |handle, id| {
            let to = socket_address::from_c(to, to_len, call)?;
            let bytes = call.bytes(data, len)?;
            handle.send_to(id?, to, bytes)
        })
    }
}

/// The usual write: of a few bytes, in a callback, with arguments that are in order. Says whether it was one;
/// otherwise nothing was done.
///
/// # Safety
/// The server is NULL or not freed during the call; `data` is NULL or valid for reads of `len` bytes.
#[inline]
unsafe fn write_flowing(
    server: *const reactor_server,
    conn: reactor_conn,
    data: *const u8,
    len: usize,
) -> bool {
    // SAFETY: what the caller promises; nobody ever has a `&mut` to a server.
    let Some(server) = (unsafe { server.as_ref() }) else { return false };
    if data.is_null() || !(1..LONG_WRITE).contains(&len) {
        return false;
    }
    // SAFETY: not NULL, not too long, and the rest is what the caller promises.
    server.handle().write_flowing(conn, unsafe { std::slice::from_raw_parts(data, len) })
}

/// The body of a function that writes.
///
/// # Safety
/// The server is NULL or not freed during the call; `out_pressure` is NULL or has room for a number.
unsafe fn write(
    call: Call,
    server: *const reactor_server,
    conn: reactor_conn,
    out_pressure: *mut u32,
    write: impl FnOnce(&Handle, Result<ConnId>) -> Result<Pressure>,
) -> reactor_status {
    let write = |handle: &Handle, id: Result<ConnId>| {
        let pressure = write(handle, id)?;
        // SAFETY: what the caller promises.
        unsafe { out::offer(out_pressure, written::pressure(pressure)) };
        Ok(())
    };
    // SAFETY: what the caller promises.
    unsafe { call.by_id(server, conn, write) }
}

//! Connections, which are named by their ids.

use reactor_core::{ConnId, Error, ErrorKind, Pressure, Result};

use crate::action::{REACTOR_PRESSURE_HIGH, REACTOR_PRESSURE_LOW};
use crate::argument;
use crate::guard::guard;
use crate::server::{self, reactor_server};
use crate::status::reactor_status;

/// The id of a connection: never 0, and never used again in this process. It may be kept, copied and used by
/// any thread; calls on the id of a dead connection answer REACTOR_STATUS_CLOSED and touch nothing.
pub type reactor_conn = u64;

/// Queues a copy of len bytes for a connection; they leave at the end of its loop's turn. Never blocks. The
/// order of the calls of one thread is kept. data may be NULL if len is 0.
///
/// out_pressure, which may be NULL, is given REACTOR_PRESSURE_LOW or REACTOR_PRESSURE_HIGH.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_FULL if the queue would exceed the hard limit, and on the connection's own loop it is
/// closed then with REACTOR_CLOSE_OVERFLOW; REACTOR_STATUS_INVALID_ARGUMENT for a NULL. Nothing is queued
/// then.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_write(
    server: *mut reactor_server,
    conn: reactor_conn,
    data: *const u8,
    len: usize,
    out_pressure: *mut u32,
) -> reactor_status {
    const FUNCTION: &str = "reactor_conn_write";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { server::server(server, FUNCTION) }?;
        // SAFETY: the caller passes `len` bytes, which nobody changes during the call.
        let bytes = unsafe { argument::bytes(data, len, FUNCTION) }?;
        let pressure = match server.core.handle().write(id(conn)?, bytes)? {
            Pressure::Low => REACTOR_PRESSURE_LOW,
            Pressure::High => REACTOR_PRESSURE_HIGH,
        };
        if !out_pressure.is_null() {
            // SAFETY: not NULL, and the caller passes room for the number.
            unsafe { out_pressure.write(pressure) };
        }
        Ok(())
    })
}

/// Closes a connection: from now on writes answer REACTOR_STATUS_CLOSED; what is queued is sent, then writing
/// is shut down; input is discarded until the peer closes too or the linger limit is over; then comes
/// on_close. Never blocks.
///
/// Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_close(
    server: *mut reactor_server,
    conn: reactor_conn,
) -> reactor_status {
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { server::server(server, "reactor_conn_close") }?;
        server.core.handle().close(id(conn)?)
    })
}

/// The id in a number from C; a number that never was one is answered like that of a dead connection.
fn id(conn: reactor_conn) -> Result<ConnId> {
    ConnId::from_u64(conn)
        .ok_or_else(|| Error::new(ErrorKind::Closed, format!("there is no connection {conn:#x}")))
}

//! What a call answers: a number, and its name.

use std::ffi::{c_char, CStr};

use reactor_core::ErrorKind;

use crate::call::value_or;

/// What a call answers. The numbers are fixed for ever; expect values that you do not know, more will come.
pub type reactor_status = i32;

/// It went well.
pub const REACTOR_OK: reactor_status = 0;
/// An argument is outside what the call accepts: a NULL, say.
pub const REACTOR_STATUS_INVALID_ARGUMENT: reactor_status = 1;
/// An address to listen at or connect to cannot be parsed, or carries an unknown or malformed option.
pub const REACTOR_STATUS_INVALID_ADDRESS: reactor_status = 2;
/// The address of a listener is taken.
pub const REACTOR_STATUS_ADDRESS_IN_USE: reactor_status = 3;
/// The operating system refused; reactor_last_errno() says why.
pub const REACTOR_STATUS_SYSTEM: reactor_status = 4;
/// The connection is closed or closing, or the id belongs to another server.
pub const REACTOR_STATUS_CLOSED: reactor_status = 5;
/// The connection's queue is at its hard limit, or the server at its byte budget; nothing was queued.
pub const REACTOR_STATUS_FULL: reactor_status = 6;
/// The call does not fit the server's state, for example starting it twice.
pub const REACTOR_STATUS_WRONG_STATE: reactor_status = 7;
/// The call is not allowed on this thread, for example waiting for a server inside a callback.
pub const REACTOR_STATUS_WRONG_THREAD: reactor_status = 8;
/// The start was refused: on_start returned stop, or stop was called before.
pub const REACTOR_STATUS_STOPPED: reactor_status = 9;
/// A callback failed where its failure ends the call: on_start.
pub const REACTOR_STATUS_HANDLER_FAILED: reactor_status = 10;
/// A defect of the engine, caught at its border.
pub const REACTOR_STATUS_INTERNAL: reactor_status = 11;
/// The call has no meaning for this kind of socket, for example closing a UDP endpoint.
pub const REACTOR_STATUS_UNSUPPORTED: reactor_status = 12;

/// The name of a status in capitals, as "ADDRESS_IN_USE"; "UNKNOWN" for a number that is none. Static text:
/// never NULL, never freed.
#[no_mangle]
pub extern "C" fn reactor_status_name(status: reactor_status) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || name(status).as_ptr())
}

fn name(status: reactor_status) -> &'static CStr {
    match status {
        REACTOR_OK => c"OK",
        status => ErrorKind::from_number(status).map_or(c"UNKNOWN", ErrorKind::c_name),
    }
}

/// The status of an error of the engine's.
pub(crate) fn of(kind: ErrorKind) -> reactor_status {
    kind as reactor_status
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [reactor_status; ErrorKind::ALL.len()] = [
        REACTOR_STATUS_INVALID_ARGUMENT,
        REACTOR_STATUS_INVALID_ADDRESS,
        REACTOR_STATUS_ADDRESS_IN_USE,
        REACTOR_STATUS_SYSTEM,
        REACTOR_STATUS_CLOSED,
        REACTOR_STATUS_FULL,
        REACTOR_STATUS_WRONG_STATE,
        REACTOR_STATUS_WRONG_THREAD,
        REACTOR_STATUS_STOPPED,
        REACTOR_STATUS_HANDLER_FAILED,
        REACTOR_STATUS_INTERNAL,
        REACTOR_STATUS_UNSUPPORTED,
    ];

    #[test]
    fn every_kind_of_error_has_its_constant_and_name_here() {
        assert_eq!(ErrorKind::ALL.map(of), ALL);
        for kind in ErrorKind::ALL {
            assert_eq!(name(of(kind)).to_str(), Ok(kind.name()));
        }
    }

    #[test]
    fn other_numbers_have_names_too() {
        assert_eq!(name(REACTOR_OK), c"OK");
        for unknown in [-1, 13, i32::MIN, i32::MAX] {
            assert_eq!(name(unknown), c"UNKNOWN");
        }
    }
}

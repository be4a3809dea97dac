//! Why connections end.

use std::ffi::{c_char, CStr};

use reactor_core::CloseReason;

use crate::call::value_or;

/// Why a connection ended: the peer closed its side, and everything was answered. The numbers are fixed for
/// ever; expect values that you do not know, more will come.
pub const REACTOR_CLOSE_EOF: i32 = 1;
/// Why a connection ended: it broke; the peer reset it, or the network gave up. error_number says which.
pub const REACTOR_CLOSE_RESET: i32 = 2;
/// Why a connection ended: this side closed it.
pub const REACTOR_CLOSE_LOCAL_CLOSE: i32 = 3;
/// Why a connection ended: this side reset it, by reactor_conn_abort().
pub const REACTOR_CLOSE_ABORT: i32 = 4;
/// Why a connection ended: nothing came or went for as long as the idle time-out.
pub const REACTOR_CLOSE_IDLE: i32 = 5;
/// Why a connection ended: the server stopped.
pub const REACTOR_CLOSE_SHUTDOWN: i32 = 6;
/// Why a connection ended: a write went beyond the hard limit of unsent output; or the server held more than its byte
/// budget, and this connection too much of it.
pub const REACTOR_CLOSE_OVERFLOW: i32 = 7;
/// Why a connection ended: its input breaks the framing, by a frame above the maximum, a malformed one, or
/// half a frame at the end; or on_data has kept more than 16 MiB of it.
pub const REACTOR_CLOSE_PROTOCOL: i32 = 8;
/// Why a connection ended: a callback failed, which in C is: returned a number that is no action. No other
/// callback reports it.
pub const REACTOR_CLOSE_HANDLER_ERROR: i32 = 9;
/// Why a connection ended: it could not be made. error_number says why, where the system had a part in it.
pub const REACTOR_CLOSE_CONNECT_FAILED: i32 = 10;
/// Why a connection ended: the connect, read or write time-out was over.
pub const REACTOR_CLOSE_TIMED_OUT: i32 = 11;

/// The name of a reason that on_close was given, in lower case, as "local close"; "unknown" for a number that
/// is none. Static text: never NULL, never freed.
#[no_mangle]
pub extern "C" fn reactor_close_reason_name(reason: i32) -> *const c_char {
    value_or(c"unknown".as_ptr(), || name(reason).as_ptr())
}

fn name(reason: i32) -> &'static CStr {
    CloseReason::from_number(reason).map_or(c"unknown", CloseReason::c_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_constant_and_name_here() {
        let ours = [
            REACTOR_CLOSE_EOF,
            REACTOR_CLOSE_RESET,
            REACTOR_CLOSE_LOCAL_CLOSE,
            REACTOR_CLOSE_ABORT,
            REACTOR_CLOSE_IDLE,
            REACTOR_CLOSE_SHUTDOWN,
            REACTOR_CLOSE_OVERFLOW,
            REACTOR_CLOSE_PROTOCOL,
            REACTOR_CLOSE_HANDLER_ERROR,
            REACTOR_CLOSE_CONNECT_FAILED,
            REACTOR_CLOSE_TIMED_OUT,
        ];
        assert_eq!(CloseReason::ALL.map(|reason| reason as i32), ours);
        for reason in CloseReason::ALL {
            assert_eq!(name(reason as i32).to_str(), Ok(reason.name()));
        }
        for unknown in [-1, 0, 12, i32::MAX] {
            assert_eq!(name(unknown), c"unknown");
        }
    }
}

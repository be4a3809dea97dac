//! The numbers that callbacks return and receive.

use std::ffi::{c_char, CStr};

use reactor_core::Action;

use crate::guard::guard_value;

/// Callbacks return it: go on.
pub const REACTOR_ACTION_NONE: i32 = 0;
/// Callbacks return it: close this connection. From now on writes answer closed; what is queued is sent
/// first.
pub const REACTOR_ACTION_CLOSE: i32 = 1;
/// Callbacks return it: stop the server.
pub const REACTOR_ACTION_STOP: i32 = 2;

/// Why a connection ended: the peer closed its side, and everything was answered. The numbers are fixed for
/// ever; expect values that you do not know, more will come.
pub const REACTOR_CLOSE_EOF: i32 = 1;
/// Why a connection ended: it broke; the peer reset it, or the network gave up. error_number says which.
pub const REACTOR_CLOSE_RESET: i32 = 2;
/// Why a connection ended: this side closed it.
pub const REACTOR_CLOSE_LOCAL_CLOSE: i32 = 3;
/// Why a connection ended: the server stopped.
pub const REACTOR_CLOSE_SHUTDOWN: i32 = 6;
/// Why a connection ended: unsent output went beyond the hard limit.
pub const REACTOR_CLOSE_OVERFLOW: i32 = 7;
/// Why a connection ended: a callback failed, which in C is: returned a number that is no action. No other
/// callback reports it.
pub const REACTOR_CLOSE_HANDLER_ERROR: i32 = 9;

/// The queue of unsent output is at or below the high-water mark: go on writing.
pub const REACTOR_PRESSURE_LOW: u32 = 0;
/// The queue of unsent output is above the high-water mark: better wait for on_drain. The bytes were
/// accepted.
pub const REACTOR_PRESSURE_HIGH: u32 = 1;

/// The name of a reason that on_close was given, in lower case, as "local close"; "unknown" for a number that
/// is none. Static text: never NULL, never freed.
#[no_mangle]
pub extern "C" fn reactor_close_reason_name(reason: i32) -> *const c_char {
    guard_value(c"unknown".as_ptr(), || name(reason).as_ptr())
}

fn name(reason: i32) -> &'static CStr {
    match reason {
        REACTOR_CLOSE_EOF => c"eof",
        REACTOR_CLOSE_RESET => c"reset",
        REACTOR_CLOSE_LOCAL_CLOSE => c"local close",
        REACTOR_CLOSE_SHUTDOWN => c"shutdown",
        REACTOR_CLOSE_OVERFLOW => c"overflow",
        REACTOR_CLOSE_HANDLER_ERROR => c"handler error",
        _ => c"unknown",
    }
}

/// The action that a callback returned, or `None` if the number is no action.
pub(crate) fn from_c(action: i32) -> Option<Action> {
    match action {
        REACTOR_ACTION_NONE => Some(Action::None),
        REACTOR_ACTION_CLOSE => Some(Action::Close),
        REACTOR_ACTION_STOP => Some(Action::Stop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reactor_core::CloseReason;

    use super::*;

    #[test]
    fn every_reason_has_its_number_and_name_here() {
        let ours = [
            REACTOR_CLOSE_EOF,
            REACTOR_CLOSE_RESET,
            REACTOR_CLOSE_LOCAL_CLOSE,
            REACTOR_CLOSE_SHUTDOWN,
            REACTOR_CLOSE_OVERFLOW,
            REACTOR_CLOSE_HANDLER_ERROR,
        ];
        assert_eq!(CloseReason::ALL.map(|reason| reason as i32), ours);
        for reason in CloseReason::ALL {
            assert_eq!(name(reason as i32).to_str(), Ok(reason.name()));
        }
        for unknown in [-1, 0, 4, i32::MAX] {
            assert_eq!(name(unknown), c"unknown");
        }
    }

    #[test]
    fn actions_have_the_numbers_of_the_engine() {
        for action in [Action::None, Action::Close, Action::Stop] {
            assert_eq!(from_c(action as i32), Some(action));
        }
        for unknown in [-1, 3, i32::MIN, i32::MAX] {
            assert_eq!(from_c(unknown), None);
        }
    }
}

//! The numbers that callbacks return and receive.

use reactor_core::{Action, Completed, Pressure};

/// Callbacks return it: go on.
pub const REACTOR_ACTION_NONE: i32 = 0;
/// Callbacks return it: close this connection. From now on writes answer closed; what is queued is sent
/// first.
pub const REACTOR_ACTION_CLOSE: i32 = 1;
/// Callbacks return it: stop the server.
pub const REACTOR_ACTION_STOP: i32 = 2;
/// Callbacks return it: hand this connection's descriptor out, to on_detach.
pub const REACTOR_ACTION_DETACH: i32 = 3;

/// The queue of unsent output is at or below the high-water mark: go on writing.
pub const REACTOR_PRESSURE_LOW: u32 = 0;
/// The queue of unsent output is above the high-water mark: better wait for on_drain. The bytes were
/// accepted.
pub const REACTOR_PRESSURE_HIGH: u32 = 1;

/// A completion is told it: the kernel has taken the write's last byte. That the peer has it, only an answer
/// of the peer's can tell.
pub const REACTOR_COMPLETED_SENT: i32 = 0;
/// A completion is told it: the connection ended, or was detached, before.
pub const REACTOR_COMPLETED_CANCELLED: i32 = 1;

/// The action that a callback returned, or `None` if the number is no action.
pub(crate) fn from_c(action: i32) -> Option<Action> {
    match action {
        REACTOR_ACTION_NONE => Some(Action::None),
        REACTOR_ACTION_CLOSE => Some(Action::Close),
        REACTOR_ACTION_STOP => Some(Action::Stop),
        REACTOR_ACTION_DETACH => Some(Action::Detach),
        _ => None,
    }
}

pub(crate) fn pressure(pressure: Pressure) -> u32 {
    match pressure {
        Pressure::Low => REACTOR_PRESSURE_LOW,
        Pressure::High => REACTOR_PRESSURE_HIGH,
    }
}

pub(crate) fn completed(completed: Completed) -> i32 {
    match completed {
        Completed::Sent => REACTOR_COMPLETED_SENT,
        Completed::Cancelled => REACTOR_COMPLETED_CANCELLED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_the_numbers_of_the_engine() {
        for action in [Action::None, Action::Close, Action::Stop, Action::Detach] {
            assert_eq!(from_c(action as i32), Some(action));
        }
        for unknown in [-1, 4, i32::MIN, i32::MAX] {
            assert_eq!(from_c(unknown), None);
        }
    }

    #[test]
    fn completions_have_the_numbers_of_the_engine() {
        for outcome in [Completed::Sent, Completed::Cancelled] {
            assert_eq!(completed(outcome), outcome as i32);
        }
    }
}

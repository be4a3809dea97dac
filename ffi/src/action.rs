//! The actions that callbacks return.

use reactor_core::Action;

/// Callbacks return it: go on.
pub const REACTOR_ACTION_NONE: i32 = 0;
/// Callbacks return it: close this connection. From now on writes answer closed; what is queued is sent
/// first.
pub const REACTOR_ACTION_CLOSE: i32 = 1;
/// Callbacks return it: stop the server.
pub const REACTOR_ACTION_STOP: i32 = 2;
/// Callbacks return it: hand this connection's descriptor out, to on_detach.
pub const REACTOR_ACTION_DETACH: i32 = 3;

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
}

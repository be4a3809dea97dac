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
    Action::from_number(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_constant_here() {
        let ours = [REACTOR_ACTION_NONE, REACTOR_ACTION_CLOSE, REACTOR_ACTION_STOP, REACTOR_ACTION_DETACH];
        assert_eq!(Action::ALL.map(|action| action as i32), ours);
        assert_eq!(ours.map(from_c), Action::ALL.map(Some));
        for unknown in [-1, 4, i32::MIN, i32::MAX] {
            assert_eq!(from_c(unknown), None);
        }
    }
}

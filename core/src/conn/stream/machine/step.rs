//! What a connection's state machine asks of its loop.

use crate::contract::action::Closed;

/// What to do with input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    No,
    Deliver,
    Discard,
}

/// What to do next for a connection that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    Flush,
    ShutdownWrite,
    /// Hand the descriptor out.
    Detach,
    /// Close the descriptor. If `all_sent` is wanted, then only if other threads have no bytes on their way.
    Close {
        closed: Closed,
        all_sent: bool,
    },
}

/// Why a write on the owner's thread was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// It would go beyond the connection's hard limit.
    Overflow,
    /// It would go beyond the server's byte budget.
    Budget,
}

/// A callback that a connection is owed apart from its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Drain,
    Wake,
    Eof,
}

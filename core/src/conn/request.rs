//! A call on a connection that any thread may make.

use std::sync::Arc;

use crate::contract::action::CloseReason;
use crate::contract::config::Timeouts;
use crate::framing::Framing;

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Close(CloseReason),
    End,
    Abort,
    Detach,
    Wake,
    Pause,
    Resume,
    /// Once more, and once less.
    Hold,
    Release,
    Timeouts(Timeouts),
    Framing(Option<Arc<Framing>>),
    /// A write from another thread went beyond the hard limit.
    Overflow,
    /// It was chosen to be closed for what it holds, when the server held more than its budget.
    Evict,
}

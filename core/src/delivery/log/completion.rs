//! Completions that become records, in order with the other events of their connection.

use std::cell::Cell;

use super::record::{Kind, Record};
use crate::base::conn_id::ConnId;
use crate::contract::action::Completed;
use crate::delivery::event::Pending;

thread_local! {
    /// What the completion that was called last stands for.
    static COMPLETED: Cell<Option<(ConnId, u32, Completed)>> = const { Cell::new(None) };
}

/// A completion for [`Handle::write_then`](crate::Handle::write_then) that is told by a record of
/// [`Kind::Completed`], with this token, instead of a call.
pub fn completion(conn: ConnId, token: u32) -> impl FnOnce(Completed) + Send + 'static {
    move |completed| COMPLETED.set(Some((conn, token, completed)))
}

/// Calls a completion; its record, if it asks for one.
pub(super) fn call(completion: Pending, how: Completed) -> Option<Record> {
    // One that nobody was told of, because its loop had ended, may have left something.
    COMPLETED.set(None);
    completion.call(how);
    let (conn, token, completed) = COMPLETED.take()?;
    Some(Record::new(Kind::Completed, Some(conn), [token, completed as u32]))
}

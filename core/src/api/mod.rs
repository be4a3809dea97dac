//! What users call: on the own loop at once, from elsewhere through its mailbox.

mod calls;
pub(crate) mod conn;
pub(crate) mod outgoing;
mod writing;

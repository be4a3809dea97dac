//! What users call: on the own loop at once, from elsewhere through its mailbox.

mod calls;
pub(crate) mod conn;
mod loops;
mod outgoing;
mod writing;

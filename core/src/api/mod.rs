//! What users call: on the own loop at once, from elsewhere through its mailbox.

pub(crate) mod arguments;
mod calls;
pub(crate) mod conn;
mod gathered;
mod hosts;
mod loops;
mod outgoing;
mod writing;

//! A UDP socket.

mod completions;
pub(crate) mod endpoint;
pub(crate) mod entry;
mod queue;
pub(crate) mod waiting;
pub(crate) mod wire;

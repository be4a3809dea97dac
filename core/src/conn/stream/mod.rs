//! A TCP or Unix stream.

pub(crate) mod entry;
pub(crate) mod extra;
pub(crate) mod machine;
pub(crate) mod opening;
pub(crate) mod queue;
pub(crate) mod timing;
pub(crate) mod wire;

//! How user code is called.

pub mod batch;
pub(crate) mod handler;

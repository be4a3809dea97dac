//! A listening socket, and which loop gets what comes in by it.

pub(crate) mod balancer;
pub(crate) mod listener;

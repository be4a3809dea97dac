//! A listening socket, and which loop gets what comes in by it.

pub(crate) mod arrival;
pub(crate) mod balancer;
pub(crate) mod claim;
pub(crate) mod listener;

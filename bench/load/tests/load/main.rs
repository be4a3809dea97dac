//! The load generator against tiny servers, right and wrong ones: it must count what is right, and find out the rest.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod closed;
mod datagrams;
mod modes;
mod open;
mod protocols;
mod support;
mod wrong;

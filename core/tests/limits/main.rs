//! Limits on bytes and on connections.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod budget;
mod endpoints;
mod held;
mod innocents;
mod others;
mod refusing;

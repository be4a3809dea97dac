//! Callbacks and starts that fail, and calls that are wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod accepting;
mod attacks;
mod errors;
mod failed_start;

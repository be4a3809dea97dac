//! The end of a server, and who is met by it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod dialling;
mod graceful;
mod latecomers;

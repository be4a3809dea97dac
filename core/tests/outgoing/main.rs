//! Outgoing connections, made or not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod made;
mod not_made;

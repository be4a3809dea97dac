//! The life of a connection: its id, its context, and its ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod closing;
mod contexts;
mod detach;
mod holding;
mod stale_endpoints;
mod stale_ids;

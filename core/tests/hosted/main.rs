//! Servers without threads of their own, which a host turns.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod closing;
mod edge;
mod nested_order;
mod now;
mod on_start;
mod order;
mod turns;
mod unsupported;

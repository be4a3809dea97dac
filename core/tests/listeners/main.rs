//! Listeners, and how their connections are dealt to loops.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod balance;
mod closing;
mod mixed;
mod zones;

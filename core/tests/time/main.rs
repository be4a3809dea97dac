//! Timers, ticks and time-outs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod connecting;
mod endless;
mod pressure;
mod stuck_output;
mod timeouts;
mod timers;

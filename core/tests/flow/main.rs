//! Connections that flow: one request after the other, by the short way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod edges;
mod empty_writes;
mod interrupted;
mod order;
mod read_budget;
mod report_and_read;
mod wakes;

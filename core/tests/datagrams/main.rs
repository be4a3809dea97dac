//! UDP: endpoints, connections, and what both share.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod coalesced;
mod connected;
mod ending;
mod endpoints;
mod landing;
mod last_callback;
mod on_start;
mod racing_stop;
mod refused;

//! Bytes in and out: echoed, framed, kept, paused, batched.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod away;
mod batched;
mod commands;
mod echo;
mod framing;
mod gathered;
mod given_back;
mod log;
mod reading;
mod unix_room;
mod upgrade;

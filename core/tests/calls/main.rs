//! Calls by id, functions run on loops, and completions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod by_id;
mod completions;
mod completions_dial;
mod cork_end;
mod jobs;
mod options;

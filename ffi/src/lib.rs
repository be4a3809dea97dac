//! The C interface of the engine, as include/reactor.h shows it.
//!
//! The documentation of what is exported is written for the reader of that header. Every exported function
//! has the panic guard of `guard` around its body; what comes from C is a pointer or an integer, never a Rust
//! enum.

#![allow(non_camel_case_types, reason = "types carry the names that C knows them by")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the documentation says to C programmers what they must keep to"
)]

pub mod action;
mod argument;
pub mod callbacks;
pub mod conn;
mod guard;
mod inside;
pub mod last_error;
pub mod options;
pub mod server;
mod sized;
pub mod status;
mod usage;
pub mod version;

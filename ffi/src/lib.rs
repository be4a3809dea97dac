//! The C interface of the engine, as include/reactor.h shows it.
//!
//! The documentation of what is exported is written for the reader of that header. Every exported function
//! is run by its `call::Call`, which knows its name and lets no panic out; what comes from C is a pointer or an
//! integer, never a Rust enum.

#![allow(non_camel_case_types, reason = "types carry the names that C knows them by")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the documentation says to C programmers what they must keep to"
)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the documentation is for C programmers, to whom brackets are brackets"
)]

pub mod action;
mod argument;
pub mod arguments;
mod body;
mod call;
pub mod callbacks;
pub mod close;
pub mod conn;
pub mod connect;
pub mod connect_options;
pub mod context;
pub mod datagram;
pub mod framing;
mod handler;
pub mod hosted;
pub mod info;
mod inside;
pub mod last_error;
pub mod length_field;
pub mod listen;
pub mod listen_options;
pub mod log;
pub mod loops;
pub mod metrics;
pub mod options;
mod out;
pub mod owned;
mod passed;
pub mod peer;
pub mod serve;
pub mod server;
pub mod settings;
mod sized;
mod socket_address;
pub mod socket_option;
mod standard_error;
pub mod status;
mod usage;
pub mod value;
pub mod version;
pub mod write;
pub mod written;

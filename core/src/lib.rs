//! A multi-loop network engine: servers for protocols of your own, through callbacks.
//!
//! A [`Server`] runs several event loops, each on a thread of its own, and calls a [`Handler`] as connections
//! open, receive bytes and close. [`Conn`] is a connection as its callbacks see it; a [`ConnId`] names it on
//! any thread, for the calls of [`Handle`]. [`batch`] is the other way to deliver, for language bindings.

#![deny(unsafe_code)]

mod acceptor;
mod action;
mod addr;
pub mod batch;
mod buffer;
mod config;
mod conn;
mod error;
mod event_loop;
mod handle;
mod handler;
mod listener;
mod loop_state;
mod mailbox;
mod panics;
mod server;
mod slab;
mod sys;
mod threads;
mod token;

pub use action::{Action, CloseReason, Closed, Pressure};
pub use config::Config;
pub use error::{Error, ErrorKind, Result};
pub use handle::{Conn, Handle};
pub use handler::{BoxError, Handler};
pub use mailbox::Cork;
pub use server::Server;
pub use token::ConnId;

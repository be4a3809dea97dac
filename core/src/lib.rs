//! A multi-loop network engine: servers for protocols of your own, through callbacks.
//!
//! A [`Server`] runs several event loops, each on a thread of its own, and calls a [`Handler`] as connections
//! open, receive bytes and close. [`Conn`] is a connection as its callbacks see it; a [`ConnId`] names it on
//! any thread, for the calls of [`Handle`]. [`batch`] is the other way to deliver, for language bindings.
//!
//! A loop with nothing to do sleeps and makes no system call. One that works at least two fifths of its time and waits often
//! and shortly may poll for ten microseconds before it sleeps. It tries that for a quarter of a second in five, and goes on if
//! it moves more bytes a second by it. Its processor can look busier than its work is then.

#![deny(unsafe_code)]

mod acceptor;
mod action;
mod addr;
mod balancer;
pub mod batch;
mod buffer;
mod clock;
mod codec;
mod command;
mod completions;
mod config;
mod conn;
mod conn_handle;
mod conn_shared;
mod conns;
mod cork;
mod dial;
mod entry;
mod error;
mod event_loop;
mod handle;
mod handler;
mod hosted;
mod limits;
mod listener;
mod listening;
mod loop_state;
mod mailbox;
mod metrics;
mod options;
mod outgoing;
mod panics;
mod resolver;
mod sending;
mod server;
mod server_state;
mod slab;
mod socket_options;
mod sys;
mod threads;
mod timer;
mod token;
mod udp;
mod udp_entry;

/// A number that a process has in common neither with its parent nor with its children; never 0. For language
/// bindings, which would have to ask the system otherwise.
#[doc(hidden)]
#[must_use]
pub fn process_number() -> u32 {
    sys::fork::process()
}

pub use action::{Action, CloseReason, Closed, Completed, Completion, Pressure};
pub use addr::{Address, Credentials, KeepAlive, ListenOptions, Multicast};
pub use codec::{ByteOrder, Framing, LengthField, Width};
pub use config::{Balance, Config, Timeouts};
pub use conn_handle::Conn;
pub use cork::Cork;
pub use error::{Error, ErrorKind, Result};
pub use handle::Handle;
pub use handler::{BoxError, Detached, Handler};
pub use hosted::Hosted;
pub use listener::inherited;
pub use metrics::{Histogram, Metrics};
pub use options::{ConnInfo, ConnOptions, ConnectOptions, Context, ListenerId, Listening};
pub use server::Server;
pub use socket_options::SocketOption;
pub use timer::TimerId;
pub use token::ConnId;

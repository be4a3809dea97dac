//! A multi-loop network engine: servers for protocols of your own, through callbacks.
//!
//! A [`Server`] runs several event loops, each on a thread of its own, and calls a [`Handler`] as connections
//! open, receive bytes and close. [`Conn`] is a connection as its callbacks see it; a [`ConnId`] names it on
//! any thread, for the calls of [`Handle`].
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//!
//! use reactor_core::{Action, Config, Conn, Handler, Server};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
//!         conn.write(data).map_or(Action::Close, |_| Action::None)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new(Echo, &Config { loops: 2, ..Config::default() })?;
//! // Port 0 picks a free one; the answer has it: `tcp://127.0.0.1:40123`.
//! let url = server.listen("tcp://127.0.0.1:0")?;
//! server.start()?;
//!
//! let mut client = TcpStream::connect(url.trim_start_matches("tcp://"))?;
//! client.write_all(b"hello")?;
//! client.shutdown(Shutdown::Write)?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert_eq!(answer, "hello");
//!
//! server.handle().stop();
//! server.wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! A loop with nothing to do sleeps and makes no system call. One that works at least two fifths of its time and waits often
//! and shortly may poll for ten microseconds before it sleeps. It tries that for a quarter of a second in five, and goes on if
//! it moves more bytes a second by it. Its processor can look busier than its work is then. [`Look::Never`] switches it off.
//!
//! The engine logs through the `log` facade. As errors what an operator must know: that descriptors or memory have run out, that
//! a listener does not work, that a callback failed, that the engine cannot go on; each of these kinds at most once a second. All
//! else is for debugging.

#![deny(unsafe_code)]

mod address;
mod api;
mod base;
#[doc(hidden)]
pub mod binding;
mod conn;
mod contract;
mod delivery;
mod dial;
mod event_loop;
mod framing;
mod listen;
mod loop_state;
mod server;
mod shared;
mod sys;

pub use address::{Address, Credentials, KeepAlive, ListenOptions, Multicast, SocketOption};
pub use api::arguments::Arguments;
pub use api::conn::Conn;
pub use base::conn_id::ConnId;
pub use base::error::{Error, ErrorKind, Result};
pub use base::timer::TimerId;
pub use contract::action::{Action, CloseReason, Closed, Completed, Completion, Pressure};
pub use contract::config::{Balance, Config, Look, Timeouts};
pub use contract::metrics::{Histogram, Metrics};
pub use contract::options::{
    ConnInfo, ConnOptions, ConnectOptions, Context, Destination, ListenerId, Listening, Waiting,
};
pub use delivery::handler::{BoxError, Detached, Handler};
pub use framing::{ByteOrder, Framing, LengthField, Place, Width};
pub use listen::listener::inherited;
pub use server::hosted::Hosted;
pub use server::signals::serve;
pub use server::Server;
pub use shared::handle::Handle;

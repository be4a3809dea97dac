//! What connections begin with, and what can be asked of them.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::error::{Error, ErrorKind, Result};
use crate::contract::config::Timeouts;
use crate::framing::Framing;

/// The user's own value for a connection. It is dropped after the connection's last callback, on its loop.
pub type Context = Box<dyn Any + Send>;

/// The number of a listener, unique in its server. 0 is never one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(u32);

impl ListenerId {
    pub(crate) const fn new(number: u32) -> Self {
        ListenerId(number)
    }

    /// The id as a number, to pass through other languages.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// The id from a number got from [`to_u32`](Self::to_u32); `None` for 0.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            0 => None,
            number => Some(ListenerId(number)),
        }
    }
}

/// What becomes of the connections that the kernel has made for a listener, and that nobody has taken in yet, when the
/// listener is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// They are taken in and served.
    #[default]
    Serve,
    /// They are reset.
    Refuse,
}

/// What every connection of a listener, or an outgoing one, begins with. The same options can stand in the query of the
/// URL to listen at or to connect to, where they win.
#[derive(Clone, Debug, Default)]
pub struct ConnOptions {
    /// How input is cut into frames. `None`: the handler gets whatever there is. `framing=FRAMING` in the query, where
    /// FRAMING is one of
    ///
    /// - `line`,
    /// - `fixed:LENGTH`,
    /// - `delimiter:BYTES`, in which `%`, `&` and `,` stand as `%25`, `%26` and `%2C`, and any byte may stand as `%` and two
    ///   hexadecimal digits: `delimiter:%0D%0A`,
    /// - `length:WIDTH`, the width being 1, 2, 3, 4, 8 or `varint`,
    /// - `resp`, Redis's commands: see [`Framing::resp`],
    /// - `none`, which undoes what is said here;
    ///
    /// and behind it settings, each after a comma: `max_frame=N` for the largest frame; of lines and delimiters
    /// `keep_delimiter=BOOL` and `deliver_rest=BOOL`, and of delimiters `or=BYTES` for each further one; of a length field
    /// `order=big|little`, `offset=N`, `adjustment=N` and `strip=N|header`, as [`LengthField`](crate::LengthField) has them; of `resp`
    /// `max_arguments=N`:
    /// `framing=length:2,order=little,adjustment=-2,max_frame=65535`. A function of the user's cannot stand there.
    pub framing: Option<Framing>,
    /// When it is closed for want of traffic. Default: never.
    pub timeouts: Timeouts,
    /// At the peer's EOF `on_eof` is called, and the connection goes on until [`end`](crate::Conn::end) or
    /// close. Otherwise it is closed then, once everything is answered. `half_open=BOOL`.
    pub half_open: bool,
}

impl ConnOptions {
    /// What has no meaning for datagrams is refused, not ignored.
    pub(crate) fn refuse_for_datagrams(&self, url: &str) -> Result<()> {
        let asks = [
            (self.framing.is_some(), "a framing"),
            (self.timeouts != Timeouts::default(), "a time-out"),
            (self.half_open, "half_open"),
        ];
        match asks.iter().find(|(asked, _)| *asked) {
            None => Ok(()),
            Some((_, what)) => {
                let message = format!("{url:?}: {what} is for streams, and this is UDP");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }
}

/// Options of an outgoing connection.
#[derive(Default)]
pub struct ConnectOptions {
    /// What the connection begins with.
    pub conn: ConnOptions,
    /// How long looking up the name and connecting may take together, counted from the time of the turn if it is a
    /// callback that connects. Zero: 30 s. [`Duration::MAX`]: for ever.
    pub timeout: Duration,
    /// The loop that the connection lives on, from 0. Default: the calling loop, or else each in its turn.
    pub on_loop: Option<usize>,
    /// The connection's [`Context`], from the beginning.
    pub context: Option<Context>,
}

impl ConnectOptions {
    /// The connect time-out if it is not said: 30 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = (&self.conn, self.timeout, self.on_loop);
        f.debug_tuple("ConnectOptions").field(&options).finish()
    }
}

/// A listener as [`listen`](crate::Server::listen_with) made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its number in the server.
    pub id: ListenerId,
    /// The address really bound, as a URL without a query.
    pub address: String,
}

/// Where a datagram was sent to: see [`Conn::destination`](crate::Conn::destination).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Destination {
    /// One of this machine's addresses, a multicast group, or everybody's. IPv4 if it came over IPv4, on a dual-stack
    /// socket too.
    pub address: IpAddr,
    /// The number of the network interface by which it came; 0 if that is not known, as of what came before an inherited
    /// socket was taken over.
    pub interface: u32,
}

/// What can be read of a connection at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnInfo {
    /// The listener it came from; `None` for outgoing and enrolled connections.
    pub listener: Option<ListenerId>,
    /// The index of its loop.
    pub on_loop: usize,
    /// How long ago it was taken in, to the millisecond.
    pub age: Duration,
    /// Bytes received.
    pub received: u64,
    /// Bytes that the kernel took.
    pub sent: u64,
    /// Bytes written and not taken by the kernel.
    pub queued: usize,
}

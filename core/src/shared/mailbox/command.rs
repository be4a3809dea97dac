//! What other threads ask a loop for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::base::limits::Admission;
use crate::conn::shared::ConnShared;
use crate::contract::action::{CloseReason, Completion};
use crate::contract::config::Timeouts;
use crate::contract::options::{ConnOptions, Context, ListenerId};
use crate::delivery::batch::Answer;
use crate::dial::Dial;
use crate::framing::Framing;
use crate::listen::listener::Listener;
use crate::shared::handle::Handle;

/// Where connections of a listener come from, and what they begin with.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) listener: ListenerId,
    pub(crate) unix: bool,
    pub(crate) options: ConnOptions,
    /// The options' framing, for all connections together.
    pub(crate) framing: Option<Arc<Framing>>,
}

/// A connection that was accepted and has no loop yet.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: OwnedFd,
    pub(crate) origin: Arc<Origin>,
    pub(crate) peer: Option<SocketAddr>,
    /// Its place among the connections that the server admits.
    pub(crate) admission: Option<Admission>,
}

/// A descriptor that the user gave to the engine.
pub(crate) struct Enrolled {
    pub(crate) shared: Arc<ConnShared>,
    pub(crate) socket: OwnedFd,
    pub(crate) unix: bool,
    pub(crate) options: ConnOptions,
    pub(crate) context: Option<Context>,
}

/// A listening socket for a loop or the accepting thread.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) listener: Arc<Listener>,
    pub(crate) origin: Arc<Origin>,
}

/// A call on a connection that any thread may make.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Close(CloseReason),
    End,
    Abort,
    Detach,
    Wake,
    Pause,
    Resume,
    Timeouts(Timeouts),
    Framing(Option<Arc<Framing>>),
}

/// A function to run on a loop.
pub(crate) enum Job {
    OnLoop(Box<dyn FnOnce(&Handle) + Send>),
    OnConn(ConnId, Box<dyn FnOnce(&Conn<'_>) + Send>),
}

/// Bytes that another thread has written: those of several writes, if they came one after the other.
pub(crate) struct HandedIn {
    pub(crate) bytes: Vec<u8>,
    pub(crate) writes: u32,
    /// Of the last of them.
    pub(crate) completion: Option<Completion>,
}

pub(crate) enum Command {
    Open(Accepted),
    Write(ConnId, HandedIn),
    WriteDatagram(ConnId, Vec<u8>, Option<Completion>),
    SendTo(ConnId, SocketAddr, Vec<u8>),
    Request(ConnId, Request),
    Run(Job),
    Connect(ConnId, Box<Dial>),
    Resolved(ConnId, io::Result<Vec<IpAddr>>),
    Enroll(ConnId, Box<Enrolled>),
    Listen(Listening),
    Endpoint(ConnId, Listening),
    CloseListener(ListenerId),
    Answered(Answer),
}

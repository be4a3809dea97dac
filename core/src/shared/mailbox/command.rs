//! What other threads ask a loop for.

use std::any::Any;
use std::convert::Infallible;
use std::net::SocketAddr;

use crossbeam_channel::Sender;

use crate::base::conn_id::ConnId;
use crate::base::datagram::Source;
use crate::conn::request::Request;
use crate::conn::stream::opening::Opening;
use crate::conn::stream::queue::Parcel;
use crate::contract::action::Completion;
use crate::contract::options::{ListenerId, Waiting};
use crate::dial::Found;
use crate::listen::arrival::{Accepted, Placement};
use crate::shared::handle::Handle;

/// A function to run on a loop.
pub(crate) type Job = Box<dyn FnOnce(&Handle) + Send>;

/// Bytes that another thread has written: those of several writes, if they came one after the other.
pub(crate) struct HandedIn {
    pub(crate) bytes: Parcel,
    /// What the server's budget counts for them.
    pub(crate) counted: usize,
    pub(crate) writes: u32,
    /// Of the last of them.
    pub(crate) completion: Option<Completion>,
}

/// A listener was closed: what its loops have left to do.
pub(crate) struct Closing {
    pub(crate) listener: ListenerId,
    /// Of a UDP socket: what becomes of the datagrams that the kernel holds.
    pub(crate) waiting: Waiting,
    /// Carries nothing. Whoever waits for the address to be free learns it when all have dropped theirs.
    pub(crate) released: Option<Sender<Infallible>>,
}

pub(crate) enum Command {
    Accepted(Accepted),
    /// The same, but nobody has admitted it yet.
    LetIn(Accepted),
    Write(ConnId, HandedIn),
    WriteDatagram(ConnId, Vec<u8>, Option<Completion>),
    SendTo(ConnId, SocketAddr, Option<Source>, Vec<u8>),
    Request(ConnId, Request),
    Run(Job),
    /// An outgoing or enrolled connection.
    Open(ConnId, Box<Opening>),
    Resolved(ConnId, Found),
    Listen(Placement),
    Endpoint(ConnId, Placement),
    CloseListener(Closing),
    /// For the loop's receiver, from whoever it has handed something over to.
    Answer(Box<dyn Any + Send>),
}

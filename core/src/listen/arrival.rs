//! What comes in by a listener, and what it begins with.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::listener::Listener;
use crate::base::limits::Admission;
use crate::contract::options::{ConnOptions, ListenerId};
use crate::framing::Framing;

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
    pub(crate) admission: Option<Box<Admission>>,
}

/// A listening socket on its way to whoever accepts from it.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) listener: Arc<Listener>,
    pub(crate) origin: Arc<Origin>,
}

//! What comes in by a listener, and what it begins with.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::listener::Listener;
use crate::address::Address;
use crate::base::limits::Admission;
use crate::contract::options::{ConnOptions, ListenerId};
use crate::framing::Framing;
use crate::sys::fork;
use crate::sys::socket::reset;

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
    pub(crate) socket: Unserved,
    pub(crate) origin: Arc<Origin>,
    pub(crate) peer: Address,
    /// Its place among the connections that the server admits.
    pub(crate) admission: Option<Box<Admission>>,
}

/// The socket of a connection that nobody serves yet. If nobody ever will, because the server ends before, the peer sees a
/// reset: an end would look as if it had been served. With the process that accepted it.
#[derive(Debug)]
pub(crate) struct Unserved(Option<OwnedFd>, u32);

impl Unserved {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Unserved(Some(socket), fork::process())
    }

    /// Whether nobody has taken it.
    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this process has accepted it.
    pub(crate) fn is_of_this_process(&self) -> bool {
        fork::is_still(self.1)
    }

    /// The socket, for who serves it; `None` once it was taken.
    pub(crate) fn take(&mut self) -> Option<OwnedFd> {
        self.0.take()
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        // In a forked child it is the parent's.
        if self.is_of_this_process() {
            self.0.iter().for_each(|socket| reset(socket.as_fd()));
        }
    }
}

/// A listening socket on its way to whoever accepts from it.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) listener: Arc<Listener>,
    pub(crate) origin: Arc<Origin>,
}

//! What the poller is told of descriptors whose readiness was used up, or that are about to be closed. Over epoll it is
//! nothing, and costs nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::LoopState;
use crate::conn::datagram::endpoint::Endpoint;
use crate::conn::stream::entry::Entry;
use crate::sys::socket;

impl LoopState {
    /// After a read: if it left nothing, what comes next is reported.
    #[inline(always)]
    pub(crate) fn rearm_read(&self, entry: &Entry) {
        if let Some(socket) = entry.socket.as_ref().filter(|_| entry.machine.is_drained()) {
            self.poller.rearm_read(socket.as_fd());
        }
    }

    /// At the end of a turn: if output waits for room, room is reported.
    #[inline(always)]
    pub(crate) fn rearm_write(&self, entry: &Entry) {
        if let Some(socket) = entry.socket.as_ref().filter(|_| entry.machine.is_stuck()) {
            self.poller.rearm_write(socket.as_fd());
        }
    }

    /// Both, for a UDP socket.
    #[inline(always)]
    pub(crate) fn rearm_endpoint(&self, endpoint: &Endpoint) {
        if !endpoint.is_readable() {
            self.poller.rearm_read(endpoint.as_fd());
        }
        if endpoint.wants_write() {
            self.poller.rearm_write(endpoint.as_fd());
        }
    }

    /// Whether a connect that was begun has succeeded; one that is still under way (`None`) is reported when it has ended.
    pub(crate) fn connect_state(&self, socket: BorrowedFd<'_>) -> io::Result<Option<()>> {
        let state = socket::connect_state(socket);
        if matches!(state, Ok(None)) {
            self.poller.rearm_read(socket);
            self.poller.rearm_write(socket);
        }
        state
    }

    /// Closes a connection's socket; the connection goes on without.
    pub(crate) fn close_socket(&self, entry: &mut Entry) {
        if let Some(socket) = entry.socket.take() {
            self.poller.forget(socket.as_fd());
        }
    }
}

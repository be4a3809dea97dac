//! A UDP socket as an endpoint: it receives in batches, and queues what is to be sent. It belongs to one loop
//! and is used on that loop's thread only.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Socket;

use super::completions::Completions;
use super::queue::{Queue, Segmenting};
use crate::base::datagram::{canonical, Reading, Source};
use crate::base::error::{Error, ErrorKind, Result};
use crate::contract::action::{Completed, Completion};

/// The longest datagram over IPv4: 65,535 bytes of IP packet, less 20 of IP header and 8 of UDP header.
pub(super) const LONGEST_V4: usize = 65_507;
/// The longest datagram over IPv6: 65,535 bytes behind the IP header, less 8 of UDP header.
pub(super) const LONGEST_V6: usize = 65_527;

/// A UDP socket with its readiness and its unsent output.
///
/// Register it edge-triggered for reading, and for writing only while [`Endpoint::wants_write`]: the kernel
/// reports every datagram that has left as a new edge of writability, so that a standing registration costs a
/// poller call for each flush.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) socket: Socket,
    pub(super) ipv6: bool,
    pub(super) connected: bool,
    /// It is bound to every address of the machine: an answer has to say which it leaves from.
    pub(super) anywhere: bool,
    /// Bytes of a datagram that go to where the socket is connected to, at most.
    pub(super) longest_connected: usize,
    pub(super) reading: Reading,
    /// The longest message of the last batch that was not empty.
    pub(super) longest_received: usize,
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) receive_failed: bool,
    /// The first datagram of the queue was refused, but perhaps on behalf of an earlier one.
    pub(super) send_failed: bool,
    pub(super) queue: Queue,
    /// Of what is queued.
    pub(super) completions: Completions,
    pub(super) segmenting: Segmenting,
}

impl Endpoint {
    /// The poller reported an edge.
    pub(crate) fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// Whether [`Endpoint::receive`] may find something.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether output waits for the socket to become writable.
    pub(crate) fn wants_write(&self) -> bool {
        !self.writable && !self.queue.is_empty()
    }

    /// Queues one datagram, made of `slices`, to `to` or to where the socket is connected to. It leaves with
    /// the next [`Endpoint::flush`]; an answer from `from`. Of a socket that is bound to one address it does anyway.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: the datagram is longer than IP can carry, has no destination, or one
    /// of another family than the socket or with port 0. Nothing was queued. [`ErrorKind::System`]: out of memory.
    pub(crate) fn queue(
        &mut self,
        to: Option<SocketAddr>,
        from: Option<Source>,
        slices: &[&[u8]],
    ) -> Result<()> {
        let to = to.map(canonical);
        let len = slices.iter().map(|slice| slice.len()).sum();
        to.iter().try_for_each(|to| check_destination(*to, !self.ipv6))?;
        let longest = match to {
            None if !self.connected => return wrong("the datagram has no destination".to_owned()),
            to => to.map_or(self.longest_connected, longest_to),
        };
        if len > longest {
            return wrong(format!("the datagram has {len} bytes, the longest possible is {longest}"));
        }
        let from = from.filter(|_| self.anywhere);
        self.queue.push(to, from, len, slices).map_err(|error| Error::system("queue a datagram", &error))
    }

    /// Has a completion called when the datagram that was queued last is sent, or is dropped.
    pub(crate) fn complete_with(&mut self, completion: Completion) {
        self.completions.push(self.queue.len(), completion);
    }

    /// Takes the completions that are due.
    pub(crate) fn take_completed(&mut self, done: &mut Vec<(Completion, Completed)>) {
        self.completions.take(done);
    }

    /// Takes all completions, as nothing more is sent.
    pub(crate) fn cancel_completions(&mut self, done: &mut Vec<(Completion, Completed)>) {
        self.completions.cancel(done);
    }

    /// Memory of the unsent output in bytes: [`cost`] of every datagram, so that empty ones count, too.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.memory()
    }

    /// Bytes of memory that the completions of queued datagrams take; what is kept without any does not count.
    pub(crate) fn completions_memory(&self) -> usize {
        self.completions.memory()
    }

    /// Bytes of memory that the unsent output takes, sent parts of it included.
    pub(crate) fn output_memory(&self) -> usize {
        self.queue.held()
    }

    /// Bytes of memory that the unsent output and its completions take.
    pub(crate) fn held(&self) -> usize {
        self.queue.held() + self.completions_memory()
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a queued datagram of `len` bytes counts.
pub(crate) const fn cost(len: usize) -> usize {
    len + super::queue::RECORD
}

/// What a server's budget has to have room for before a datagram of this [`cost`]: room for a record more comes with each.
pub(crate) const fn held_for(cost: usize) -> usize {
    cost + super::queue::RECORD
}

/// Refuses a destination that nobody can be at, and one that a socket of IPv4 cannot reach.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`].
pub(crate) fn check_destination(to: SocketAddr, ipv4: bool) -> Result<()> {
    match canonical(to) {
        to if to.port() == 0 => wrong(format!("nobody can be reached at port 0 of {}", to.ip())),
        to if to.is_ipv6() && ipv4 => {
            wrong(format!("{to} is not an IPv4 address, and the socket is one of IPv4"))
        }
        _ => Ok(()),
    }
}

/// Refuses a datagram that no socket can send to `to`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`].
pub(crate) fn check_length(to: SocketAddr, len: usize) -> Result<()> {
    match longest_to(to) {
        longest if len > longest => {
            wrong(format!("the datagram has {len} bytes, the longest possible is {longest}"))
        }
        _ => Ok(()),
    }
}

pub(super) fn longest_to(to: SocketAddr) -> usize {
    if canonical(to).is_ipv4() {
        LONGEST_V4
    } else {
        LONGEST_V6
    }
}

fn wrong(what: String) -> Result<()> {
    Err(Error::new(ErrorKind::InvalidArgument, what))
}

//! What of a UDP endpoint touches its socket: taking it over, receiving, sending.

use std::io;
use std::os::fd::AsFd;

use socket2::Socket;

use super::completions::Completions;
use super::endpoint::{cost, longest_to, Endpoint, LONGEST_V4};
use super::queue::{Queue, Segmenting};
use crate::address::Address;
use crate::base::datagram::Reading;
use crate::contract::action::Completed;
use crate::sys::datagram::{self, RecvBatch, MAX_MESSAGES, SLOTS};
use crate::sys::poller::Poller;
use crate::sys::socket;

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flushed {
    /// Datagrams that the kernel took.
    pub(crate) sent: usize,
    /// Their bytes, without headers.
    pub(crate) sent_bytes: usize,
    /// Datagrams that the kernel refused for good: they are gone.
    pub(crate) dropped: usize,
    /// The last error. Without a drop it is what the network reported of an earlier datagram.
    pub(crate) errno: Option<i32>,
    /// The socket has no room; the rest waits for it to become writable.
    pub(crate) blocked: bool,
    /// Calls that sent or tried to.
    pub(crate) system_calls: usize,
}

impl Endpoint {
    /// Has the poller report what comes next, where readiness was used up.
    #[inline(always)]
    pub(crate) fn rearm(&self, poller: &Poller) {
        if !self.is_readable() {
            poller.rearm_read(self.as_fd());
        }
        if self.wants_write() {
            poller.rearm_write(self.as_fd());
        }
    }

    /// Takes a bound or connected socket over. Datagrams longer than `buffer` bytes will come truncated; with
    /// [`datagram::MAX_BUFFER`] none does. From here on whoever else reads the socket, such as a process that
    /// shares it, has to expect coalesced datagrams.
    ///
    /// # Errors
    /// The descriptor is not a socket.
    pub(crate) fn new(socket: Socket, buffer: usize) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let ipv6 = local.is_ipv6();
        let peer = socket.peer_addr().ok();
        // Of a connected one there is nothing to tell.
        let landing = peer.is_none() && datagram::tell_landing(socket.as_fd(), ipv6);
        let segmenting = Segmenting::new(datagram::can_segment(socket.as_fd()));
        Ok(Endpoint {
            ipv6,
            connected: peer.is_some(),
            anywhere: local.as_socket().is_some_and(|local| local.ip().is_unspecified()),
            longest_connected: peer.and_then(|peer| peer.as_socket()).map_or(LONGEST_V4, longest_to),
            reading: Reading { buffer, coalesced: datagram::coalesce(socket.as_fd()), landing },
            longest_received: 0,
            readable: false,
            writable: true,
            receive_failed: false,
            send_failed: false,
            queue: Queue::default(),
            completions: Completions::default(),
            segmenting,
            socket,
        })
    }

    /// Receives at most [`SLOTS`] messages into `batch`, and says how many. They may hold more datagrams than
    /// that. The caller counts those against its `budget`, and calls again as long as some of it is left and
    /// [`Endpoint::is_readable`]. Judged by the last batch, no more are asked for than the budget will pay:
    /// a full batch of coalesced ones is 2 MiB.
    ///
    /// A batch that is not full proves the socket empty. The kernel ends it early either because nothing
    /// waits, or because an error has come meanwhile, which it keeps for the next call; and what comes
    /// during the call, datagram or error, makes an edge of its own.
    ///
    /// # Errors
    /// What the network reported, such as ECONNREFUSED for a datagram that a connected socket sent. It counts
    /// as read, and datagrams may wait behind it. A second error in a row has come meanwhile, so with an edge
    /// of its own, or comes always: either way reading waits for the next edge.
    pub(crate) fn receive(&mut self, batch: &mut RecvBatch, budget: usize) -> io::Result<usize> {
        let most = budget.div_ceil(cost(self.longest_received)).clamp(1, SLOTS);
        let received = batch.receive(self.socket.as_fd(), self.reading, most);
        self.readable = match &received {
            Ok(count) => *count == most,
            Err(_) => !self.receive_failed,
        };
        if matches!(received, Ok(1..)) {
            self.longest_received = batch.longest();
        }
        self.receive_failed = received.is_err();
        received
    }

    /// The address of this side.
    pub(crate) fn local(&self) -> Option<Address> {
        socket::local_address(self.as_fd()).ok()
    }

    /// How many calls of [`receive`](Self::receive), with a budget without end, take all that the kernel holds now.
    pub(crate) fn batches_held(&self) -> usize {
        // The kernel counts the least datagram with its bookkeeping, which takes more than this.
        const LEAST: usize = 256;
        let room = self.socket.recv_buffer_size().unwrap_or(0);
        // And one that is not full, and one for an error.
        room / (LEAST * SLOTS) + 2
    }

    /// Sends until the queue is empty or the socket has no room. A datagram that the kernel refuses is
    /// dropped, and those behind it still leave.
    pub(crate) fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed::default();
        while self.writable && !self.queue.is_empty() {
            self.send(&mut flushed);
        }
        Flushed { blocked: self.wants_write(), ..flushed }
    }

    /// One call. It sends something, or drops something, or changes how the front is sent, or blocks.
    fn send(&mut self, flushed: &mut Flushed) {
        let mut counts = [0_u8; MAX_MESSAGES];
        let messages = counts.iter_mut().zip(self.queue.runs(&self.segmenting)).map(|(count, run)| {
            // MAX_SEGMENTS at most.
            *count = run.datagrams as u8;
            run.message
        });
        flushed.system_calls += 1;
        match datagram::send_batch(self.socket.as_fd(), self.ipv6, messages) {
            Ok(messages) => {
                let datagrams = counts[..messages].iter().map(|&count| usize::from(count)).sum();
                self.segmenting.sent(datagrams);
                self.send_failed = false;
                flushed.sent += datagrams;
                flushed.sent_bytes += self.queue.pop(datagrams);
                self.completions.left(datagrams, Completed::Sent);
            }
            Err(error) => self.refused(&error, counts[0].into(), flushed),
        }
    }

    /// The kernel refused the message at the front, which stands for so many `datagrams`.
    fn refused(&mut self, error: &io::Error, datagrams: usize, flushed: &mut Flushed) {
        if self.is_full(error) {
            self.writable = false;
            return;
        }
        if datagrams > 1 {
            return self.segmenting.refused(error, datagrams, self.queue.front_len());
        }
        flushed.errno = error.raw_os_error();
        // A connected socket reports here what the network said of an earlier datagram: once.
        if self.connected && !self.send_failed {
            self.send_failed = true;
            return;
        }
        self.send_failed = false;
        self.segmenting.dropped();
        flushed.dropped += 1;
        self.queue.pop(1);
        self.completions.left(1, Completed::Cancelled);
    }

    /// Whether there will be room by waiting. ENOBUFS says so only if something is on its way out; else the
    /// datagram's fragments exceed the send buffer, or memory is short, and no edge would end the wait.
    fn is_full(&self, error: &io::Error) -> bool {
        match error.raw_os_error() {
            Some(libc::ENOBUFS) => datagram::outstanding(self.socket.as_fd()) > 0,
            _ => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

#[cfg(test)]
mod tests;

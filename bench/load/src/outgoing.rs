//! Sending datagrams, a batch with one call.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{sendmmsg, setsockopt, sockopt, MsgFlags, MultiHeaders};
use rustix::io::Errno;
use rustix::net::{send, SendFlags};

use crate::failure::errno;

/// Datagrams in one call: as many segments as udp(7) allows in one send.
pub(crate) const BATCH: usize = 64;

/// Bytes that may leave as one: they and the headers must fit into the 16 bits of an IP packet's length.
const LARGEST_PIECE: usize = 65_000;

/// A batch of datagrams of one size: they are written here first, and then sent.
pub(crate) struct Outgoing {
    size: usize,
    /// Whether a batch leaves as one piece that the system takes apart (UDP_SEGMENT), if need be in the network card.
    segmented: bool,
    most: usize,
    bytes: Vec<u8>,
    headers: MultiHeaders<()>,
}

impl Outgoing {
    /// For datagrams of `size` bytes. With `offload`, sockets must have been prepared.
    pub(crate) fn new(size: usize, offload: bool) -> Self {
        let most = if offload { (LARGEST_PIECE / size).clamp(1, BATCH) } else { BATCH };
        let headers = MultiHeaders::preallocate(BATCH, None);
        Self { size, segmented: offload, most, bytes: vec![0; most * size], headers }
    }

    /// All that `socket` sends is taken apart at multiples of `size` bytes; not at all if that is zero.
    pub(crate) fn prepare(socket: &impl AsFd, size: usize) -> Result<(), Errno> {
        setsockopt(socket, sockopt::UdpGsoSegment, &(size as i32)).map_err(errno)
    }

    /// How many fit into a batch.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether a batch leaves as one.
    pub(crate) fn segmented(&self) -> bool {
        self.segmented
    }

    /// From here on each datagram leaves alone. Sockets must be prepared anew, for a size of zero.
    pub(crate) fn stop_segmenting(&mut self) {
        self.segmented = false;
    }

    /// Where datagram number `position` of the batch is written.
    pub(crate) fn datagram(&mut self, position: usize) -> &mut [u8] {
        &mut self.bytes[position * self.size..][..self.size]
    }

    /// Sends the first `count`, at least one. Returns how many the kernel took.
    pub(crate) fn send(&mut self, socket: &(impl AsFd + AsRawFd), count: usize) -> Result<usize, Errno> {
        let bytes = &self.bytes[..count * self.size];
        if self.segmented || count == 1 {
            send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
            return Ok(count);
        }
        let mut parts = bytes.chunks_exact(self.size);
        let slices: [_; BATCH] = std::array::from_fn(|_| [IoSlice::new(parts.next().unwrap_or_default())]);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // The sockets are connected: no message has an address.
        let sent = sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            &slices[..count],
            &[None; BATCH][..],
            &[][..],
            flags,
        );
        Ok(sent.map_err(errno)?.count())
    }
}

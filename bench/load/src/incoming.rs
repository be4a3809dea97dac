//! Receiving datagrams, a batch with one call.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::sys::socket::{recvmmsg, setsockopt, sockopt, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg};
use rustix::io::Errno;

use crate::failure::errno;
use crate::outgoing::BATCH;

/// Room for the largest piece, 65,535 bytes, and a cache line more: so the buffers' beginnings, which is all that
/// short datagrams use, do not compete for the same set of the cache.
const PIECE: usize = 65_536 + 64;

/// One thing that was received: a datagram, or several that arrived as one.
#[derive(Clone, Copy)]
struct Piece {
    length: usize,
    /// Length of each datagram in it but the last, which may be shorter. Zero if it is a single one.
    segment: usize,
}

/// What one call received.
pub(crate) struct Incoming {
    /// Whether the system may hand over several datagrams as one piece (UDP_GRO).
    merged: bool,
    /// Length of a buffer.
    room: usize,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Incoming {
    /// For datagrams of `size` bytes. With `offload`, sockets must have been prepared.
    pub(crate) fn new(size: usize, offload: bool) -> Self {
        // One byte more, so that a datagram that is too long does not look right.
        let room = if offload { PIECE } else { size + 1 };
        Self { merged: offload, room, bytes: vec![0; room * BATCH], pieces: Vec::with_capacity(BATCH) }
    }

    /// What was sent to `socket` as one arrives as one.
    pub(crate) fn prepare(socket: &impl AsFd) -> Result<(), Errno> {
        setsockopt(socket, sockopt::UdpGroSegment, &true).map_err(errno)
    }

    /// Receives what is there, at most `most` pieces and at most a batch. Forgets what was received before.
    pub(crate) fn receive(&mut self, socket: &impl AsRawFd, most: usize) -> Result<(), Errno> {
        self.pieces.clear();
        let most = most.clamp(1, BATCH);
        // Not kept for the next call: the kernel writes the lengths of addresses and control messages into the
        // headers, and nothing sets them back. Without room for an address they are cheap to make.
        let control = self.merged.then(|| cmsg_space!(i32));
        let mut headers = MultiHeaders::<()>::preallocate(most, control);
        let mut rooms = self.bytes.chunks_exact_mut(self.room);
        let mut slices: [_; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let slices = slices[..most].iter_mut();
        let received = recvmmsg(socket.as_raw_fd(), &mut headers, slices, MsgFlags::MSG_DONTWAIT, None);
        for message in received.map_err(errno)? {
            self.pieces.push(Piece { length: message.bytes, segment: segment(&message)? });
        }
        Ok(())
    }

    /// The datagrams of the last call in the order of their arrival.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let rooms = self.bytes.chunks_exact(self.room);
        rooms.zip(&self.pieces).flat_map(|(room, piece)| piece.datagrams(room))
    }
}

impl Piece {
    /// Takes the piece apart that is at the beginning of `room`.
    fn datagrams<'a>(&self, room: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let (first, rest) = match self.segment {
            0 => room[..self.length].split_at(self.length),
            segment => room[..self.length].split_at(segment.min(self.length)),
        };
        std::iter::once(first).chain(rest.chunks(self.segment.max(1)))
    }
}

/// At which length the piece is to be taken apart.
fn segment(message: &RecvMsg<()>) -> Result<usize, Errno> {
    let segment = message.cmsgs().map_err(errno)?.find_map(|control| match control {
        ControlMessageOwned::UdpGroSegments(length) => usize::try_from(length).ok(),
        _ => None,
    });
    Ok(segment.unwrap_or(0))
}

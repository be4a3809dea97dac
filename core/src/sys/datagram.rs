//! Datagram sockets: receiving and sending many datagrams with one call, where the system can.

use crate::base::datagram::Envelope;

pub(crate) use super::system::datagram::{
    can_segment, coalesce, outstanding, prepare, send_batch, tell_landing, RecvBatch, MAX_MESSAGES, SLOTS,
};

/// Bytes that every datagram fits in: the length field of UDP has 16 bits.
pub(crate) const MAX_BUFFER: usize = 65_535;

/// A datagram as it came, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) envelope: Envelope,
}

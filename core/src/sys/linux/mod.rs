//! What only Linux has.

pub(crate) mod affinity;
pub(super) mod call;
pub(super) mod copies;
pub(super) mod datagram;
pub(super) mod errno;
pub(super) mod memory;
pub(super) mod socket;

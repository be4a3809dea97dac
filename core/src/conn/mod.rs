//! A connection, or UDP socket, as a state machine: bytes received go in, bytes to send come out.

pub(crate) mod completions;
pub(crate) mod datagram;
pub(crate) mod entry;
pub(crate) mod request;
pub(crate) mod shared;
pub(crate) mod stream;

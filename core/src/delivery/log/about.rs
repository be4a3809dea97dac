//! How it was with a connection that ends: whoever reads of its end could not ask any more.

use std::fmt::Write;

use crate::api::conn::Conn;

/// What is told of a connection that ends, as text: the listener's number (0 for none), the loop, the age in milliseconds, the
/// bytes received, sent and queued, in decimal, then the peer's and the own address, each as in
/// [`Address`](crate::Address); with line feeds between them, which no address has. One that is not known is `?`.
#[derive(Debug)]
pub struct About;

/// Writes it behind `bytes`.
pub(super) fn write_about(bytes: &mut Vec<u8>, conn: &Conn<'_>) {
    let Ok(info) = conn.info() else { return };
    let address = |address: crate::base::error::Result<crate::address::Address>| {
        address.map_or_else(|_| "?".to_owned(), |address| address.to_string())
    };
    let listener = info.listener.map_or(0, |listener| listener.to_u32());
    let mut text = String::with_capacity(96);
    for number in [
        u64::from(listener),
        info.on_loop as u64,
        u64::try_from(info.age.as_millis()).unwrap_or(u64::MAX),
        info.received,
        info.sent,
        info.queued as u64,
    ] {
        // It cannot fail.
        let _ = writeln!(text, "{number}");
    }
    text += &address(conn.remote_address());
    text.push('\n');
    text += &address(conn.local_address());
    bytes.extend_from_slice(text.as_bytes());
}

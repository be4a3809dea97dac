//! Messages of a length of four bytes, the highest first, and a body of as many bytes.

use std::sync::{Mutex, PoisonError};

use reactor_core::{Action, ByteOrder, Conn, ConnOptions, Framing, Handler, LengthField, Width};

/// The largest body; four bytes of length come on top.
const MAX_BODY: usize = 4 << 20;

/// The framing of both kinds: callbacks get the bodies.
pub(crate) fn options() -> ConnOptions {
    let field = LengthField::new(Width::Four, ByteOrder::Big);
    let framing = Framing::length_field(field).max_frame(4 + MAX_BODY);
    ConnOptions { framing: Some(framing), ..ConnOptions::default() }
}

/// Sends each message back.
pub(crate) struct Frames;

impl Handler for Frames {
    fn on_data(&self, conn: &Conn<'_>, body: &[u8]) -> Action {
        // It is refused only if the connection is closed already.
        let _ = conn.write_frame(body);
        Action::None
    }
}

/// Answers each message with one of the length that it asks for.
#[derive(Default)]
pub(crate) struct Answers {
    /// The body of the last answer, to be filled anew. There is one loop, and so nobody who would wait for the lock.
    body: Mutex<Vec<u8>>,
}

impl Handler for Answers {
    fn on_data(&self, conn: &Conn<'_>, request: &[u8]) -> Action {
        let Some((wanted, [fill, ..])) = request.split_first_chunk().map(|(len, rest)| (*len, rest)) else {
            return Action::Close;
        };
        let wanted = u32::from_be_bytes(wanted) as usize;
        if wanted > MAX_BODY {
            return Action::Close;
        }
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        body.clear();
        body.resize(wanted, *fill);
        let _ = conn.write_frame(&body);
        Action::None
    }
}

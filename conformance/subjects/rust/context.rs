//! What a connection carries.

use crate::framing::Frames;
use crate::report::{emit, thread};

/// The context that the engine keeps for a connection.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// The case's own text; `None` if it set none.
    pub(crate) text: Option<String>,
    /// How the input of an outgoing connection comes.
    pub(crate) frames: Frames,
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(text) = &self.text {
            emit("context-destroyed", serde_json::json!({ "text": text, "thread": thread() }));
        }
    }
}

//! What becomes of a connection's input.

use std::sync::Arc;

use reactor_core::{Action, Arguments, Conn};
use serde_json::json;

use crate::framing::Frames;
use crate::options::Mode;
use crate::report::emit;
use crate::script::Scene;
use crate::text::hex;
use crate::world::World;

/// A connection's input: what it is taken for, and a command of which the end is still missing.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) mode: Mode,
    partial: Vec<u8>,
}

impl Input {
    pub(crate) fn new(mode: Mode) -> Self {
        Input { mode, partial: Vec::new() }
    }

    /// Takes what came: a piece of a stream, a frame, or a datagram.
    pub(crate) fn take(&mut self, conn: &Conn<'_>, world: &Arc<World>, data: &[u8]) -> Action {
        let arguments = conn.arguments(data);
        if !arguments.is_empty() {
            return self.take_command(conn, world, data, &arguments);
        }
        let frames = world.frames(conn.id());
        if frames == Frames::None {
            return self.take_stream(conn, world, data);
        }
        match self.mode {
            Mode::Script | Mode::Keep => {
                let line = String::from_utf8_lossy(frames.payload(data)).into_owned();
                self.obey(conn, world, &line).unwrap_or_default()
            }
            Mode::Echo if frames == Frames::Plain => {
                // Refused only if the connection is closed already, or closed by this: on_close says so.
                let _ = conn.write_frame(data);
                Action::None
            }
            _ => self.pass(conn, data),
        }
    }

    fn take_command(
        &mut self,
        conn: &Conn<'_>,
        world: &Arc<World>,
        data: &[u8],
        arguments: &Arguments<'_>,
    ) -> Action {
        match self.mode {
            Mode::Script | Mode::Keep => {
                let line = arguments.iter().collect::<Vec<_>>().join(&b' ');
                self.obey(conn, world, &String::from_utf8_lossy(&line)).unwrap_or_default()
            }
            Mode::Data => {
                let (id, all) = (conn.id().to_u64().to_string(), arguments.iter().map(hex));
                let all = all.collect::<Vec<_>>();
                emit("data", json!({ "id": id, "hex": hex(data), "arguments": all }));
                Action::None
            }
            _ => self.pass(conn, data),
        }
    }

    fn take_stream(&mut self, conn: &Conn<'_>, world: &Arc<World>, data: &[u8]) -> Action {
        let mut rest = data;
        while matches!(self.mode, Mode::Script | Mode::Keep) {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                return self.put_aside(conn, rest);
            };
            self.partial.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned();
            if let Some(action) = self.obey(conn, world, &line) {
                return action;
            }
        }
        // A datagram may be empty; and where a script's input has ended, there is nothing to pass on.
        match rest.is_empty() && conn.sender().is_none() {
            true => Action::None,
            false => self.pass(conn, rest),
        }
    }

    fn obey(&mut self, conn: &Conn<'_>, world: &Arc<World>, line: &str) -> Option<Action> {
        Scene { conn, world, mode: &mut self.mode }.obey(line)
    }

    /// Leaves half a command to the engine, or remembers it.
    fn put_aside(&mut self, conn: &Conn<'_>, rest: &[u8]) -> Action {
        match self.mode {
            Mode::Keep => match conn.keep(rest.len()) {
                Ok(()) => Action::None,
                Err(_) => Action::Close,
            },
            _ => {
                self.partial.extend_from_slice(rest);
                Action::None
            }
        }
    }

    /// What is no command.
    fn pass(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        match self.mode {
            Mode::Echo => drop(conn.write(data)),
            Mode::Data => emit("data", json!({ "id": conn.id().to_u64().to_string(), "hex": hex(data) })),
            _ => {}
        }
        Action::None
    }
}

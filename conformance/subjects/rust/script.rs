//! Scripts: what a callback does, one command after the other.

use std::fs::File;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use reactor_core::{Action, Conn};
use serde_json::json;

use crate::call::{fail, Caller};
use crate::options::Mode;
use crate::outcome::value;
use crate::report::{complain, emit};
use crate::text::{pattern, plain, word};
use crate::world::World;

/// What a script is carried out on.
pub(crate) struct Scene<'a> {
    pub(crate) conn: &'a Conn<'a>,
    pub(crate) world: &'a Arc<World>,
    /// What becomes of the connection's next input.
    pub(crate) mode: &'a mut Mode,
}

impl Scene<'_> {
    /// Carries out `;`-separated commands until one ends the callback.
    pub(crate) fn play(&mut self, script: &str) -> Action {
        let mut commands = script.split(';').map(str::trim).filter(|command| !command.is_empty());
        commands.find_map(|command| self.obey(command)).unwrap_or_default()
    }

    /// Carries out one command: `Some` ends the callback with an action.
    pub(crate) fn obey(&mut self, line: &str) -> Option<Action> {
        let (command, rest) = word(line);
        match command {
            "close" => return Some(Action::Close),
            "stop" => return Some(Action::Stop),
            "detach" => return Some(Action::Detach),
            "fail" => fail(),
            "sink" => *self.mode = Mode::Sink,
            "echo-on" => *self.mode = Mode::Echo,
            "data-on" => *self.mode = Mode::Data,
            "sleep" => thread::sleep(Duration::from_millis(rest.parse().unwrap_or(0))),
            "block" => drop(File::open(rest)),
            "stop-call" => self.conn.server().stop(),
            "close-call" => drop(self.conn.close()),
            "hold" => drop(self.conn.hold()),
            "release" => drop(self.conn.release()),
            "pre-write" => self.leave(rest),
            "echo" | "id" | "write" | "writes" => self.write(command, rest),
            "note-write" => self.note(&format!("self text {rest}")),
            "note-call" => self.note(rest),
            _ => self.answer(command, rest, line),
        }
        None
    }

    fn write(&self, command: &str, rest: &str) {
        match command {
            "echo" => self.send(format!("{rest}\n").as_bytes()),
            "id" => self.send(format!("{}\n", self.conn.id().to_u64()).as_bytes()),
            "write" => self.send(&pattern(rest.parse().unwrap_or(0))),
            _ => {
                let (count, size) = word(rest);
                let bytes = pattern(size.parse().unwrap_or(0));
                (0..count.parse().unwrap_or(0)).for_each(|_| self.send(&bytes));
            }
        }
    }

    /// Makes a call, or one of those that are older than calls, and writes the result.
    fn answer(&self, command: &str, rest: &str, line: &str) {
        let (id, text) = word(rest);
        let call = match command {
            "call" => rest.to_owned(),
            "to" => format!("{id} text {text}"),
            "close-id" => format!("{id} close"),
            "wait" | "start" | "free" => format!("server {command}"),
            "listen" => format!("server listen {rest}"),
            _ => return complain(&format!("unknown command {line:?}")),
        };
        let result = match self.call(&call) {
            result if command == "listen" && result.is_object() => json!("ok"),
            result => result,
        };
        self.send(format!("{}\n", plain(&result)).as_bytes());
    }

    fn call(&self, call: &str) -> serde_json::Value {
        let caller = Caller { world: self.world, server: self.conn.server(), own: Some(self.conn) };
        value(caller.call(call))
    }

    fn note(&self, call: &str) {
        let (id, text) = (self.conn.id().to_u64().to_string(), plain(&self.call(call)));
        emit("note", json!({ "id": id, "text": text }));
    }

    fn leave(&self, text: &str) {
        if let Some(on_loop) = self.conn.server().current_loop() {
            self.world.leave(on_loop, self.conn.id(), text);
        }
    }

    /// Writes what a command writes; whether the connection takes it is not its business.
    fn send(&self, bytes: &[u8]) {
        let _ = self.conn.write(bytes);
    }
}

//! Scripts: what a callback does, one command after the other.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use reactor_core::{Action, Conn, Server};
use serde_json::json;

use crate::control::connection;
use crate::options::Mode;
use crate::report::{complain, emit, Outcome};

/// What a script is carried out on.
pub(crate) struct Scene<'a> {
    pub(crate) conn: &'a Conn<'a>,
    pub(crate) server: &'a Server,
    /// What becomes of the connection's next input.
    pub(crate) mode: &'a mut Mode,
}

/// The bytes of `write N`; none if `size` is no number.
pub(crate) fn pattern(size: &str) -> Vec<u8> {
    (0..size.parse().unwrap_or(0)).map(|at: usize| (at % 251) as u8).collect()
}

/// Fails as a handler does that meets a bug of its own. Unwinds without the panic hook, which would print.
pub(crate) fn fail() -> ! {
    resume_unwind(Box::new("told to fail"))
}

impl Scene<'_> {
    /// Carries out `;`-separated commands until one ends the callback.
    pub(crate) fn play(&mut self, script: &str) -> Action {
        let mut commands = script.split(';').map(str::trim).filter(|command| !command.is_empty());
        commands.find_map(|command| self.obey(command)).unwrap_or_default()
    }

    /// Carries out one command: `Some` ends the callback with an action.
    pub(crate) fn obey(&mut self, line: &str) -> Option<Action> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "close" => return Some(Action::Close),
            "stop" => return Some(Action::Stop),
            "fail" => fail(),
            "sink" => *self.mode = Mode::Sink,
            "echo-on" => *self.mode = Mode::Echo,
            "sleep" => thread::sleep(Duration::from_millis(rest.parse().unwrap_or(0))),
            "stop-call" => self.server.handle().stop(),
            "close-call" => drop(self.conn.close()),
            "echo" | "id" | "write" | "writes" | "note-write" => self.write(command, rest),
            _ => match self.call(command, rest) {
                Some(result) => self.send(format!("{result}\n").as_bytes()),
                None => complain(&format!("unknown command {line:?}")),
            },
        }
        None
    }

    fn write(&self, command: &str, rest: &str) {
        match command {
            "echo" => self.send(format!("{rest}\n").as_bytes()),
            "id" => self.send(format!("{}\n", self.conn.id().to_u64()).as_bytes()),
            "write" => self.send(&pattern(rest)),
            "writes" => {
                let (count, size) = rest.split_once(' ').unwrap_or_default();
                let bytes = pattern(size);
                (0..count.parse().unwrap_or(0)).for_each(|_| self.send(&bytes));
            }
            _ => {
                let result = self.conn.write(format!("{rest}\n").as_bytes()).outcome();
                emit("note", json!({ "id": self.conn.id().to_u64().to_string(), "text": result }));
            }
        }
    }

    /// Calls on the server: their RESULT.
    fn call(&self, command: &str, rest: &str) -> Option<String> {
        let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let handle = self.server.handle();
        let outcome = match command {
            "to" => connection(id).and_then(|id| handle.write(id, format!("{text}\n").as_bytes())).outcome(),
            "close-id" => connection(id).and_then(|id| handle.close(id)).outcome(),
            "wait" => self.server.wait().outcome(),
            "start" => self.server.start().outcome(),
            "listen" => self.server.listen(rest).map(drop).outcome(),
            "free" => "n/a".to_owned(),
            _ => return None,
        };
        Some(outcome)
    }

    /// Writes what a command writes; whether the connection takes it is not its business.
    fn send(&self, bytes: &[u8]) {
        let _ = self.conn.write(bytes);
    }
}

//! The commands from standard input, carried out on a thread that is no loop's.

use std::io::BufRead;
use std::sync::mpsc::Sender;
use std::sync::Weak;
use std::thread;

use reactor_core::{ConnId, Error, ErrorKind, Pressure, Result, Server};
use serde_json::{json, Value};

use crate::report::{complain, emit, Outcome};
use crate::script::pattern;

pub(crate) struct Control {
    /// Weak, so that the server is freed as soon as it has ended.
    server: Weak<Server>,
    /// Tells the main thread that it may wait.
    started: Sender<()>,
}

impl Control {
    pub(crate) fn new(server: Weak<Server>, started: Sender<()>) -> Self {
        Control { server, started }
    }

    /// Carries out one command a line; the end of standard input stops the server.
    pub(crate) fn run(self) {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            let Some(server) = self.server.upgrade() else { continue };
            let result = self.obey(&server, &line);
            // Before the reply: the runner may close standard input as soon as it has it.
            drop(server);
            emit("reply", json!({ "command": line, "result": result }));
        }
        if let Some(server) = self.server.upgrade() {
            server.handle().stop();
        }
    }

    fn obey(&self, server: &Server, line: &str) -> Value {
        let mut words = line.splitn(3, ' ');
        let command = words.next().unwrap_or_default();
        let (first, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let handle = server.handle();
        match command {
            "write" => json!(write(server, first, &pattern(rest)).outcome()),
            "text" => json!(write(server, first, format!("{rest}\n").as_bytes()).outcome()),
            "burst" => json!(burst(server, first, rest)),
            "close" => json!(connection(first).and_then(|id| handle.close(id)).outcome()),
            "stats" => json!({ "connections": handle.connections(), "queued": handle.queued_bytes() }),
            "stop" => {
                handle.stop();
                json!("ok")
            }
            "listen" => json!(server.listen(first).unwrap_or_else(|error| error.kind().name().to_owned())),
            "start" => json!(self.start(server)),
            "wait" => json!(server.wait().outcome()),
            _ => {
                complain(&format!("unknown command {line:?}"));
                Value::Null
            }
        }
    }

    fn start(&self, server: &Server) -> String {
        let started = server.start();
        if started.is_ok() {
            // The main thread is gone only when the process ends.
            let _ = self.started.send(());
        }
        started.outcome()
    }
}

/// The connection that a command names. What never was an id is no connection's.
pub(crate) fn connection(text: &str) -> Result<ConnId> {
    let raw = text.parse().ok();
    raw.and_then(ConnId::from_u64).ok_or_else(|| Error::new(ErrorKind::Closed, format!("{text} is no id")))
}

fn write(server: &Server, id: &str, bytes: &[u8]) -> Result<Pressure> {
    server.handle().write(connection(id)?, bytes)
}

/// K writes of N bytes at once, each from a thread of its own; `shape` is `K N`.
fn burst(server: &Server, id: &str, shape: &str) -> String {
    let (count, size) = shape.split_once(' ').unwrap_or_default();
    let bytes = pattern(size);
    let outcomes: Vec<String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..count.parse().unwrap_or(0))
            .map(|_| scope.spawn(|| write(server, id, &bytes).outcome()))
            .collect();
        writers.into_iter().filter_map(|writer| writer.join().ok()).collect()
    });
    outcomes.join(" ")
}

//! The commands from standard input, carried out on a thread that is no loop's, or on the one that drives the server.

use std::sync::mpsc::Sender;
use std::sync::Arc;

use reactor_core::{Config, Error, Handle, Handler, Server};
use serde_json::{json, Value};

use crate::call::Caller;
use crate::forks;
use crate::outcome::{value, Outcome};
use crate::report::emit;
use crate::text::word;
use crate::threads;
use crate::world::World;

pub(crate) struct Control {
    world: Arc<World>,
    /// Tells the main thread that it may wait.
    started: Sender<()>,
}

impl Control {
    pub(crate) fn new(world: Arc<World>, started: Sender<()>) -> Self {
        Control { world, started }
    }

    /// Carries out one command a line; the end of standard input stops the server.
    pub(crate) fn run(self) {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { break };
            self.carry_out(&line);
        }
        self.end();
    }

    /// Carries out a command and tells its result.
    pub(crate) fn carry_out(&self, line: &str) {
        let Some(server) = self.world.server() else { return };
        let outcome = self.obey(server.handle(), line);
        // Before the reply: the runner may close standard input as soon as it has it.
        drop(server);
        let mut reply = json!({ "command": line });
        if line.starts_with("call ") {
            reply["message"] = json!(outcome.as_ref().err().map(|failure| &failure.message));
        }
        reply["result"] = value(outcome);
        emit("reply", reply);
    }

    /// There will be no command any more.
    pub(crate) fn end(&self) {
        if let Some(server) = self.world.server() {
            server.handle().stop();
        }
    }

    fn obey(&self, server: &Handle, line: &str) -> Outcome {
        let (command, rest) = word(line);
        let (id, text) = word(rest);
        match command {
            "write" | "text" => self.call(server, &format!("{id} {command} {text}")),
            "close" | "hold" | "release" => self.call(server, &format!("{id} {command}")),
            "stop" | "wait" | "start" => self.call(server, &format!("server {command}")),
            "listen" => self.listen(server, rest),
            "call" => self.call(server, rest),
            "burst" => {
                let (count, size) = word(text);
                let tally = threads::each(&self.world, server, count, "1", &format!("{id} write {size}"));
                let all = tally.iter().flat_map(|(result, count)| vec![result.as_str(); *count as usize]);
                Ok(json!(all.collect::<Vec<_>>().join(" ")))
            }
            "threads" => Ok(self.storm(server, rest)),
            "fork" => self.fork(server, rest),
            "cycles" => cycles(rest.parse().unwrap_or(0)),
            "stats" => Ok(json!({ "connections": server.connections(), "queued": server.queued_bytes() })),
            _ => Err(format!("unknown command {line:?}").into()),
        }
    }

    fn call(&self, server: &Handle, call: &str) -> Outcome {
        let outcome = Caller { world: &self.world, server, own: None }.call(call);
        if call == "server start" && outcome.is_ok() {
            // The main thread is gone only when the process ends.
            let _ = self.started.send(());
        }
        outcome
    }

    /// Makes a call on the server in a forked child.
    fn fork(&self, server: &Handle, call: &str) -> Outcome {
        let text = |outcome: Value| outcome.as_str().map_or_else(|| outcome.to_string(), str::to_owned);
        let result = forks::call_in_child(|| text(value(self.call(server, &format!("server {call}")))));
        Ok(json!(result.map_err(|error| error.to_string())?))
    }

    /// Unlike the call of this name it has the bound URL as its result.
    fn listen(&self, server: &Handle, url: &str) -> Outcome {
        Ok(self.call(server, &format!("server listen {url}"))?["url"].take())
    }

    /// `K N TARGET CALL`: how often each result came.
    fn storm(&self, server: &Handle, rest: &str) -> Value {
        let (count, rest) = word(rest);
        let (times, call) = word(rest);
        json!(threads::each(&self.world, server, count, times, call))
    }
}

struct Silent;

impl Handler for Silent {}

/// Whole lives of servers, one after the other.
fn cycles(count: usize) -> Outcome {
    (0..count).try_for_each(|_| cycle())?;
    Ok(json!("ok"))
}

fn cycle() -> Result<(), Error> {
    let server = Server::new(Silent, &Config::default())?;
    server.listen("tcp://127.0.0.1:0")?;
    server.start()?;
    server.handle().stop();
    server.wait()
}

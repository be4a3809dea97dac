//! The handler: reports every callback and carries out its script.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use reactor_core::{Action, BoxError, Closed, Conn, ConnId, Handle, Handler, Server};
use serde_json::json;

use crate::options::{Mode, Options, Scripts};
use crate::report::{emit, thread};
use crate::script::{fail, Scene};

/// A connection's input: what it is taken for, and a command of which the end is still missing.
struct Input {
    mode: Mode,
    partial: Vec<u8>,
}

pub(crate) struct Subject {
    server: Arc<OnceLock<Weak<Server>>>,
    mode: Mode,
    scripts: Scripts,
    trace: bool,
    inputs: Mutex<HashMap<ConnId, Input>>,
}

impl Subject {
    pub(crate) fn new(options: &Options, server: Arc<OnceLock<Weak<Server>>>) -> Self {
        let Options { mode, scripts, trace, .. } = options.clone();
        Subject { server, mode, scripts, trace, inputs: Mutex::default() }
    }

    fn inputs(&self) -> MutexGuard<'_, HashMap<ConnId, Input>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a callback's script.
    fn play(&self, conn: &Conn<'_>, script: &str) -> Action {
        if script.is_empty() {
            return Action::None;
        }
        self.with_input(conn, |input, server| Scene { conn, server, mode: &mut input.mode }.play(script))
    }

    /// Lends a connection's input, and the server, to `f`, with no lock held: callbacks of one connection never overlap.
    fn with_input(&self, conn: &Conn<'_>, f: impl FnOnce(&mut Input, &Server) -> Action) -> Action {
        // The server is there until it has ended, and so as long as callbacks come.
        let Some(server) = self.server.get().and_then(Weak::upgrade) else { return Action::None };
        let fresh = Input { mode: self.mode, partial: Vec::new() };
        let mut input = self.inputs().remove(&conn.id()).unwrap_or(fresh);
        let action = f(&mut input, &server);
        self.inputs().insert(conn.id(), input);
        action
    }

    fn say(&self, event: &str, conn: &Conn<'_>, mut members: serde_json::Value) {
        if self.trace {
            members["id"] = json!(conn.id().to_u64().to_string());
            emit(event, members);
        }
    }
}

impl Handler for Subject {
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        emit("start", json!({ "thread": thread() }));
        match self.scripts.start.as_str() {
            "stop" => return Ok(Action::Stop),
            "fail" => fail(),
            "stop-call" => server.stop(),
            _ => {}
        }
        Ok(Action::None)
    }

    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.say("open", conn, json!({ "thread": thread() }));
        self.play(conn, &self.scripts.open)
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        self.with_input(conn, |input, server| take(conn, server, input, data))
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        self.say("drain", conn, json!({}));
        self.play(conn, &self.scripts.drain)
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        let (reason, errno) = (closed.reason.name(), closed.errno);
        self.say("close", conn, json!({ "reason": reason, "errno": errno, "thread": thread() }));
        let _ = self.play(conn, &self.scripts.close);
        self.inputs().remove(&conn.id());
    }

    fn on_stop(&self, _server: &Handle) {
        emit("stop", json!({}));
    }
}

/// Takes a connection's input: as commands until one says otherwise.
fn take(conn: &Conn<'_>, server: &Server, input: &mut Input, data: &[u8]) -> Action {
    let mut rest = data;
    while input.mode == Mode::Script {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            input.partial.extend_from_slice(rest);
            return Action::None;
        };
        input.partial.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        let line = String::from_utf8_lossy(&std::mem::take(&mut input.partial)).into_owned();
        if let Some(action) = (Scene { conn, server, mode: &mut input.mode }).obey(&line) {
            return action;
        }
    }
    if input.mode == Mode::Echo && !rest.is_empty() {
        // Refused only if the connection is closed already, or closed by this: on_close says so.
        let _ = conn.write(rest);
    }
    Action::None
}

//! The handler: reports every callback and carries out its script.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reactor_core::{Action, BoxError, Closed, Conn, ConnId, Detached, Handle, Handler, TimerId};
use serde_json::json;

use crate::call::fail;
use crate::context::Context;
use crate::detached;
use crate::input::Input;
use crate::options::{Mode, Options, Scripts};
use crate::report::{complain, emit, thread};
use crate::script::Scene;
use crate::text::hex;
use crate::world::World;

pub(crate) struct Subject {
    world: Arc<World>,
    mode: Mode,
    outgoing_mode: Mode,
    scripts: Scripts,
    trace: bool,
    ticks: Mutex<VecDeque<String>>,
    inputs: Mutex<HashMap<ConnId, Input>>,
}

impl Subject {
    pub(crate) fn new(options: &Options, world: Arc<World>) -> Self {
        let Options { mode, outgoing_mode, scripts, trace, ticks, .. } = options.clone();
        let ticks = Mutex::new(ticks.into());
        Subject { world, mode, outgoing_mode, scripts, trace, ticks, inputs: Mutex::default() }
    }

    fn inputs(&self) -> MutexGuard<'_, HashMap<ConnId, Input>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a callback's script.
    fn play(&self, conn: &Conn<'_>, script: &str) -> Action {
        if script.is_empty() {
            return Action::None;
        }
        self.with_input(conn, |input| Scene { conn, world: &self.world, mode: &mut input.mode }.play(script))
    }

    /// Lends a connection's input to `f`, with no lock held: callbacks of one connection never overlap.
    fn with_input(&self, conn: &Conn<'_>, f: impl FnOnce(&mut Input) -> Action) -> Action {
        let known = self.inputs().remove(&conn.id());
        let mut input = known.unwrap_or_else(|| Input::new(self.mode));
        let action = f(&mut input);
        self.inputs().insert(conn.id(), input);
        action
    }

    /// Remembers how the input of a fresh connection comes; says whether it is an incoming one.
    fn begin(&self, conn: &Conn<'_>) -> bool {
        let listener = conn.info().ok().and_then(|info| info.listener);
        let frames = match listener {
            Some(listener) => self.world.listener_frames(listener),
            None => conn.with_context(|context: &mut Context| context.frames).unwrap_or_default(),
        };
        self.world.set_frames(conn.id(), frames);
        let mode = if listener.is_some() { self.mode } else { self.outgoing_mode };
        self.inputs().insert(conn.id(), Input::new(mode));
        let listener = listener.map(|listener| listener.to_u32());
        self.say("open", conn, json!({ "listener": listener, "thread": thread() }));
        listener.is_some()
    }

    fn forget(&self, conn: &Conn<'_>) {
        self.inputs().remove(&conn.id());
        self.world.forget(conn.id());
    }

    fn say(&self, event: &str, conn: &Conn<'_>, members: serde_json::Value) {
        if self.trace {
            report(event, conn, members);
        }
    }
}

/// Reports a callback of a connection's, whether the others are traced or not.
fn report(event: &str, conn: &Conn<'_>, mut members: serde_json::Value) {
    members["id"] = json!(conn.id().to_u64().to_string());
    emit(event, members);
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
        match self.begin(conn) {
            true => self.play(conn, &self.scripts.open),
            false => Action::None,
        }
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        if let Some(sender) = conn.sender() {
            let (size, truncated) = (data.len(), conn.is_truncated());
            let (sender, thread) = (sender.to_string(), thread());
            let to = conn.destination();
            let (to, interface) = (to.map(|to| to.address.to_string()), to.map(|to| to.interface));
            let members = json!({
                "sender": sender, "to": to, "interface": interface, "size": size, "truncated": truncated, "thread": thread,
            });
            self.say("datagram", conn, members);
        }
        self.with_input(conn, |input| input.take(conn, &self.world, data))
    }

    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        self.say("eof", conn, json!({ "thread": thread() }));
        self.play(conn, &self.scripts.eof)
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        self.say("drain", conn, json!({}));
        self.play(conn, &self.scripts.drain)
    }

    fn on_wake(&self, conn: &Conn<'_>) -> Action {
        self.say("wake", conn, json!({ "thread": thread() }));
        self.play(conn, &self.scripts.wake)
    }

    fn on_timer(&self, conn: &Conn<'_>, timer: TimerId) -> Action {
        report("timer", conn, json!({ "timer": timer.to_u64(), "result": null, "thread": thread() }));
        self.play(conn, &self.scripts.timer)
    }

    fn on_detach(&self, conn: &Conn<'_>, held: Detached) {
        let nonblocking = detached::is_nonblocking(&held.descriptor);
        let (input, output) = (hex(&held.input), held.output.len());
        let members =
            json!({ "input": input, "output": output, "nonblocking": nonblocking, "thread": thread() });
        report("detach", conn, members);
        self.forget(conn);
        detached::serve(held);
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        let (reason, errno) = (closed.reason.name(), closed.errno);
        self.say("close", conn, json!({ "reason": reason, "errno": errno, "thread": thread() }));
        let _ = self.play(conn, &self.scripts.close);
        self.forget(conn);
    }

    fn on_tick(&self, server: &Handle) -> Option<Duration> {
        let step = self.ticks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        // A server without ticks has this callback, too: the case did not ask for it.
        if step.is_some() {
            emit("tick", json!({ "thread": thread() }));
        }
        match step?.as_str() {
            "fail" => fail(),
            "stop" => {
                server.stop();
                None
            }
            delay => match delay.parse() {
                Ok(delay) => Some(Duration::from_millis(delay)),
                Err(_) => {
                    complain(&format!("unknown tick {delay}"));
                    None
                }
            },
        }
    }

    fn on_pre_write(&self, server: &Handle) {
        self.world.pre_write(server);
    }

    fn on_stopping(&self, _server: &Handle) {
        emit("stopping", json!({ "thread": thread() }));
    }

    fn on_stop(&self, _server: &Handle) {
        emit("stop", json!({}));
    }
}

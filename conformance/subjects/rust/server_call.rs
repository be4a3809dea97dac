//! Calls on the server.

use std::sync::Arc;
use std::time::Duration;

use reactor_core::{Error, ErrorKind, Handle, ListenerId, Listening, Server, Waiting};
use serde_json::{json, Value};

use crate::call::{fail, Caller};
use crate::conn_call::{cancelled, timer, times};
use crate::metrics;
use crate::outcome::{not_there, value, Outcome, ToOutcome};
use crate::report::{emit, thread};
use crate::text::word;
use crate::world::World;
use crate::{dialled, terms};

pub(crate) fn make(caller: Caller<'_>, call: &str) -> Outcome {
    let Caller { world, server, .. } = caller;
    let (name, rest) = word(call);
    match name {
        "listen" | "listen-inherited" => listen(world, name, rest),
        "close-listener" => match word(rest) {
            (number, "refuse") => server.close_listener_with(listener(number)?, Waiting::Refuse).outcome(),
            (number, _) => server.close_listener(listener(number)?).outcome(),
        },
        "listeners" => Ok(server.listeners().iter().map(described).collect()),
        "endpoints" => {
            let ids = server.endpoints(listener(rest)?);
            Ok(ids.iter().map(|id| id.to_u64().to_string()).collect())
        }
        "connect" | "enroll" => connect(server, name, rest),
        "run" => run(world, server, rest),
        "timer" => start_timer(world, server, rest),
        "cancel" => Ok(cancelled(server.cancel_timer(timer(rest)?)?)),
        "current-loop" => Ok(json!(server.current_loop())),
        "loops" => Ok(json!(server.loops())),
        "metrics" => metrics::snapshot(server, rest),
        "stop" => {
            server.stop();
            Ok(json!("ok"))
        }
        "stop-gracefully" => {
            server.stop_gracefully(Duration::from_millis(rest.parse().unwrap_or(0)));
            Ok(json!("ok"))
        }
        "start" => of_server(world, Server::start),
        "wait" => of_server(world, Server::wait),
        "free" => not_there(),
        _ => Err(format!("unknown call server {call}").into()),
    }
}

/// Makes a call that only the server itself has.
fn of_server(world: &World, call: impl FnOnce(&Server) -> reactor_core::Result<()>) -> Outcome {
    let ended = || Error::new(ErrorKind::WrongState, "the server has ended");
    call(&*world.server().ok_or_else(ended)?).outcome()
}

/// Listens, and remembers how the input of the listener's connections comes.
fn listen(world: &World, name: &str, rest: &str) -> Outcome {
    let ended = || Error::new(ErrorKind::WrongState, "the server has ended");
    let server = world.server().ok_or_else(ended)?;
    if name == "listen-inherited" {
        return Ok(listen_inherited(world, &server, rest)?.iter().map(described).collect());
    }
    let (url, options) = word(rest);
    Ok(described(&listen_at(world, &server, url, options)?))
}

pub(crate) fn listen_at(world: &World, server: &Server, url: &str, text: &str) -> Result<Listening, Error> {
    let terms = terms::of_listener(text).map_err(wrong_case)?;
    let listening = server.listen_with(url, &terms.listener, &terms.conns)?;
    world.set_listener_frames(listening.id, terms.frames);
    Ok(listening)
}

pub(crate) fn listen_inherited(world: &World, server: &Server, text: &str) -> Result<Vec<Listening>, Error> {
    let terms = terms::of_listener(text).map_err(wrong_case)?;
    let all = server.listen_inherited(&terms.listener, &terms.conns)?;
    all.iter().for_each(|listening| world.set_listener_frames(listening.id, terms.frames));
    Ok(all)
}

fn wrong_case(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

fn described(listening: &Listening) -> Value {
    json!({ "listener": listening.id.to_u32(), "url": listening.address })
}

fn listener(text: &str) -> Result<ListenerId, Error> {
    let listener = text.parse().ok().and_then(ListenerId::from_u32);
    listener.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, format!("{text} is no listener")))
}

fn connect(server: &Handle, name: &str, rest: &str) -> Outcome {
    let (url, options) = word(rest);
    let options = terms::of_connection(options)?;
    let id = match name {
        "connect" => server.connect(url, options)?,
        _ => server.enroll(dialled::socket(url)?, options)?,
    };
    Ok(json!(id.to_u64().to_string()))
}

/// Has a loop make a call: `LOOP CALL`.
fn run(world: &Arc<World>, server: &Handle, rest: &str) -> Outcome {
    let (on_loop, call) = word(rest);
    let on_loop = on_loop.parse().map_err(|_| format!("{on_loop} is no loop"))?;
    let (world, call) = (Arc::clone(world), call.to_owned());
    let job = move |server: &Handle| {
        let result = play(&world, server, &call);
        emit("ran", json!({ "id": null, "call": call, "result": result, "thread": thread() }));
    };
    server.run_on(on_loop, job).outcome()
}

/// Makes a call on the server, or fails.
fn play(world: &Arc<World>, server: &Handle, call: &str) -> Value {
    if call == "fail" {
        fail();
    }
    value(make(Caller { world, server, own: None }, call))
}

/// `DELAY REPEAT [CALL]`.
fn start_timer(world: &Arc<World>, server: &Handle, rest: &str) -> Outcome {
    let (delay, repeat) = times(rest)?;
    let call = rest.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
    let world = Arc::clone(world);
    // Known when the timer is due: it cannot be before this returns.
    let number = std::rc::Rc::new(std::cell::Cell::new(0));
    let own = std::rc::Rc::clone(&number);
    let due = move |server: &Handle| {
        let result = if call.is_empty() { Value::Null } else { play(&world, server, &call) };
        emit("timer", json!({ "id": null, "timer": own.get(), "result": result, "thread": thread() }));
    };
    number.set(server.start_timer(delay, repeat, due)?.to_u64());
    Ok(json!(number.get()))
}

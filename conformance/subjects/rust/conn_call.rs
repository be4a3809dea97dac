//! Calls on a connection.

use std::sync::Arc;
use std::time::Duration;

use reactor_core::{Completed, Conn, ErrorKind, SocketOption, Timeouts, TimerId};
use serde_json::{json, Value};

use crate::call::{fail, On};
use crate::context::Context;
use crate::outcome::{value, Outcome, ToOutcome};
use crate::report::{emit, thread};
use crate::text::{from_hex, numbers, pattern, word};
use crate::world::World;
use crate::{framing, terms};

/// Makes a call both of a connection and, by its id, of the server.
macro_rules! on {
    ($target:expr, $method:ident $(, $argument:expr)*) => {
        match $target {
            On::Conn(conn) => conn.$method($($argument),*),
            On::Id(server, id) => server.$method(id, $($argument),*),
        }
    };
}

pub(crate) fn make(world: &Arc<World>, on: On<'_>, call: &str) -> Outcome {
    let (name, rest) = word(call);
    match name {
        "write" | "text" | "bytes" | "gather" | "write-then" | "frame" | "send-to" => write(on, name, rest),
        "end" => on!(on, end).outcome(),
        "close" => on!(on, close).outcome(),
        "abort" => on!(on, abort).outcome(),
        "detach" => on!(on, detach).outcome(),
        "wake" => on!(on, wake).outcome(),
        "pause" => on!(on, pause).outcome(),
        "resume" => on!(on, resume).outcome(),
        "hold" => on!(on, hold).outcome(),
        "release" => on!(on, release).outcome(),
        "framing" => set_framing(world, on, rest),
        "timeouts" => set_timeouts(on, rest),
        "option" => {
            on!(on, set_option, &option(rest).ok_or_else(|| format!("{rest} is no option"))?).outcome()
        }
        "info" => info(on),
        "remote" => Ok(json!(on!(on, remote_address)?.to_string())),
        "local" => Ok(json!(on!(on, local_address)?.to_string())),
        "credentials" => {
            let who = on!(on, peer_credentials)?;
            Ok(json!({ "pid": who.pid, "uid": who.uid, "gid": who.gid }))
        }
        "run" => run(world, on, rest),
        _ => match on {
            On::Conn(conn) => own(conn, name, rest),
            On::Id(server, id) => server.with_conn(id, |conn| own(conn, name, rest))?,
        },
    }
}

fn write(on: On<'_>, name: &str, rest: &str) -> Outcome {
    match name {
        "write" => on!(on, write, &pattern(rest.parse().unwrap_or(0))).outcome(),
        "text" => on!(on, write, format!("{rest}\n").as_bytes()).outcome(),
        "bytes" => {
            on!(on, write, &from_hex(rest).ok_or_else(|| format!("{rest} is not hexadecimal"))?).outcome()
        }
        "frame" => on!(on, write_frame, rest.as_bytes()).outcome(),
        "gather" => {
            let sizes = numbers(rest);
            let bytes = pattern(sizes.iter().sum());
            on!(on, write_gathered, &slices(&bytes, &sizes)).outcome()
        }
        "send-to" => {
            let (to, text) = word(rest);
            let to = to.parse().map_err(|_| format!("{to} is no address"))?;
            on!(on, send_to, to, text.as_bytes()).outcome()
        }
        _ => write_then(on, rest),
    }
}

/// Cuts bytes into slices of these sizes.
fn slices<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut next = |size: &usize| {
        let (slice, rest) = bytes.split_at(*size);
        bytes = rest;
        slice
    };
    sizes.iter().map(&mut next).collect()
}

fn write_then(on: On<'_>, rest: &str) -> Outcome {
    let (tag, sizes) = word(rest);
    let sizes = numbers(sizes);
    let bytes = pattern(sizes.iter().sum());
    let (id, tag) = (on.id().to_u64().to_string(), tag.to_owned());
    let completion = move |completed| {
        let result = if completed == Completed::Sent { "sent" } else { "cancelled" };
        emit("completed", json!({ "id": id, "tag": tag, "result": result, "thread": thread() }));
        if tag == "fail" {
            fail();
        }
    };
    on!(on, write_then, &slices(&bytes, &sizes), completion).outcome()
}

fn set_framing(world: &Arc<World>, on: On<'_>, spec: &str) -> Outcome {
    let (framing, frames) = framing::parse(spec)?;
    let result = on!(on, set_framing, framing);
    if result.is_ok() {
        world.set_frames(on.id(), frames);
    }
    result.outcome()
}

fn set_timeouts(on: On<'_>, rest: &str) -> Outcome {
    let times: Vec<Duration> = numbers(rest).into_iter().map(Duration::from_millis).collect();
    let [idle, read, write] = times[..] else { return Err(format!("{rest} is no time-outs").into()) };
    on!(on, set_timeouts, Timeouts { idle, read, write }).outcome()
}

/// `NAME VALUE`.
fn option(text: &str) -> Option<SocketOption> {
    let (name, value) = word(text);
    let on = value == "on";
    Some(match name {
        "nodelay" => SocketOption::NoDelay(on),
        "broadcast" => SocketOption::Broadcast(on),
        "multicast-loop" => SocketOption::MulticastLoop(on),
        "recv-buffer" => SocketOption::RecvBuffer(value.parse().ok()?),
        "send-buffer" => SocketOption::SendBuffer(value.parse().ok()?),
        "multicast-ttl" => SocketOption::MulticastTtl(value.parse().ok()?),
        "ttl" => SocketOption::Ttl(value.parse().ok()?),
        "keepalive" => SocketOption::KeepAlive(terms::keepalive(value)?),
        "join" => SocketOption::JoinMulticast(terms::multicast(value)?),
        "leave" => SocketOption::LeaveMulticast(terms::multicast(value)?),
        _ => return None,
    })
}

fn info(on: On<'_>) -> Outcome {
    let info = on!(on, info)?;
    Ok(json!({
        "listener": info.listener.map(|listener| listener.to_u32()),
        "loop": info.on_loop,
        "age_ms": info.age.as_millis() as u64,
        "received": info.received,
        "sent": info.sent,
        "queued": info.queued,
    }))
}

/// Has the connection's loop make a call.
fn run(world: &Arc<World>, on: On<'_>, call: &str) -> Outcome {
    let (world, call) = (Arc::clone(world), call.to_owned());
    let job = move |conn: &Conn<'_>| {
        if call == "fail" {
            fail();
        }
        let (id, result) = (conn.id().to_u64().to_string(), value(make(&world, On::Conn(conn), &call)));
        emit("ran", json!({ "id": id, "call": call, "result": result, "thread": thread() }));
    };
    on.server().run_on_conn(on.id(), job).outcome()
}

/// Calls that only a connection's own callbacks can make.
fn own(conn: &Conn<'_>, name: &str, rest: &str) -> Outcome {
    match name {
        "keep" => conn.keep(rest.parse().unwrap_or(0)).outcome(),
        "timer" => {
            let (delay, repeat) = times(rest)?;
            Ok(json!(conn.start_timer(delay, repeat)?.to_u64()))
        }
        "cancel" => Ok(cancelled(conn.cancel_timer(timer(rest)?))),
        "context" if rest.is_empty() => Ok(json!(context(conn))),
        "context" => {
            drop(conn.set_context(Box::new(Context { text: Some(rest.to_owned()), ..Context::default() })));
            Ok(json!("ok"))
        }
        _ => Err(format!("unknown call {name} {rest}").into()),
    }
}

fn context(conn: &Conn<'_>) -> Option<String> {
    conn.with_context(|context: &mut Context| context.text.clone()).flatten()
}

/// `DELAY REPEAT`, and whatever follows.
pub(crate) fn times(text: &str) -> Result<(Duration, Duration), String> {
    match numbers(text)[..] {
        [delay, repeat, ..] => Ok((Duration::from_millis(delay), Duration::from_millis(repeat))),
        _ => Err(format!("{text} is no delay and repeat")),
    }
}

pub(crate) fn timer(text: &str) -> reactor_core::Result<TimerId> {
    let timer = text.parse().ok().and_then(TimerId::from_u64);
    timer.ok_or_else(|| reactor_core::Error::new(ErrorKind::InvalidArgument, format!("{text} is no timer")))
}

pub(crate) fn cancelled(there_was_one: bool) -> Value {
    json!(if there_was_one { "ok" } else { "gone" })
}

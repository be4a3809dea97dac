//! OPTIONS: what listeners and connections begin with, as text.

use std::time::Duration;

use reactor_core::{ConnOptions, ConnectOptions, KeepAlive, ListenOptions, Multicast};

use crate::context::Context;
use crate::framing::{self, Frames};

/// Options of a listener and of its connections, and how their input comes.
#[derive(Default)]
pub(crate) struct Terms {
    pub(crate) listener: ListenOptions,
    pub(crate) conns: ConnOptions,
    pub(crate) frames: Frames,
}

pub(crate) fn of_listener(text: &str) -> Result<Terms, String> {
    let mut terms = Terms::default();
    for (name, value) in pairs(text)? {
        if !set_conn(&mut terms.conns, &mut terms.frames, name, value)? {
            set_listener(&mut terms.listener, name, value).ok_or_else(|| wrong(name, value))?;
        }
    }
    Ok(terms)
}

/// Options of an outgoing or enrolled connection; what the subject knows of it rides in its context.
pub(crate) fn of_connection(text: &str) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::default();
    let mut context = Context::default();
    for (name, value) in pairs(text)? {
        match name {
            "timeout" if value == "never" => options.timeout = Duration::MAX,
            "timeout" => options.timeout = milliseconds(value).ok_or_else(|| wrong(name, value))?,
            "loop" => options.on_loop = Some(value.parse().map_err(|_| wrong(name, value))?),
            "context" => context.text = Some(value.to_owned()),
            _ if set_conn(&mut options.conn, &mut context.frames, name, value)? => {}
            _ => return Err(wrong(name, value)),
        }
    }
    options.context = Some(Box::new(context));
    Ok(options)
}

fn pairs(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let pair = |option: &'_ str| format!("{option} is no option: it has no value");
    text.split_whitespace().map(|option| option.split_once('=').ok_or_else(|| pair(option))).collect()
}

fn wrong(name: &str, value: &str) -> String {
    format!("unknown option {name}={value}")
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// The options of connections; false if it is none of them.
fn set_conn(conn: &mut ConnOptions, frames: &mut Frames, name: &str, value: &str) -> Result<bool, String> {
    let time = || milliseconds(value).ok_or_else(|| wrong(name, value));
    match name {
        "framing" => (conn.framing, *frames) = framing::parse(value)?,
        "half-open" => conn.half_open = value == "true",
        "idle" => conn.timeouts.idle = time()?,
        "read" => conn.timeouts.read = time()?,
        "write" => conn.timeouts.write = time()?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The options of sockets; `None` if it is none, or the value is no such option's.
fn set_listener(options: &mut ListenOptions, name: &str, value: &str) -> Option<()> {
    let on = || value.parse().ok();
    match name {
        "reuseport" => options.reuseport = Some(on()?),
        "backlog" => options.backlog = value.parse().ok()?,
        "nodelay" => options.nodelay = Some(on()?),
        "keepalive" => options.keepalive = Some(keepalive(value)?),
        "rcvbuf" => options.recv_buffer = value.parse().ok()?,
        "sndbuf" => options.send_buffer = value.parse().ok()?,
        "device" => options.device = Some(value.to_owned()),
        "ipv6only" => options.ipv6_only = Some(on()?),
        "mode" => options.unix_mode = Some(u32::from_str_radix(value, 8).ok()?),
        "datagram" => options.datagram_size = value.parse().ok()?,
        "broadcast" => options.broadcast = Some(on()?),
        "join" => options.multicast.push(multicast(value)?),
        _ => return None,
    }
    Some(())
}

/// `on`, `off`, or `IDLE[,INTERVAL[,COUNT]]` in seconds.
pub(crate) fn keepalive(text: &str) -> Option<KeepAlive> {
    match text {
        "on" | "true" => return Some(KeepAlive::ON),
        "off" | "false" => return Some(KeepAlive::OFF),
        _ => {}
    }
    let numbers = text.split(',').map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()?;
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let seconds = |index| Duration::from_secs(at(index).into());
    Some(KeepAlive { idle: seconds(0), interval: seconds(1), count: at(2) })
}

/// `GROUP[@INTERFACE]`.
pub(crate) fn multicast(text: &str) -> Option<Multicast> {
    let (group, interface) = text.split_once('@').map_or((text, None), |(group, name)| (group, Some(name)));
    Some(Multicast { group: group.parse().ok()?, interface: interface.map(str::to_owned) })
}

//! Calls: `TARGET CALL`, the same from scripts, from control, and from many threads.

use std::panic::resume_unwind;
use std::sync::Arc;

use reactor_core::{Conn, ConnId, Handle};

use crate::outcome::{no_such, not_there, Outcome};
use crate::text::word;
use crate::world::World;
use crate::{conn_call, server_call};

/// A connection that a call is made on: its own methods, or the server's by its id.
#[derive(Clone, Copy)]
pub(crate) enum On<'a> {
    Conn(&'a Conn<'a>),
    Id(&'a Handle, ConnId),
}

impl On<'_> {
    pub(crate) fn id(&self) -> ConnId {
        match self {
            On::Conn(conn) => conn.id(),
            On::Id(_, id) => *id,
        }
    }

    pub(crate) fn server(&self) -> &Handle {
        match self {
            On::Conn(conn) => conn.server(),
            On::Id(server, _) => server,
        }
    }
}

/// Who makes a call.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) server: &'a Handle,
    /// The connection of the callback, where there is one.
    pub(crate) own: Option<&'a Conn<'a>>,
}

impl Caller<'_> {
    /// Makes a call on its target.
    pub(crate) fn call(self, line: &str) -> Outcome {
        let (target, call) = word(line);
        let call = call.trim_end();
        if target == "server" {
            server_call::make(self, call)
        } else if target == "self" {
            self.own.map_or_else(not_there, |conn| conn_call::make(self.world, On::Conn(conn), call))
        } else if let Some(id) = target.strip_prefix("other:") {
            let other = self.world.other()?;
            conn_call::make(self.world, On::Id(other.handle(), connection(id)?), call)
        } else {
            conn_call::make(self.world, On::Id(self.server, connection(target)?), call)
        }
    }
}

/// The connection that a command names. What never was an id is no connection's.
pub(crate) fn connection(text: &str) -> reactor_core::Result<ConnId> {
    text.parse().ok().and_then(ConnId::from_u64).ok_or_else(|| no_such("id", text))
}

/// Fails as a handler does that meets a bug of its own. Unwinds without the panic hook, which would print.
pub(crate) fn fail() -> ! {
    resume_unwind(Box::new("told to fail"))
}

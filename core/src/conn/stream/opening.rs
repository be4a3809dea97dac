//! What a connection is given before `on_open`: where its socket comes from, and what it begins with.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::conn::shared::ConnShared;
use crate::contract::options::{ConnOptions, Context};
use crate::dial::Dial;

/// A connection that this side makes or was given, before `on_open`.
pub(crate) struct Opening {
    pub(crate) shared: Arc<ConnShared>,
    pub(crate) unix: bool,
    pub(crate) options: ConnOptions,
    /// Until the connection has it.
    pub(crate) context: Option<Context>,
    /// How long it may take.
    pub(crate) timeout: Duration,
    pub(crate) source: Source,
}

/// Where a socket comes from.
pub(crate) enum Source {
    /// It is still to be connected.
    Dial(Box<Dial>),
    /// The user has given it, connected; `None` once the connection has it.
    Given(Option<OwnedFd>),
}

impl Opening {
    pub(crate) fn dial(&mut self) -> Option<&mut Dial> {
        match &mut self.source {
            Source::Dial(dial) => Some(&mut **dial),
            Source::Given(_) => None,
        }
    }
}

//! What programs forget: to start a server that listens, and to listen. Nobody can connect then, and nobody would know why.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::notice::{tell, Kind};
use crate::shared::server::{Phase, ServerState};
use crate::sys::fork;

/// Why neither is told.
pub(crate) struct Excuses {
    /// A call has failed, which the program knows, the binding tells of it, or it was told.
    unstarted: AtomicBool,
    /// It has timers to run, or ticks.
    nowhere: AtomicBool,
    /// How many forks there were before the server was made: a child has it since, and may have started it.
    forks: u32,
}

impl Excuses {
    pub(crate) fn none() -> Excuses {
        Excuses { unstarted: AtomicBool::new(false), nowhere: AtomicBool::new(false), forks: fork::count() }
    }

    pub(crate) fn unstarted(&self) {
        self.unstarted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn nowhere(&self) {
        self.nowhere.store(true, Ordering::Relaxed);
    }
}

impl ServerState {
    /// The server is let go: tells of it, once, if it listens and was never started.
    pub(crate) fn tell_if_unstarted(&self) {
        let control = self.control();
        let address = match control.phase {
            Phase::New if !self.is_stopping() => control.listeners.first_address(),
            _ => None,
        };
        drop(control);
        let Some(address) = address else { return };
        if fork::count() == self.excuses.forks && !self.excuses.unstarted.swap(true, Ordering::Relaxed) {
            let message =
                format_args!("a server listens at {address} and was never started: call start or run");
            tell(Kind::Forgotten, message);
        }
    }

    /// The server has run for a while: tells of it if it has nothing to do, and never had.
    pub(crate) fn tell_if_nowhere(&self) {
        let has_none = self.mailboxes().iter().all(|mailbox| mailbox.ids().is_empty());
        let had_none = self.metrics().closed_total() == 0 && !self.control().listeners.were_any();
        if has_none && had_none && !self.is_stopping() && !self.excuses.nowhere.load(Ordering::Relaxed) {
            let message = "a server runs that listens nowhere, and so nobody can connect: call listen";
            tell(Kind::Forgotten, format_args!("{message}"));
        }
    }
}

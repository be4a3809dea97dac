//! Which processes accept from a listening socket.

use std::process;
use std::sync::OnceLock;

use crate::sys::fork;

/// Who opened a socket, and who accepts from it.
#[derive(Debug)]
pub(super) struct Sharing {
    /// `None` for an adopted one.
    opened_by: Option<Opener>,
    /// Whether other processes accept from it, too, if that was told.
    told: Option<bool>,
    /// Found out when it was placed: in which process, and whether others accept from it, too.
    settled: OnceLock<(u32, bool)>,
}

/// A process, and how many forks there were so far. While both are the same, no other process has what was opened by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opener {
    process: u32,
    forks: u32,
}

/// What a process has of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its copy: others may accept from theirs.
    Copy,
    /// Nothing: it is a copy that a fork has left behind.
    Nothing,
}

impl Opener {
    fn now() -> Opener {
        Opener { process: process::id(), forks: fork::count() }
    }
}

impl Sharing {
    /// Of a socket that is opened now.
    pub(super) fn of_own(told: Option<bool>) -> Sharing {
        Sharing { opened_by: Some(Opener::now()), told, settled: OnceLock::new() }
    }

    /// Of one that this process was given.
    pub(super) fn of_inherited(told: Option<bool>) -> Sharing {
        Sharing { opened_by: None, told, settled: OnceLock::new() }
    }

    /// This process begins to accept. From here on those who fork get copies that mean nothing.
    pub(super) fn settle(&self) {
        self.settled.get_or_init(|| (process::id(), self.is_shared()));
    }

    /// Whether other processes may accept from it, too: unless it was told, those that were forked since it was opened, or
    /// whoever it was inherited from.
    pub(super) fn is_shared(&self) -> bool {
        match self.settled.get() {
            Some((_, shared)) => *shared,
            None => self.told.unwrap_or_else(|| self.was_forked()),
        }
    }

    /// What of it is the calling process's. As long as nobody accepts, a child that was forked meanwhile may be about to,
    /// whatever was told: its parent may end and leave all to it.
    pub(super) fn part(&self) -> Part {
        match self.settled.get() {
            Some((process, _)) if *process != process::id() => Part::Nothing,
            Some((_, shared)) => {
                if *shared {
                    Part::Copy
                } else {
                    Part::Whole
                }
            }
            None if self.is_shared() || self.was_forked() => Part::Copy,
            None => Part::Whole,
        }
    }

    fn was_forked(&self) -> bool {
        self.opened_by != Some(Opener::now())
    }

    /// As if another process had opened it.
    #[cfg(test)]
    pub(super) fn opened_elsewhere(&mut self) {
        self.opened_by = Some(Opener { process: process::id() + 1, ..Opener::now() });
    }

    /// As if it had been opened before the last fork.
    #[cfg(test)]
    pub(super) fn forked(&mut self) {
        self.opened_by = self.opened_by.map(|by| Opener { forks: by.forks.wrapping_sub(1), ..by });
    }

    /// As if another process had begun to accept.
    #[cfg(test)]
    pub(super) fn settled_elsewhere(&mut self) {
        let shared = self.is_shared();
        self.settled = OnceLock::from((process::id() + 1, shared));
    }
}

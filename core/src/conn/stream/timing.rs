//! A connection's time-outs.

use crate::base::millis::millis_up as millis;
use crate::base::timer::TimerId;
use crate::contract::config::Timeouts;

/// The time-outs of a connection, in milliseconds of the server's clock. One timer looks after all of them: when
/// it is due it finds out what is, and is filed anew.
pub(crate) struct Timing {
    idle: u64,
    read: u64,
    write: u64,
    /// When something last came.
    came: u64,
    /// When something last came, or reading resumed.
    reads_from: u64,
    /// When the kernel or the peer last took something, or output began to wait.
    went: u64,
    /// How many bytes were sent when somebody last looked, and how many of them the kernel held.
    held: (u64, usize),
    pub(crate) timer: Option<TimerId>,
}

/// What a look at the time-outs gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Idle,
    Read,
    Write,
    /// Nothing yet: look again then.
    At(u64),
    /// There is no time-out.
    Never,
}

impl Expiry {
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Expiry::Idle | Expiry::Read | Expiry::Write)
    }
}

impl Timing {
    pub(crate) fn new(timeouts: Timeouts, now: u64) -> Self {
        let (idle, read, write) = (millis(timeouts.idle), millis(timeouts.read), millis(timeouts.write));
        Timing { idle, read, write, came: now, reads_from: now, went: now, held: (0, 0), timer: None }
    }

    pub(crate) fn came(&mut self, now: u64) {
        self.came = now;
        self.reads_from = now;
    }

    /// Reading was stopped, and resumes.
    pub(crate) fn reads_again(&mut self, now: u64) {
        self.reads_from = now;
    }

    /// Everything begins anew.
    pub(crate) fn restart(&mut self, now: u64) {
        self.came(now);
        self.went(now);
    }

    pub(crate) fn went(&mut self, now: u64) {
        self.went = now;
    }

    /// Whether it was looked what the kernel holds since these bytes were sent.
    pub(crate) fn knows_held_of(&self, sent: u64) -> bool {
        self.held.0 == sent
    }

    /// So many bytes were sent, and so many of them the kernel holds. Says whether that has changed: then the peer has
    /// taken some since the last look, as far as can be told.
    pub(crate) fn holds(&mut self, held: (u64, usize)) -> bool {
        std::mem::replace(&mut self.held, held) != held
    }

    /// The peer has taken something that the kernel held, at that time or before.
    pub(crate) fn was_taken(&mut self, at: u64) {
        self.went = self.went.max(at);
    }

    /// How long to wait before the next look, once a time-out was acted on: the write time-out goes on.
    pub(crate) fn recheck(&self) -> u64 {
        [self.write, self.read, self.idle].into_iter().find(|&length| length > 0).unwrap_or(1)
    }

    /// What is due at `now` for a connection that `reads` and may be `held`, and whose output is `stuck`.
    pub(crate) fn look(&self, now: u64, reads: bool, stuck: bool, held: bool) -> Expiry {
        // A time-out whose condition does not hold is looked at again after its whole time.
        let due = |length: u64, from: u64, holds: bool| {
            (length > 0).then(|| if holds { from.saturating_add(length) } else { now.saturating_add(length) })
        };
        let write = due(self.write, self.went, stuck);
        let read = due(self.read, self.reads_from, reads);
        let idle = due(self.idle, self.came.max(self.went), !held);
        let over = |at: Option<u64>| at.is_some_and(|at| at <= now);
        match (over(write), over(read), over(idle)) {
            (true, ..) => Expiry::Write,
            (_, true, _) => Expiry::Read,
            (.., true) => Expiry::Idle,
            _ => [write, read, idle].into_iter().flatten().min().map_or(Expiry::Never, Expiry::At),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timing(idle: u64, read: u64, write: u64) -> Timing {
        let ms = Duration::from_millis;
        Timing::new(Timeouts { idle: ms(idle), read: ms(read), write: ms(write) }, 1000)
    }

    #[test]
    fn each_time_out_counts_from_its_own_event() {
        let mut timing = timing(500, 100, 50);
        assert_eq!(timing.look(1000, true, true, false), Expiry::At(1050));
        timing.came(1040);
        timing.went(1030);
        assert_eq!(timing.look(1079, true, true, false), Expiry::At(1080));
        assert_eq!(timing.look(1080, true, true, false), Expiry::Write);
        assert_eq!(timing.look(1140, true, false, false), Expiry::Read);
        assert_eq!(timing.look(1540, false, false, false), Expiry::Idle);
    }

    #[test]
    fn what_the_peer_takes_from_the_kernel_is_traffic() {
        let mut timing = timing(500, 0, 50);
        assert!(timing.holds((900, 900)), "something was sent");
        assert!(timing.knows_held_of(900) && !timing.knows_held_of(901));
        assert!(!timing.holds((900, 900)), "nothing was taken");
        assert!(timing.holds((900, 700)));
        timing.was_taken(1040);
        assert_eq!(timing.look(1050, true, true, false), Expiry::At(1090));
        timing.was_taken(1030);
        assert_eq!(timing.look(1090, true, true, false), Expiry::Write, "time does not go back");
        assert_eq!(timing.look(1540, false, false, false), Expiry::Idle);
    }

    #[test]
    fn what_does_not_hold_is_looked_at_again_later() {
        let read_only = timing(0, 100, 0);
        assert_eq!(read_only.look(5000, false, false, false), Expiry::At(5100));
        assert_eq!(read_only.look(5000, true, false, false), Expiry::Read);
        assert_eq!(Timing::new(Timeouts::default(), 0).look(9, true, true, false), Expiry::Never);
    }
}

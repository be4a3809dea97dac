//! What a connection is or is not, a bit each: there are many connections, and few of these change at a time.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// There may be something to read.
    Readable,
    /// The kernel may take something.
    Writable,
    /// End of file was seen.
    Eof,
    /// EOF is told to the handler, instead of ending the connection.
    HalfOpen,
    EofTold,
    /// Writing is to be shut down behind the queue, by `end`; and it is.
    Ended,
    WriteIsShut,
    /// Not read, by the handler's wish.
    Paused,
    /// A batch with this connection's events is unanswered.
    Held,
    /// Held by the user more often than released: not read.
    HeldByUser,
    DrainDue,
    /// It was given up, or bytes were dropped that had been accepted: the peer must not take what it has for all there
    /// was.
    Resets,
    /// A write failed, or a read. After a write reading goes on: what the peer sent before it vanished is still
    /// delivered.
    Broken,
    /// Its time-outs are the user's choice already, be it none.
    TimeoutsChosen,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags(u16);

impl Flags {
    #[inline]
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u16) != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flag: Flag, on: bool) {
        self.0 = (self.0 & !(1 << flag as u16)) | (u16::from(on) << flag as u16);
    }

    /// Whether it was; it is not any more.
    pub(super) fn take(&mut self, flag: Flag) -> bool {
        let had = self.has(flag);
        self.set(flag, false);
        had
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_set_and_taken_by_itself() {
        let mut flags = Flags::default();
        for flag in [Flag::Readable, Flag::Held, Flag::Broken] {
            flags.set(flag, true);
        }
        assert!(flags.has(Flag::Readable) && flags.has(Flag::Broken) && !flags.has(Flag::Writable));
        assert!(flags.take(Flag::Held) && !flags.take(Flag::Held));
        flags.set(Flag::Readable, false);
        assert!(!flags.has(Flag::Readable) && flags.has(Flag::Broken) && !flags.has(Flag::Held));
    }
}

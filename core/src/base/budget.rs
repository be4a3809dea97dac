//! The bytes that a server holds, and what they are bounded by.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What writes of connections that hold little may go beyond the limit by, until those who hold much are closed for it:
/// so many bytes, and this part of the limit.
const SPARE: usize = 1 << 20;
const SPARE_PART: usize = 8;
/// This part of the limit does not matter: bytes that were allowed come to lie in blocks, which are larger.
const ROUNDING: usize = 32;
/// A write of so many bytes is no matter, if it is all that its connection holds.
const SMALL: usize = 16 << 10;

/// The memory that a server holds: unsent output and unfinished input. Loops add up what changes and tell it; other
/// threads count at once what they hand in.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    /// Of these, what is of connections that are about to be closed for it.
    condemned: AtomicUsize,
    /// Connections that hold some of it.
    holders: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// `usize::MAX` is no limit.
    pub(crate) fn new(limit: usize) -> Self {
        let [held, condemned, holders] = [(); 3].map(|()| AtomicUsize::new(0));
        Budget { held, condemned, holders, limit }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// What nobody is closed for holding: half of what each holder has when all have the same. If it were the whole, many
    /// equal holders who stand still would be as good as any, and who sends more than they hold would pay.
    pub(crate) fn share(&self, holders: usize) -> usize {
        self.limit / holders.max(1) / 2
    }

    /// Whether a connection that holds `own` bytes, which it is seldom asked, may have `len` more, of a server that holds
    /// `held`. Beyond the limit only what leaves it with no more than a share: those who hold more are closed for it.
    #[inline]
    fn allows(&self, held: usize, own: impl FnOnce() -> usize, len: usize) -> bool {
        let sum = held.saturating_add(len);
        len == 0 || sum <= self.limit || self.spares(sum, own(), len)
    }

    /// The same beyond the limit.
    #[cold]
    fn spares(&self, sum: usize, own: usize, len: usize) -> bool {
        let holders = self.holders.load(Ordering::Acquire) + usize::from(own == 0);
        if own.saturating_add(len) > self.share(holders) {
            return false;
        }
        let spared = self.limit.saturating_add(self.limit / SPARE_PART).saturating_add(SPARE);
        (own == 0 && len <= SMALL) || sum.saturating_sub(self.condemned.load(Ordering::Acquire)) <= spared
    }

    /// The same on a loop that has not told of its last `change` yet.
    pub(crate) fn allows_here(&self, change: isize, own: impl FnOnce() -> usize, len: usize) -> bool {
        self.allows(self.held().saturating_add_signed(change), own, len)
    }

    /// Counts bytes for a connection, if [allowed](Self::allows): `len` of its own and `more` that come with them.
    pub(crate) fn take(&self, own: impl Fn() -> usize, len: usize, more: usize) -> bool {
        // In one step: it must never look exceeded for the sake of bytes that are refused.
        let with_them = |held: usize| {
            let allowed = self.allows(held, &own, len);
            held.checked_add(len + more).filter(|_| allowed)
        };
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, with_them).is_ok()
    }

    /// Counts a change.
    pub(crate) fn change(&self, by: isize) {
        match by >= 0 {
            true => self.held.fetch_add(by.unsigned_abs(), Ordering::AcqRel),
            false => self.held.fetch_sub(by.unsigned_abs(), Ordering::AcqRel),
        };
    }

    /// Whether more is held than the limit allows, by more than what the borders of blocks make of bytes that were allowed.
    pub(crate) fn is_exceeded(&self) -> bool {
        // Those that are about to be closed need not be looked for again.
        let stays = self.held().saturating_sub(self.condemned.load(Ordering::Acquire));
        stays > self.limit.saturating_add(self.limit / ROUNDING)
    }

    /// Connections that hold so much are about to be closed for it; or are not any more, or closed.
    pub(crate) fn condemn(&self, held: usize, on: bool) {
        match on {
            true => self.condemned.fetch_add(held, Ordering::AcqRel),
            false => self.condemned.fetch_sub(held, Ordering::AcqRel),
        };
    }

    /// A connection holds something from now on, or does not any more.
    pub(crate) fn count_holder(&self, holds: bool) {
        match holds {
            true => self.holders.fetch_add(1, Ordering::AcqRel),
            false => self.holders.fetch_sub(1, Ordering::AcqRel),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_up_to_the_byte() {
        let budget = Budget::new(10);
        budget.count_holder(true);
        assert!(budget.take(|| 1, 10, 0) && !budget.take(|| 10, 1, 0) && !budget.is_exceeded());
        budget.change(5);
        assert!(budget.is_exceeded());
        budget.change(-5);
        assert!(!budget.is_exceeded());
        assert!(!budget.allows_here(1, || 5, 6) && budget.allows_here(-1, || 10, 1));
        assert!(budget.take(|| 10, 0, 0), "nothing is always allowed");
    }

    #[test]
    fn beyond_the_limit_a_share_is_allowed_and_no_more() {
        let budget = Budget::new(1000);
        budget.count_holder(true);
        budget.change(1000);
        // Half of what two have, itself included.
        assert!(!budget.take(|| 0, 251, 0) && budget.take(|| 0, 250, 0));
        // Of one, which is itself.
        assert!(!budget.take(|| 499, 2, 0) && budget.take(|| 499, 1, 0));
        budget.count_holder(true);
        assert!(!budget.take(|| 200, 51, 0) && budget.take(|| 200, 50, 0));
    }

    #[test]
    fn what_is_spared_has_an_end() {
        let budget = Budget::new(80 << 20);
        budget.change(90 << 20);
        assert!(
            !budget.take(|| 0, (1 << 20) + 1, 0) && budget.take(|| 0, 1 << 20, 0) && !budget.take(|| 1, 1, 0)
        );
        // But what is soon given back does not count, nor does a little.
        assert!(!budget.take(|| 0, SMALL + 1, 0) && budget.take(|| 0, SMALL, 0));
        budget.condemn(10 << 20, true);
        assert!(budget.take(|| 0, 1 << 20, 0));
        budget.condemn(10 << 20, false);
        assert!(!budget.take(|| 0, 1 << 20, 0));
    }

    #[test]
    fn without_a_limit_everything_is_allowed() {
        let budget = Budget::new(usize::MAX);
        assert!(budget.take(|| 7, 1 << 40, 100) && !budget.is_exceeded());
        assert_eq!(budget.held(), (1 << 40) + 100);
    }
}

//! The loops of a server, by their index and by the lease of their ids.

use std::sync::Arc;

use crate::shared::mailbox::Mailbox;

/// The mailboxes of all loops.
pub(crate) struct Loops {
    all: Box<[Arc<Mailbox>]>,
    first_lease: u16,
    /// From the first lease to the last. The process has 4,096 of them at most.
    by_lease: Box<[Option<Arc<Mailbox>>]>,
}

impl Loops {
    pub(crate) fn new(all: Box<[Arc<Mailbox>]>) -> Self {
        let leases = || all.iter().map(|mailbox| mailbox.lease());
        let first_lease = leases().min().unwrap_or(0);
        let span = leases().max().map_or(0, |last| usize::from(last - first_lease) + 1);
        let mut by_lease = vec![None; span];
        for mailbox in &all {
            by_lease[usize::from(mailbox.lease() - first_lease)] = Some(Arc::clone(mailbox));
        }
        Loops { first_lease, by_lease: by_lease.into(), all }
    }

    /// In the order of their indices.
    pub(crate) fn all(&self) -> &[Arc<Mailbox>] {
        &self.all
    }

    /// The one whose ids have this lease.
    #[inline]
    pub(crate) fn of_lease(&self, lease: u16) -> Option<&Arc<Mailbox>> {
        self.by_lease.get(usize::from(lease.wrapping_sub(self.first_lease)))?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Arc<Mailbox> {
        Arc::new(Mailbox::new().unwrap())
    }

    #[test]
    fn a_loop_is_found_by_its_lease_and_no_other() {
        // Of the leases in between, some are another server's.
        let mut all: Vec<_> = (0..6).map(|_| mailbox()).collect();
        all.sort_by_key(|mailbox| mailbox.lease());
        let others = [all.remove(4), all.remove(2), all.remove(0)];
        let loops = Loops::new(all.iter().rev().cloned().collect());
        for mailbox in &all {
            assert!(Arc::ptr_eq(loops.of_lease(mailbox.lease()).unwrap(), mailbox));
        }
        for mailbox in &others {
            assert!(loops.of_lease(mailbox.lease()).is_none());
        }
        assert!(Arc::ptr_eq(&loops.all()[0], &all[2]));
    }

    #[test]
    fn without_loops_none_is_found() {
        assert!(Loops::new(Box::new([])).of_lease(mailbox().lease()).is_none());
    }
}

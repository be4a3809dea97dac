//! What a server admits: connections in all and per client address, and bytes held.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which limit refuses a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Connections,
    PerAddress,
}

/// The limits on incoming connections, and how many there are. Used by all accepting threads and loops.
#[derive(Debug)]
pub(crate) struct Admissions {
    max: usize,
    max_per_address: usize,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection among those admitted; given back on drop.
#[derive(Debug)]
pub(crate) struct Admission {
    admissions: Arc<Admissions>,
    /// Counted under this address, too.
    address: Option<IpAddr>,
}

impl Admissions {
    /// `usize::MAX` is no limit.
    pub(crate) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        let (open, by_address) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Admissions { max, max_per_address, open, by_address })
    }

    /// Admits a connection; without any limit there is nothing to count, and nothing to give back.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Option<Admission>, Refusal> {
        if self.max == usize::MAX && self.max_per_address == usize::MAX {
            return Ok(None);
        }
        if self.open.fetch_add(1, Ordering::AcqRel) >= self.max {
            self.open.fetch_sub(1, Ordering::AcqRel);
            return Err(Refusal::Connections);
        }
        // From here on dropping it gives the place back.
        let mut admission = Admission { admissions: Arc::clone(self), address: None };
        if let Some(address) = address.filter(|_| self.max_per_address != usize::MAX) {
            let mut by_address = self.by_address();
            let count = by_address.entry(address).or_insert(0);
            if *count >= self.max_per_address {
                return Err(Refusal::PerAddress);
            }
            *count += 1;
            admission.address = Some(address);
        }
        Ok(Some(admission))
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.admissions.open.fetch_sub(1, Ordering::AcqRel);
        let Some(address) = self.address else { return };
        let mut by_address = self.admissions.by_address();
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
        // Memory of a crowd that has left is given back.
        if by_address.len() * 4 < by_address.capacity() {
            by_address.shrink_to(64);
        }
    }
}

/// The bytes that a server holds: unsent output and unfinished input. Loops add up what changes in a turn and
/// tell it at the end; other threads count at once what they hand in.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    /// Of these, unfinished input.
    input: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Budget { held: AtomicUsize::new(0), input: AtomicUsize::new(0), limit }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Counts `len` more bytes, unless they would go beyond the limit.
    pub(crate) fn take(&self, len: usize) -> bool {
        // In one step: it must never look exceeded to a loop for the sake of bytes that are refused.
        let within = |held: usize| held.checked_add(len).filter(|sum| *sum <= self.limit);
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, within).is_ok()
    }

    /// Counts a turn's change of unfinished input, which [`change`](Self::change) counts as well.
    pub(crate) fn change_input(&self, by: isize) {
        match by >= 0 {
            true => self.input.fetch_add(by.unsigned_abs(), Ordering::AcqRel),
            false => self.input.fetch_sub(by.unsigned_abs(), Ordering::AcqRel),
        };
    }

    /// Bytes of unfinished input.
    pub(crate) fn input(&self) -> usize {
        self.input.load(Ordering::Acquire)
    }

    /// Whether it is unfinished input that makes the bytes exceed the limit: without it they would not.
    pub(crate) fn is_exceeded_by_input(&self) -> bool {
        let held = self.held.load(Ordering::Acquire);
        held > self.limit && held.saturating_sub(self.input()) <= self.limit
    }

    /// Counts a turn's change; says whether the bytes have come back within the limit by it.
    pub(crate) fn change(&self, by: isize) -> bool {
        if by >= 0 {
            self.held.fetch_add(by.unsigned_abs(), Ordering::AcqRel);
            return false;
        }
        let before = self.held.fetch_sub(by.unsigned_abs(), Ordering::AcqRel);
        before > self.limit && before - by.unsigned_abs() <= self.limit
    }

    /// Whether more is held than the limit allows.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.held.load(Ordering::Acquire) > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Option<IpAddr> {
        Some([127, 0, 0, last].into())
    }

    #[test]
    fn the_excess_is_refused_and_a_place_given_back_is_taken_again() {
        let admissions = Admissions::new(3, 2);
        let first = admissions.admit(ip(1)).unwrap();
        let _second = admissions.admit(ip(1)).unwrap();
        assert_eq!(admissions.admit(ip(1)).unwrap_err(), Refusal::PerAddress);
        let _third = admissions.admit(ip(2)).unwrap();
        assert_eq!(admissions.admit(ip(2)).unwrap_err(), Refusal::Connections);
        assert_eq!(admissions.admit(None).unwrap_err(), Refusal::Connections);
        drop(first);
        let again = admissions.admit(ip(1)).unwrap();
        assert!(again.is_some());
        assert_eq!(admissions.admit(ip(3)).unwrap_err(), Refusal::Connections);
    }

    #[test]
    fn addresses_are_forgotten_with_their_last_connection() {
        let admissions = Admissions::new(usize::MAX, 1);
        drop(admissions.admit(ip(1)).unwrap());
        assert!(admissions.by_address().is_empty());
        assert_eq!(admissions.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let admissions = Admissions::new(usize::MAX, usize::MAX);
        assert!(admissions.admit(ip(1)).unwrap().is_none());
        assert_eq!(admissions.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_budget_says_when_it_is_exceeded_and_when_no_more() {
        let budget = Budget::new(10);
        assert!(budget.take(10) && !budget.take(1) && !budget.is_exceeded());
        assert!(!budget.change(5));
        assert!(budget.is_exceeded());
        assert!(!budget.change(-4), "still beyond the limit");
        assert!(budget.change(-1), "back at the limit");
        assert!(!budget.is_exceeded() && !budget.change(-10));
    }
}

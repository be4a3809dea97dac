//! What a server admits: connections in all and per client address.

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
}

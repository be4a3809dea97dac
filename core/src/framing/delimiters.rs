//! Several delimiters: a frame ends with whichever is whole first.

use memchr::{memchr, memchr2, memchr3};

use super::{invalid, Cut};
use crate::base::error;

/// More than one delimiter, and what they are found by.
#[derive(Debug)]
pub(super) struct Delimiters {
    /// The one that is written.
    first: Vec<u8>,
    /// All of them, the longest first.
    by_length: Vec<Vec<u8>>,
    /// The bytes that they end with, each once.
    lasts: Vec<u8>,
}

impl Delimiters {
    pub(super) fn new(given: Vec<Vec<u8>>) -> Delimiters {
        let first = given.first().cloned().unwrap_or_default();
        let mut lasts: Vec<u8> = given.iter().filter_map(|one| one.last().copied()).collect();
        lasts.sort_unstable();
        lasts.dedup();
        let mut by_length = given;
        by_length.sort_by_key(|one| std::cmp::Reverse(one.len()));
        Delimiters { first, by_length, lasts }
    }

    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.by_length.iter().map(Vec::as_slice)
    }

    /// Refuses one that is never found, because another is whole before it ends.
    pub(super) fn check(&self) -> error::Result<()> {
        for long in self.all() {
            let within = &long[..long.len().saturating_sub(1)];
            if let Some((end, width)) = self.find_end(within, 0) {
                let (long, short) = (long.escape_ascii(), within[end - width..end].escape_ascii());
                return invalid(format!(
                    "the delimiter \"{long}\" is never found: \"{short}\" ends before it does"
                ));
            }
        }
        Ok(())
    }

    /// The first frame within the maximum. Searches no byte twice.
    pub(super) fn cut(&self, within: &[u8], searched: &mut usize) -> Cut {
        match self.find_end(within, *searched) {
            Some((end, width)) => Cut::Frame { frame: 0..end - width, consumed: end },
            None => {
                *searched = within.len();
                Cut::Need(within.len() + 1)
            }
        }
    }

    /// Where the first delimiter ends that does so behind the first `searched` bytes, and how long it is: the longest, if
    /// several end there.
    pub(super) fn find_end(&self, bytes: &[u8], searched: usize) -> Option<(usize, usize)> {
        let mut at = searched.min(bytes.len());
        while let Some(found) = self.find_last(&bytes[at..]) {
            at += found + 1;
            if let Some(one) = self.all().find(|one| bytes[..at].ends_with(one)) {
                return Some((at, one.len()));
            }
        }
        None
    }

    /// The first byte that a delimiter may end with.
    fn find_last(&self, bytes: &[u8]) -> Option<usize> {
        match *self.lasts {
            [one] => memchr(one, bytes),
            [one, two] => memchr2(one, two, bytes),
            [one, two, three] => memchr3(one, two, three, bytes),
            ref lasts => bytes.iter().position(|byte| lasts.contains(byte)),
        }
    }
}

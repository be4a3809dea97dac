//! The completions of one connection's writes, by the number of the byte that each waits for.

use std::collections::VecDeque;

use crate::contract::action::{Completed, Completion};

/// A completion, and the number of sent bytes at which it is called.
struct Pending {
    at: u64,
    completion: Completion,
}

/// None, for most connections.
#[derive(Default)]
pub(crate) struct Completions {
    /// In place it would be three pointers larger, in every connection.
    #[allow(clippy::box_collection, reason = "see above")]
    pending: Option<Box<VecDeque<Pending>>>,
}

impl Completions {
    /// To be called when `at` bytes have been sent; not less than the one before.
    pub(crate) fn push(&mut self, at: u64, completion: Completion) {
        self.pending.get_or_insert_default().push_back(Pending { at, completion });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_none()
    }

    /// Takes those whose bytes are among the first `sent`.
    pub(crate) fn take_sent(&mut self, sent: u64, done: &mut Vec<(Completion, Completed)>) {
        let Some(pending) = &mut self.pending else { return };
        while pending.front().is_some_and(|first| first.at <= sent) {
            done.extend(pending.pop_front().map(|first| (first.completion, Completed::Sent)));
        }
        if pending.is_empty() {
            self.pending = None;
        }
    }

    /// Takes all of them.
    pub(crate) fn cancel(&mut self, done: &mut Vec<(Completion, Completed)>) {
        let pending = self.pending.take().unwrap_or_default();
        done.extend(pending.into_iter().map(|pending| (pending.completion, Completed::Cancelled)));
    }
}

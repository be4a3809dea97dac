//! Completions of queued datagrams. A completion is called when its datagram has left, or was dropped.

use std::fmt;

use crate::conn::completions;
use crate::contract::action::{Completed, Completion};

#[derive(Default)]
pub(super) struct Completions {
    /// Datagrams that have ever left the queue.
    gone: u64,
    /// By how many will have left it with each.
    waiting: completions::Completions,
    due: Vec<(Completion, Completed)>,
}

impl Completions {
    /// Of the last of so many datagrams in the queue.
    pub(super) fn push(&mut self, queued: usize, completion: Completion) {
        self.waiting.push(self.gone + queued as u64, completion);
    }

    /// So many datagrams have left the front of the queue.
    pub(super) fn left(&mut self, datagrams: usize, how: Completed) {
        self.gone += datagrams as u64;
        self.waiting.take(self.gone, how, &mut self.due);
    }

    /// Takes those that are due.
    pub(super) fn take(&mut self, done: &mut Vec<(Completion, Completed)>) {
        if !self.due.is_empty() {
            done.append(&mut std::mem::take(&mut self.due));
        }
    }

    /// Takes all of them: the others are cancelled.
    pub(super) fn cancel(&mut self, done: &mut Vec<(Completion, Completed)>) {
        self.take(done);
        self.waiting.cancel(done);
    }

    /// Memory of those that are not due; what is kept without any does not count.
    pub(super) fn memory(&self) -> usize {
        match self.waiting.is_empty() {
            true => 0,
            false => self.waiting.memory(),
        }
    }
}

impl fmt::Debug for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completions").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datagram_has_an_outcome_of_its_own() {
        let (sender, called) = std::sync::mpsc::channel();
        let mut completions = Completions::default();
        let completion = |tag: u32| -> Completion {
            let sender = sender.clone();
            Box::new(move |how| sender.send((tag, how)).unwrap())
        };
        let call = |completions: &mut Completions| {
            let mut done = Vec::new();
            completions.take(&mut done);
            done.into_iter().for_each(|(completion, how)| completion.call(how));
            called.try_iter().collect::<Vec<_>>()
        };
        // Of five datagrams in the queue, the second, the third and the last have one.
        completions.push(2, completion(2));
        completions.push(3, completion(3));
        completions.push(5, completion(5));
        completions.left(1, Completed::Sent);
        assert_eq!(call(&mut completions), []);
        completions.left(1, Completed::Cancelled);
        completions.left(1, Completed::Sent);
        assert_eq!(call(&mut completions), [(2, Completed::Cancelled), (3, Completed::Sent)]);
        // One more behind the two that are left.
        completions.push(3, completion(6));
        completions.left(2, Completed::Sent);
        let mut done = Vec::new();
        completions.cancel(&mut done);
        done.into_iter().for_each(|(completion, how)| completion.call(how));
        let called: Vec<_> = called.try_iter().collect();
        assert_eq!(called, [(5, Completed::Sent), (6, Completed::Cancelled)]);
    }
}

//! Completions that wait, in order, each for a number that is to be reached; and the memory that they take.

use std::collections::VecDeque;
use std::fmt;

use crate::contract::action::{Completed, Completion};

/// Bytes that the allocator adds to what a completion takes, or thereabouts.
const ALLOCATED: usize = 16;
/// Completions that an emptier list keeps room for.
const KEPT: usize = 16;

/// Memory of what a completion has captured, or says that it takes.
fn captured(completion: &Completion) -> usize {
    completion.memory() + ALLOCATED
}

/// What a server's budget has to have room for before a write with a completion, for that alone.
pub(crate) fn cost(completion: Option<&Completion>) -> usize {
    completion.map_or(0, |completion| 2 * size_of::<Waiting>() + captured(completion))
}

type Waiting = (u64, Completion);

#[derive(Default)]
pub(crate) struct Completions {
    waiting: VecDeque<Waiting>,
    /// Memory of what they have captured.
    captured: usize,
}

impl Completions {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of memory. Room for as many again counts from the beginning: when the list grows, it takes it at once, and nobody
    /// is to be closed for that.
    pub(crate) fn memory(&self) -> usize {
        let room = self.waiting.capacity().max(2 * self.waiting.len());
        room * size_of::<Waiting>() + self.captured
    }

    /// To be called when `number` is reached; not less than the one before.
    pub(crate) fn push(&mut self, number: u64, completion: Completion) {
        self.captured += captured(&completion);
        self.waiting.push_back((number, completion));
    }

    /// Takes those whose number is reached. A burst's memory is given back.
    pub(crate) fn take(&mut self, reached: u64, how: Completed, done: &mut Vec<(Completion, Completed)>) {
        while self.waiting.front().is_some_and(|(number, _)| *number <= reached) {
            let Some((_, completion)) = self.waiting.pop_front() else { return };
            self.captured -= captured(&completion);
            done.push((completion, how));
        }
        if self.waiting.capacity() > (4 * self.waiting.len()).max(KEPT) {
            self.waiting.shrink_to(2 * self.waiting.len());
        }
    }

    /// Takes all of them.
    pub(crate) fn cancel(&mut self, done: &mut Vec<(Completion, Completed)>) {
        self.take(u64::MAX, Completed::Cancelled, done);
    }
}

impl fmt::Debug for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completions").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_what_they_take_and_a_burst_gives_its_own_back() {
        let (mut completions, mut done) = (Completions::default(), Vec::new());
        let bytes = [7_u8; 200];
        let completion = || -> Completion { Box::new(move |_: Completed| assert_eq!(bytes[0], 7)) };
        for number in 0..1000 {
            completions.push(number, completion());
        }
        let each = 200 + ALLOCATED;
        assert!(completions.waiting.capacity() <= 2000);
        assert_eq!(completions.memory(), 1000 * (each + 2 * size_of::<Waiting>()));
        assert_eq!(completions.memory(), 1000 * cost(Some(&completion())));
        completions.take(989, Completed::Sent, &mut done);
        assert_eq!(done.len(), 990);
        assert!((10 * each..10 * each + 64 * size_of::<Waiting>()).contains(&completions.memory()));
        completions.cancel(&mut done);
        assert!(done[990..].iter().all(|(_, how)| *how == Completed::Cancelled) && done.len() == 1000);
        assert!(completions.is_empty() && completions.memory() == 0, "{}", completions.memory());
        assert_eq!(cost(None), 0);
    }

    struct Much;

    impl crate::contract::action::Complete for Much {
        fn call(self: Box<Self>, _: Completed) {}

        fn memory(&self) -> usize {
            1000
        }
    }

    #[test]
    fn one_that_says_what_it_takes_counts_for_that() {
        let (mut completions, mut done) = (Completions::default(), Vec::new());
        let much: Completion = Box::new(Much);
        assert_eq!(cost(Some(&much)), 1000 + ALLOCATED + 2 * size_of::<Waiting>());
        completions.push(1, much);
        assert_eq!(completions.captured, 1000 + ALLOCATED);
        completions.cancel(&mut done);
        assert_eq!(completions.captured, 0);
    }
}

//! Unsent output: a queue of blocks, and the pool that lends them.
//!
//! ```text
//!   first block            rest
//!  +------+-------------+ +--------------------+ +-----------+------+
//!  | sent |   unsent    | |       unsent       | |  unsent   | room |
//!  +------+-------------+ +--------------------+ +-----------+------+
//!         ^ head                                             ^ writes are appended here
//! ```
//!
//! Small writes are copied into the last block while it has room; a large one that is handed over owned
//! becomes a block itself. A queue without bytes holds no block.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Size of a pooled block: most replies of one turn fit, and 64 of them are a mebibyte.
pub(crate) const BLOCK: usize = 16 << 10;
/// Blocks a pool keeps for later; what a burst needed beyond them is given back to the system.
const POOLED: usize = 64;
/// An owned write of at least this many bytes is queued as it is; copying less is cheaper than a block.
const OWNED: usize = 4 << 10;

/// Blocks of one loop that hold no bytes at the moment.
#[derive(Default)]
pub(crate) struct BlockPool {
    free: Vec<Vec<u8>>,
}

impl BlockPool {
    fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    fn give(&mut self, mut block: Vec<u8>) {
        if block.capacity() == BLOCK && self.free.len() < POOLED {
            block.clear();
            self.free.push(block);
        }
    }
}

/// The unsent output of one connection, in order.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    first: Vec<u8>,
    head: usize,
    rest: VecDeque<Vec<u8>>,
    len: usize,
}

impl OutQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy.
    pub(crate) fn push(&mut self, bytes: &[u8], pool: &mut BlockPool) {
        let tail = self.tail();
        let (fits, more) = bytes.split_at(bytes.len().min(tail.capacity() - tail.len()));
        tail.extend_from_slice(fits);
        self.len += bytes.len();
        if more.len() >= BLOCK {
            self.append(more.to_vec());
        } else if !more.is_empty() {
            let mut block = pool.take();
            block.extend_from_slice(more);
            self.append(block);
        }
    }

    /// Appends bytes that the caller gives away: without a copy if they are many.
    pub(crate) fn push_owned(&mut self, bytes: Vec<u8>, pool: &mut BlockPool) {
        if bytes.len() < OWNED {
            return self.push(&bytes, pool);
        }
        self.len += bytes.len();
        self.append(bytes);
    }

    /// The unsent bytes if they lie in one block, as they nearly always do.
    pub(crate) fn only_block(&self) -> Option<&[u8]> {
        self.rest.is_empty().then(|| &self.first[self.head..])
    }

    /// The unsent bytes as slices for a gathered write; says how many of `slices` it filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let blocks = std::iter::once(&self.first[self.head..]).chain(self.rest.iter().map(Vec::as_slice));
        let mut filled = 0;
        for (slot, block) in slices.iter_mut().zip(blocks.filter(|block| !block.is_empty())) {
            *slot = IoSlice::new(block);
            filled += 1;
        }
        filled
    }

    /// Forgets the first `sent` bytes: the kernel has them.
    pub(crate) fn advance(&mut self, mut sent: usize, pool: &mut BlockPool) {
        debug_assert!(sent <= self.len);
        self.len -= sent;
        while sent > 0 || self.head == self.first.len() {
            let unsent = self.first.len() - self.head;
            if sent < unsent {
                self.head += sent;
                return;
            }
            sent -= unsent;
            self.head = 0;
            let next = self.rest.pop_front();
            let done = next.is_none();
            pool.give(std::mem::replace(&mut self.first, next.unwrap_or_default()));
            if done {
                self.rest = VecDeque::new();
                return;
            }
        }
    }

    /// Drops everything unsent and says how much it was.
    pub(crate) fn clear(&mut self, pool: &mut BlockPool) -> usize {
        let unsent = self.len;
        self.advance(unsent, pool);
        unsent
    }

    fn tail(&mut self) -> &mut Vec<u8> {
        self.rest.back_mut().unwrap_or(&mut self.first)
    }

    fn append(&mut self, block: Vec<u8>) {
        if self.first.is_empty() {
            self.first = block;
        } else {
            self.rest.push_back(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsent(queue: &OutQueue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = queue.slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// A small deterministic generator (xorshift, Marsaglia 2003), so that a failure repeats.
    fn random(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state as usize
    }

    #[test]
    fn whatever_is_pushed_and_sent_in_whatever_pieces_leaves_in_order() {
        for seed in 1..40 {
            let mut state = seed * 0x9e37_79b9;
            let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
            let (mut pushed, mut sent) = (Vec::new(), Vec::new());
            for _ in 0..200 {
                let size =
                    random(&mut state) % if random(&mut state).is_multiple_of(8) { 3 * BLOCK } else { 600 };
                let bytes: Vec<u8> = (0..size).map(|_| random(&mut state) as u8).collect();
                pushed.extend_from_slice(&bytes);
                match random(&mut state) % 2 {
                    0 => queue.push(&bytes, &mut pool),
                    _ => queue.push_owned(bytes, &mut pool),
                }
                let front = unsent(&queue);
                let take = random(&mut state) % (front.len() + 1);
                sent.extend_from_slice(&front[..take]);
                queue.advance(take, &mut pool);
                assert_eq!(queue.len, pushed.len() - sent.len());
            }
            sent.extend(unsent(&queue));
            assert!(sent == pushed, "seed {seed}");
        }
    }

    #[test]
    fn an_empty_queue_holds_no_memory() {
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        for _ in 0..10 {
            queue.push(&[7; BLOCK], &mut pool);
        }
        queue.advance(10 * BLOCK, &mut pool);
        assert_eq!((queue.first.capacity(), queue.rest.capacity()), (0, 0));
    }

    #[test]
    fn the_pool_keeps_no_more_than_its_share() {
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        for _ in 0..3 * POOLED {
            queue.push(&[7; BLOCK - 1], &mut pool);
        }
        queue.clear(&mut pool);
        assert!(pool.free.len() <= POOLED);
    }

    #[test]
    fn clear_says_how_much_was_unsent() {
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        queue.push(b"hello", &mut pool);
        queue.advance(2, &mut pool);
        assert_eq!((queue.clear(&mut pool), queue.len, unsent(&queue)), (3, 0, vec![]));
    }
}

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
//! What is written in a turn and sent at its end, as nearly everything is, lies in one buffer of the loop's,
//! connection behind connection: a queue without blocks is a range of it. What does not fit there or is not sent
//! moves to blocks of its own. A reply or a few fit a small block. What does not, and what comes when a small
//! block is full, goes to large blocks in pages of their own: a backlog is seldom small, and its memory goes back to
//! the system with it. A queue without bytes holds no block.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::sys::memory::Mapped;

/// Size of a small block: most replies of one turn fit, and 64 of them are a mebibyte.
pub(crate) const SMALL: usize = 16 << 10;
/// Small blocks that a pool keeps for later.
const SMALL_POOLED: usize = 64;
/// Large blocks that a pool keeps for later: what one connection's read budget may be answered with, four
/// times.
const LARGE_POOLED: usize = 4;
/// Size of the buffer for the replies of a turn: as much as is read in one go.
const TURN: usize = 64 << 10;
/// Writes of so many bytes are sent at once, from the writer's memory: copying them would cost more than the call
/// that gathering them with others of the same turn might save.
pub(crate) const DIRECT: usize = SMALL;
/// An owned write of at least this many bytes is queued as it is if it is the first; copying less is cheap.
const OWNED: usize = 4 << 10;

/// How many bytes there are in all.
#[inline(always)]
pub(crate) fn total(slices: &[&[u8]]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

/// A piece of output.
#[derive(Debug)]
enum Block {
    /// Filled up to its capacity, and not beyond.
    Heap(Vec<u8>),
    Large(Mapped),
}

impl Block {
    fn as_slice(&self) -> &[u8] {
        match self {
            Block::Heap(bytes) => bytes,
            Block::Large(mapped) => mapped.as_slice(),
        }
    }

    /// Appends what fits, and says how much that is.
    fn extend(&mut self, bytes: &[u8]) -> usize {
        match self {
            Block::Heap(block) => {
                let fits = bytes.len().min(block.capacity() - block.len());
                block.extend_from_slice(&bytes[..fits]);
                fits
            }
            Block::Large(mapped) => mapped.extend(bytes),
        }
    }
}

/// Blocks of one loop that hold no bytes at the moment.
#[derive(Default)]
pub(crate) struct BlockPool {
    small: Vec<Vec<u8>>,
    large: Vec<Mapped>,
    /// What was written in this turn. Queues refer to ranges of it.
    turn: Vec<u8>,
    /// How many bytes of it queues refer to.
    in_turn: usize,
    /// Bytes that the loop's connections hold from turn to turn, in queues or as unfinished input; what changed
    /// since it was last taken.
    pub(crate) change: isize,
    /// Of these, unfinished input: what changed, and how much there is.
    pub(crate) input_change: isize,
    pub(crate) input: usize,
}

impl BlockPool {
    pub(crate) fn has_changes(&self) -> bool {
        self.change != 0 || self.input_change != 0
    }

    /// What changed since this was last asked: of all bytes, and of unfinished input.
    pub(crate) fn take_changes(&mut self) -> (isize, isize) {
        (std::mem::take(&mut self.change), std::mem::take(&mut self.input_change))
    }

    /// A connection carries `now` bytes of unfinished input instead of `before`.
    pub(crate) fn count_input(&mut self, before: usize, now: usize) {
        let by = now as isize - before as isize;
        self.change += by;
        self.input_change += by;
        self.input = self.input.saturating_add_signed(by);
    }
}

impl BlockPool {
    /// Makes room for the next turn's writes, if nothing of this one's is left.
    pub(crate) fn end_turn(&mut self) {
        if self.in_turn == 0 {
            self.turn.clear();
        }
    }

    fn small(&mut self) -> Block {
        Block::Heap(self.small.pop().unwrap_or_else(|| Vec::with_capacity(SMALL)))
    }

    fn large(&mut self) -> Block {
        // Out of mappings there may still be memory.
        let mapped = self.large.pop().map_or_else(Mapped::new, Ok);
        mapped.map_or_else(|_| Block::Heap(Vec::with_capacity(Mapped::CAPACITY)), Block::Large)
    }

    fn give(&mut self, block: Block) {
        match block {
            Block::Heap(mut block) if block.capacity() == SMALL && self.small.len() < SMALL_POOLED => {
                block.clear();
                self.small.push(block);
            }
            Block::Large(mut mapped) if self.large.len() < LARGE_POOLED => {
                mapped.clear();
                self.large.push(mapped);
            }
            Block::Heap(_) | Block::Large(_) => {}
        }
    }
}

/// The unsent output of one connection, in order.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    first: Option<Block>,
    /// Where the unsent bytes begin in the first block; without one, in what was written in this turn.
    head: usize,
    /// None for most queues, and behind one pointer, as every connection has a queue.
    #[allow(clippy::box_collection, reason = "in place it is three pointers larger, in every connection")]
    rest: Option<Box<VecDeque<Block>>>,
    len: usize,
}

impl OutQueue {
    /// Unsent bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy to what was written in this turn; false if that is not where it can go. What is still there
    /// at the end of the turn has to be sent, or [kept](Self::keep).
    #[inline(always)]
    pub(crate) fn push_in_turn(&mut self, slices: &[&[u8]], pool: &mut BlockPool) -> bool {
        let (end, len) = (pool.turn.len(), total(slices));
        let follows = self.len == 0 || self.head + self.len == end;
        if self.first.is_some() || !follows || len > TURN - end {
            return false;
        }
        if self.len == 0 {
            self.head = end;
        }
        for slice in slices {
            pool.turn.extend_from_slice(slice);
        }
        self.len += len;
        pool.in_turn += len;
        true
    }

    /// All of it was sent: for a queue that is [in the turn](Self::push_in_turn).
    #[inline]
    pub(crate) fn sent_in_turn(&mut self, pool: &mut BlockPool) {
        pool.in_turn -= self.len;
        self.len = 0;
    }

    /// The unsent bytes, if they were all written in this turn.
    #[inline]
    pub(crate) fn in_turn<'a>(&self, pool: &'a BlockPool) -> Option<&'a [u8]> {
        match self.first {
            None => pool.turn.get(self.head..self.head + self.len),
            Some(_) => None,
        }
    }

    /// Moves what was written in this turn, and is not sent, to a block.
    pub(crate) fn keep(&mut self, pool: &mut BlockPool) {
        if self.first.is_some() || self.len == 0 {
            return;
        }
        let mut block = if self.len <= SMALL { pool.small() } else { pool.large() };
        // Less than a turn's bytes fit either.
        block.extend(&pool.turn[self.head..self.head + self.len]);
        pool.in_turn -= self.len;
        pool.change += self.len as isize;
        self.head = 0;
        self.first = Some(block);
    }

    /// Appends a copy.
    pub(crate) fn push(&mut self, mut bytes: &[u8], pool: &mut BlockPool) {
        if self.push_in_turn(&[bytes], pool) {
            return;
        }
        self.keep(pool);
        self.len += bytes.len();
        pool.change += bytes.len() as isize;
        let last = self.rest.as_mut().and_then(|rest| rest.back_mut());
        if let Some(tail) = last.or(self.first.as_mut()) {
            let taken = tail.extend(bytes);
            bytes = &bytes[taken..];
        }
        while !bytes.is_empty() {
            let mut block = match self.first.is_none() && bytes.len() <= SMALL {
                true => pool.small(),
                false => pool.large(),
            };
            let taken = block.extend(bytes);
            bytes = &bytes[taken..];
            self.append(block);
        }
    }

    /// Appends bytes that the caller gives away: without a copy if they are many, and the first.
    pub(crate) fn push_owned(&mut self, bytes: Vec<u8>, pool: &mut BlockPool) {
        if bytes.len() < OWNED || self.len > 0 {
            return self.push(&bytes, pool);
        }
        self.len += bytes.len();
        pool.change += bytes.len() as isize;
        self.append(Block::Heap(bytes));
    }

    /// The unsent bytes if they lie in one piece, as they nearly always do.
    #[inline]
    pub(crate) fn only_piece<'a>(&'a self, pool: &'a BlockPool) -> Option<&'a [u8]> {
        self.rest.is_none().then(|| self.first_piece(pool))
    }

    #[inline]
    fn first_piece<'a>(&'a self, pool: &'a BlockPool) -> &'a [u8] {
        match &self.first {
            Some(block) => &block.as_slice()[self.head..],
            None if self.len == 0 => &[],
            None => &pool.turn[self.head..self.head + self.len],
        }
    }

    /// In how many pieces the unsent bytes lie.
    pub(crate) fn pieces(&self) -> usize {
        match self.len {
            0 => 0,
            _ => 1 + self.rest.as_ref().map_or(0, |rest| rest.len()),
        }
    }

    /// The unsent bytes as slices for a gathered write; says how many of `slices` it filled.
    pub(crate) fn slices<'a>(&'a self, pool: &'a BlockPool, slices: &mut [IoSlice<'a>]) -> usize {
        let first = Some(self.first_piece(pool)).filter(|first| !first.is_empty()).into_iter();
        let mut filled = 0;
        for (slot, block) in slices.iter_mut().zip(first.chain(self.rest().map(Block::as_slice))) {
            *slot = IoSlice::new(block);
            filled += 1;
        }
        filled
    }

    /// Forgets the first `sent` bytes: the kernel has them.
    #[inline]
    pub(crate) fn advance(&mut self, sent: usize, pool: &mut BlockPool) {
        debug_assert!(sent <= self.len);
        self.len -= sent;
        if self.first.is_some() {
            pool.change -= sent as isize;
            self.advance_blocks(sent, pool);
        } else {
            pool.in_turn -= sent;
            self.head += sent;
        }
    }

    fn advance_blocks(&mut self, mut sent: usize, pool: &mut BlockPool) {
        while let Some(first) = &self.first {
            let unsent = first.as_slice().len() - self.head;
            if sent < unsent {
                self.head += sent;
                return;
            }
            sent -= unsent;
            self.head = 0;
            let next = self.rest.as_mut().and_then(|rest| rest.pop_front());
            let done = std::mem::replace(&mut self.first, next);
            done.into_iter().for_each(|block| pool.give(block));
            if self.rest.as_ref().is_some_and(|rest| rest.is_empty()) {
                self.rest = None;
            }
        }
    }

    /// Drops everything unsent and says how much it was.
    pub(crate) fn clear(&mut self, pool: &mut BlockPool) -> usize {
        let unsent = self.len;
        self.advance(unsent, pool);
        unsent
    }

    fn rest(&self) -> impl Iterator<Item = &Block> {
        self.rest.iter().flat_map(|rest| rest.iter())
    }

    /// A copy of the unsent bytes.
    pub(crate) fn to_vec(&self, pool: &BlockPool) -> Vec<u8> {
        let first = std::iter::once(self.first_piece(pool));
        let blocks: Vec<&[u8]> = first.chain(self.rest().map(Block::as_slice)).collect();
        blocks.concat()
    }

    fn append(&mut self, block: Block) {
        match self.first {
            None => {
                self.head = 0;
                self.first = Some(block);
            }
            Some(_) => self.rest.get_or_insert_default().push_back(block),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsent(queue: &OutQueue, pool: &BlockPool) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = queue.slices(pool, &mut slices);
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
        for seed in 1..20 {
            let mut state = seed * 0x9e37_79b9;
            let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
            let (mut pushed, mut sent) = (Vec::new(), Vec::new());
            for _ in 0..200 {
                let size =
                    random(&mut state) % if random(&mut state).is_multiple_of(32) { 40 * SMALL } else { 600 };
                let bytes: Vec<u8> = (0..size).map(|_| random(&mut state) as u8).collect();
                pushed.extend_from_slice(&bytes);
                match random(&mut state) % 2 {
                    0 => queue.push(&bytes, &mut pool),
                    _ => queue.push_owned(bytes, &mut pool),
                }
                if random(&mut state).is_multiple_of(4) {
                    // A turn ends.
                    queue.keep(&mut pool);
                    pool.end_turn();
                    assert!(pool.turn.is_empty());
                }
                let front = unsent(&queue, &pool);
                let take = random(&mut state) % (front.len() + 1);
                sent.extend_from_slice(&front[..take]);
                queue.advance(take, &mut pool);
                assert_eq!(queue.len, pushed.len() - sent.len());
            }
            sent.extend(unsent(&queue, &pool));
            assert!(sent == pushed, "seed {seed}");
        }
    }

    #[test]
    fn an_empty_queue_holds_no_memory() {
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        for _ in 0..100 {
            queue.push(&[7; SMALL], &mut pool);
        }
        queue.advance(100 * SMALL, &mut pool);
        assert!(queue.first.is_none());
        assert!(queue.rest.is_none());
    }

    #[test]
    fn the_pool_keeps_no_more_than_its_share() {
        let mut pool = BlockPool::default();
        let mut queues: Vec<OutQueue> = (0..3 * SMALL_POOLED).map(|_| OutQueue::default()).collect();
        for queue in &mut queues {
            queue.push(&[7; 100], &mut pool);
            queue.push(&[7; SMALL], &mut pool);
        }
        for queue in &mut queues {
            queue.clear(&mut pool);
        }
        assert_eq!((pool.small.len(), pool.large.len()), (SMALL_POOLED, LARGE_POOLED));
    }

    #[test]
    fn a_backlog_lies_in_large_blocks() {
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        for _ in 0..200 {
            queue.push_owned(vec![7; OWNED], &mut pool);
        }
        assert!(matches!(queue.first, Some(Block::Heap(_))));
        assert!(queue.rest().all(|block| matches!(block, Block::Large(_))));
        assert_eq!(queue.rest().count(), (199 * OWNED).div_ceil(Mapped::CAPACITY));
    }

    #[test]
    fn clear_says_how_much_was_unsent() {
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        queue.push(b"hello", &mut pool);
        queue.advance(2, &mut pool);
        assert_eq!((queue.clear(&mut pool), queue.len, unsent(&queue, &pool)), (3, 0, vec![]));
    }
}

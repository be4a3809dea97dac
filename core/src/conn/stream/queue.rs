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
//! What is written in a turn and sent at its end, as nearly everything is, lies in the [turn's buffer](turn): a
//! queue without blocks is a range of it. What does not fit there or is not sent moves to blocks of its own. A
//! reply or a few fit a small block. What does not, and what comes when a small block is full, goes to large blocks
//! in pages of their own: a backlog is seldom small, and its memory goes back to the system with it. A queue
//! without bytes holds no block.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::sys::memory::Mapped;

mod parcel;
mod turn;

pub(crate) use parcel::Parcel;
use turn::Turn;
pub(crate) use turn::{fill, Room};

/// Size of a small block: most replies of one turn fit, and 64 of them are a mebibyte.
pub(crate) const SMALL: usize = 16 << 10;
/// Small blocks that a pool keeps for later.
const SMALL_POOLED: usize = 64;
/// Large blocks that a pool keeps for later: what one connection's read budget may be answered with, four
/// times.
const LARGE_POOLED: usize = 4;
/// Writes of so many bytes are sent at once, from the writer's memory: copying them would cost more than the call
/// that gathering them with others of the same turn might save.
pub const DIRECT: usize = SMALL;
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

    /// Bytes of memory that it takes, however few of them are unsent.
    fn memory(&self) -> usize {
        match self {
            Block::Heap(bytes) => bytes.capacity(),
            Block::Large(mapped) => mapped.memory(),
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
    turn: Turn,
    /// Bytes of memory that the loop's connections hold from turn to turn, in queues or as unfinished input; what
    /// changed since it was last told.
    pub(crate) change: isize,
}

impl BlockPool {
    fn small(&mut self) -> Block {
        Block::Heap(self.small.pop().unwrap_or_else(|| Vec::with_capacity(SMALL)))
    }

    fn large(&mut self) -> Block {
        // Out of mappings there may still be memory.
        let mapped = self.large.pop().map_or_else(Mapped::new, Ok);
        mapped.map_or_else(|_| Block::Heap(Vec::with_capacity(Mapped::CAPACITY)), Block::Large)
    }

    fn give(&mut self, block: Block) {
        self.change -= block.memory() as isize;
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
    /// None for most queues, and behind one pointer, as every connection has a queue.
    blocks: Option<Box<Blocks>>,
    /// Without blocks: where the unsent bytes begin in what was written in this turn, and how many they are.
    head: u32,
    in_turn: u32,
}

/// One block or more.
#[derive(Debug)]
struct Blocks {
    first: Block,
    /// Where the unsent bytes begin in the first.
    head: usize,
    rest: VecDeque<Block>,
    /// Unsent bytes.
    len: usize,
    /// Memory of all blocks.
    memory: usize,
}

impl OutQueue {
    /// Unsent bytes.
    pub(crate) fn len(&self) -> usize {
        match &self.blocks {
            Some(blocks) => blocks.len,
            None => self.in_turn as usize,
        }
    }

    /// Bytes of memory that its blocks take.
    pub(crate) fn memory(&self) -> usize {
        self.blocks.as_ref().map_or(0, |blocks| blocks.memory)
    }

    pub(crate) fn is_empty(&self) -> bool {
        // Blocks hold something.
        self.in_turn == 0 && self.blocks.is_none()
    }

    /// Appends a copy.
    pub(crate) fn push(&mut self, mut bytes: &[u8], pool: &mut BlockPool) {
        if self.push_in_turn(bytes, pool) {
            return;
        }
        self.set_aside(pool);
        if let Some(blocks) = &mut self.blocks {
            bytes = &bytes[blocks.extend(bytes, pool)..];
        }
        while !bytes.is_empty() {
            let mut block = match self.blocks.is_none() && bytes.len() <= SMALL {
                true => pool.small(),
                false => pool.large(),
            };
            let taken = block.extend(bytes);
            bytes = &bytes[taken..];
            self.append(block, pool);
        }
    }

    /// Appends bytes that the caller gives away: without a copy if they are many, and the first.
    pub(crate) fn push_owned(&mut self, bytes: Vec<u8>, pool: &mut BlockPool) {
        if bytes.len() < OWNED || !self.is_empty() {
            return self.push(&bytes, pool);
        }
        self.append(Block::Heap(bytes), pool);
    }

    /// The unsent bytes if they lie in one piece, as they nearly always do.
    #[inline]
    pub(crate) fn only_piece<'a>(&'a self, pool: &'a BlockPool) -> Option<&'a [u8]> {
        let one = self.blocks.as_ref().is_none_or(|blocks| blocks.rest.is_empty());
        one.then(|| self.first_piece(pool))
    }

    #[inline]
    fn first_piece<'a>(&'a self, pool: &'a BlockPool) -> &'a [u8] {
        match &self.blocks {
            Some(blocks) => &blocks.first.as_slice()[blocks.head..],
            None => pool.turn.piece(self.head, self.in_turn).unwrap_or_default(),
        }
    }

    /// In how many pieces the unsent bytes lie.
    pub(crate) fn pieces(&self) -> usize {
        match &self.blocks {
            Some(blocks) => 1 + blocks.rest.len(),
            None => usize::from(self.in_turn > 0),
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
        debug_assert!(sent <= self.len());
        if self.blocks.is_some() {
            self.advance_blocks(sent, pool);
        } else {
            self.head += sent as u32;
            self.in_turn -= sent as u32;
        }
    }

    fn advance_blocks(&mut self, mut sent: usize, pool: &mut BlockPool) {
        while let Some(blocks) = &mut self.blocks {
            let unsent = blocks.first.as_slice().len() - blocks.head;
            if sent < unsent {
                blocks.head += sent;
                blocks.len -= sent;
                return;
            }
            sent -= unsent;
            blocks.len -= unsent;
            blocks.head = 0;
            blocks.memory -= blocks.first.memory();
            match blocks.rest.pop_front() {
                Some(next) => pool.give(std::mem::replace(&mut blocks.first, next)),
                None => self.blocks.take().into_iter().for_each(|blocks| pool.give(blocks.first)),
            }
        }
    }

    /// Drops everything unsent and says how much it was.
    pub(crate) fn clear(&mut self, pool: &mut BlockPool) -> usize {
        let unsent = self.len();
        self.advance(unsent, pool);
        unsent
    }

    fn rest(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().flat_map(|blocks| blocks.rest.iter())
    }

    /// Takes all unsent bytes out, in one piece. Each block is let go of once it was copied, and room is made bit by bit,
    /// so that hardly more memory is taken than was held.
    pub(crate) fn take_bytes(&mut self, pool: &mut BlockPool) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !self.is_empty() {
            let piece = self.first_piece(pool);
            let (taken, room) = (piece.len(), bytes.capacity() - bytes.len());
            if taken > room {
                bytes.reserve_exact(taken.max(bytes.len() / 8));
            }
            bytes.extend_from_slice(piece);
            self.advance(taken, pool);
        }
        bytes
    }

    fn append(&mut self, block: Block, pool: &mut BlockPool) {
        let (len, memory) = (block.as_slice().len(), block.memory());
        pool.change += memory as isize;
        match &mut self.blocks {
            None => {
                let blocks = Blocks { first: block, head: 0, rest: VecDeque::new(), len, memory };
                self.blocks = Some(Box::new(blocks));
            }
            Some(blocks) => {
                blocks.rest.push_back(block);
                blocks.len += len;
                blocks.memory += memory;
            }
        }
    }
}

impl Blocks {
    /// Appends what fits into the last block, and says how much that is.
    fn extend(&mut self, bytes: &[u8], pool: &mut BlockPool) -> usize {
        let last = self.last();
        let before = last.memory();
        let taken = last.extend(bytes);
        let grown = last.memory() - before;
        self.len += taken;
        self.memory += grown;
        pool.change += grown as isize;
        taken
    }

    fn last(&mut self) -> &mut Block {
        self.rest.back_mut().unwrap_or(&mut self.first)
    }
}

#[cfg(test)]
mod tests;

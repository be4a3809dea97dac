//! The turn's buffer: what a loop's connections write in a turn and send at its end, connection behind connection.
//!
//! ```text
//!   a connection's queue       another's
//!  +--------------------+ +-----------------+
//!  |   what it wrote    | |  what it wrote  | room, up to TURN
//!  +--------------------+ +-----------------+
//!  ^ head          head + len
//! ```
//!
//! A queue that has no block is such a range. What does not fit here or is not sent moves to blocks of its own. Once
//! no queue refers to the buffer, the end of a turn empties it.

use super::{total, BlockPool, OutQueue, SMALL};

/// Size of the buffer for the replies of a turn: as much as is read in one go.
const TURN: usize = 64 << 10;

impl BlockPool {
    /// Makes room for the next turn's writes, if nothing of this one's is left.
    pub(crate) fn end_turn(&mut self) {
        if self.in_turn == 0 {
            self.turn.clear();
        }
    }
}

impl OutQueue {
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
}

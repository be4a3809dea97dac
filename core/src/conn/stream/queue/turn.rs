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

use super::{BlockPool, OutQueue, SMALL};

/// Size of the buffer for the replies of a turn: as much as is read in one go.
const TURN: usize = 64 << 10;

/// The buffer, and how much of it is written.
pub(super) struct Turn {
    bytes: Box<[u8; TURN]>,
    /// At most [`TURN`]. In 32 bits: adding to it cannot overflow.
    pub(super) end: u32,
}

impl Default for Turn {
    fn default() -> Self {
        Turn { bytes: Box::new([0; TURN]), end: 0 }
    }
}

impl Turn {
    /// What a queue refers to.
    #[inline(always)]
    pub(super) fn piece(&self, head: usize, len: usize) -> Option<&[u8]> {
        self.bytes.get(head..)?.get(..len)
    }
}

/// Where the next bytes of a queue go.
pub(crate) struct Room<'a> {
    bytes: &'a mut [u8],
    at: usize,
    end: &'a mut u32,
    in_turn: &'a mut usize,
}

/// Copies slices to where there is room for just them.
#[inline(always)]
pub(crate) fn fill(mut room: &mut [u8], slices: &[&[u8]]) {
    for slice in slices {
        let Some((front, rest)) = room.split_at_mut_checked(slice.len()) else { return };
        front.copy_from_slice(slice);
        room = rest;
    }
}

impl BlockPool {
    /// Makes room for the next turn's writes, if nothing of this one's is left.
    pub(crate) fn end_turn(&mut self) {
        if self.in_turn == 0 {
            self.turn.end = 0;
        }
    }
}

impl OutQueue {
    /// Appends a copy to what was written in this turn; false if that is not where it can go. What is still there
    /// at the end of the turn has to be sent, or [kept](Self::keep).
    pub(super) fn push_in_turn(&mut self, bytes: &[u8], pool: &mut BlockPool) -> bool {
        let Some(room) = self.room_in_turn(bytes.len(), pool) else { return false };
        self.take_room(room).copy_from_slice(bytes);
        true
    }

    /// Room for `len` bytes behind what was written in this turn; `None` if that is not where they can go.
    #[inline(always)]
    pub(crate) fn room_in_turn<'a>(&self, len: usize, pool: &'a mut BlockPool) -> Option<Room<'a>> {
        let at = pool.turn.end as usize;
        if self.blocks.is_some() || (self.len > 0 && self.head + self.len != at) || len > TURN {
            return None;
        }
        let bytes = pool.turn.bytes.get_mut(at..at + len)?;
        Some(Room { bytes, at, end: &mut pool.turn.end, in_turn: &mut pool.in_turn })
    }

    /// Takes the room, which the caller fills.
    #[inline(always)]
    pub(crate) fn take_room<'a>(&mut self, room: Room<'a>) -> &'a mut [u8] {
        let len = room.bytes.len();
        if self.len == 0 {
            self.head = room.at;
        }
        self.len += len;
        *room.in_turn += len;
        *room.end = (room.at + len) as u32;
        room.bytes
    }

    /// All of it was sent: for a queue that is [in the turn](Self::take_room).
    #[inline]
    pub(crate) fn sent_in_turn(&mut self, pool: &mut BlockPool) {
        pool.in_turn -= self.len;
        self.len = 0;
    }

    /// The unsent bytes, if they were all written in this turn.
    #[inline]
    pub(crate) fn in_turn<'a>(&self, pool: &'a BlockPool) -> Option<&'a [u8]> {
        match self.blocks {
            None => pool.turn.piece(self.head, self.len),
            Some(_) => None,
        }
    }

    /// Moves what was written in this turn, and is not sent, to a block.
    pub(crate) fn keep(&mut self, pool: &mut BlockPool) {
        if self.blocks.is_some() || self.len == 0 {
            return;
        }
        let mut block = if self.len <= SMALL { pool.small() } else { pool.large() };
        // Less than a turn's bytes fit either.
        block.extend(pool.turn.piece(self.head, self.len).unwrap_or_default());
        pool.in_turn -= self.len;
        pool.change += self.len as isize;
        self.append(block);
    }
}

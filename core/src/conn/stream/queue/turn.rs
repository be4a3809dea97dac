//! The turn's buffer: what a loop's connections write in a turn and send at its end, connection behind connection.
//!
//! ```text
//!   a connection's queue       another's
//!  +--------------------+ +-----------------+
//!  |   what it wrote    | |  what it wrote  | room
//!  +--------------------+ +-----------------+
//!  ^ head          head + len
//! ```
//!
//! A queue that has no block is such a range. What does not fit here or is not sent moves to blocks of its own. Whoever
//! writes here stands in the loop's list of connections that changed: when that is empty at the end of a turn, no queue
//! refers to the buffer.
//!
//! The buffer is 64 KiB. One turn's answers can be more: many connections, or many requests at once of each. Then it grows,
//! for the turns that follow as well. When none has needed that for a while it is let go of.

use super::{BlockPool, OutQueue, SMALL};

/// Size of the buffer for the replies of a turn: as much as is read in one go.
pub(super) const TURN: usize = 64 << 10;
/// It grows to so much at most: 4 KiB for each connection that a poll reports.
pub(super) const MOST: usize = 1 << 20;
/// And to this part of the byte budget, which does not count it.
const PART: usize = 64;
/// After so many turns in a row that did not need more than [`TURN`], a buffer that has grown is let go of.
pub(super) const SMALL_TURNS: u32 = 64;

/// The buffer, and how much of it is written.
pub(super) struct Turn {
    /// Made for the first write.
    bytes: Vec<u8>,
    /// At most [`MOST`]. In 32 bits: adding to it cannot overflow.
    end: u32,
    most: usize,
    /// If it has grown: turns since that was needed.
    small_turns: u32,
}

impl Default for Turn {
    fn default() -> Self {
        Turn { bytes: Vec::new(), end: 0, most: MOST, small_turns: 0 }
    }
}

impl Turn {
    /// Has room for `len` bytes more, if that is allowed, and there is memory for it.
    fn make_room(&mut self, len: usize) {
        let needed = self.end as usize + len;
        if needed <= self.bytes.len() || needed > self.most {
            return;
        }
        let size = needed.next_power_of_two().clamp(TURN, self.most);
        if self.bytes.try_reserve_exact(size - self.bytes.len()).is_ok() {
            self.bytes.resize(size, 0);
        }
        self.small_turns = 0;
    }

    /// A turn ends whose buffer has grown at some time.
    #[inline(never)]
    fn count_small(&mut self) {
        self.small_turns = if self.end as usize > TURN { 0 } else { self.small_turns + 1 };
        if self.small_turns == SMALL_TURNS {
            self.bytes = Vec::new();
        }
    }

    /// What a queue refers to.
    #[inline(always)]
    pub(super) fn piece(&self, head: u32, len: u32) -> Option<&[u8]> {
        self.bytes.get(head as usize..head as usize + len as usize)
    }
}

/// Where the next bytes of a queue go.
pub(crate) struct Room<'a> {
    bytes: &'a mut [u8],
    /// Where the queue begins, and how long it is, with them.
    head: u32,
    len: u32,
    end: &'a mut u32,
}

impl Room<'_> {
    /// For how many bytes there is room.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
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
    /// One for a loop of a server that may hold so many bytes.
    pub(crate) fn under(byte_budget: usize) -> Self {
        let most = (byte_budget / PART).clamp(TURN, MOST);
        BlockPool { turn: Turn { most, ..Turn::default() }, ..BlockPool::default() }
    }

    /// No queue refers to the turn's buffer any more: the next turn's writes have all of it.
    pub(crate) fn end_turn(&mut self) {
        if self.turn.bytes.len() > TURN {
            self.turn.count_small();
        }
        self.turn.end = 0;
    }
}

impl OutQueue {
    /// Appends a copy to what was written in this turn; false if that is not where it can go. What is still there
    /// at the end of the turn has to be sent, or [kept](Self::keep).
    pub(super) fn push_in_turn(&mut self, bytes: &[u8], pool: &mut BlockPool) -> bool {
        let is_last = self.in_turn == 0 || self.head + self.in_turn == pool.turn.end;
        if self.blocks.is_some() || bytes.len() > TURN || !is_last {
            return false;
        }
        pool.turn.make_room(bytes.len());
        let Some(room) = self.room_in_turn(self.in_turn == 0, bytes.len(), pool) else { return false };
        self.take_room(room).copy_from_slice(bytes);
        true
    }

    /// Room for `len` bytes, at most the buffer's, behind what was written in this turn; `None` if that is not where they
    /// can go. For a queue without blocks, which may be known to be empty.
    #[inline(always)]
    pub(crate) fn room_in_turn<'a>(
        &self,
        is_empty: bool,
        len: usize,
        pool: &'a mut BlockPool,
    ) -> Option<Room<'a>> {
        debug_assert!(self.blocks.is_none() && (!is_empty || self.in_turn == 0));
        let at = pool.turn.end;
        let (head, before) = if is_empty { (at, 0) } else { (self.head, self.in_turn) };
        if !is_empty && head + before != at {
            return None;
        }
        let bytes = pool.turn.bytes.get_mut(at as usize..at as usize + len)?;
        Some(Room { bytes, head, len: before + len as u32, end: &mut pool.turn.end })
    }

    /// Takes the room, which the caller fills.
    #[inline(always)]
    pub(crate) fn take_room<'a>(&mut self, room: Room<'a>) -> &'a mut [u8] {
        self.head = room.head;
        self.in_turn = room.len;
        *room.end = room.head + room.len;
        room.bytes
    }

    /// All of it was sent: for a queue that is [in the turn](Self::take_room).
    #[inline]
    pub(crate) fn sent_in_turn(&mut self) {
        self.in_turn = 0;
    }

    /// The unsent bytes of a queue without blocks.
    #[inline]
    pub(crate) fn in_turn<'a>(&self, pool: &'a BlockPool) -> Option<&'a [u8]> {
        debug_assert!(self.blocks.is_none());
        pool.turn.piece(self.head, self.in_turn)
    }

    /// Moves what was written in this turn, and is not sent, to blocks.
    pub(crate) fn set_aside(&mut self, pool: &mut BlockPool) {
        if self.blocks.is_some() {
            return;
        }
        let end = self.head + std::mem::take(&mut self.in_turn);
        let mut at = self.head;
        while at < end {
            let left = end - at;
            let mut block = if left as usize <= SMALL { pool.small() } else { pool.large() };
            at += block.extend(pool.turn.piece(at, left).unwrap_or_default()) as u32;
            self.append(block, pool);
        }
    }
}

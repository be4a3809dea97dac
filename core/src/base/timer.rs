//! The timers of one loop: a hierarchical timing wheel (Varghese and Lauck, 1987) that always knows its
//! earliest deadline.
//!
//! ```text
//!  deadline in milliseconds, 42 bits:   | 6 | 6 | 6 | 6 | 6 | 6 | 6 |
//!  level of the ring it is a slot of:     6   5   4   3   2   1   0
//!
//!  ring of level 6   [ - | list | - | - | ring | … ]     64 slots; a bitmap says which are occupied
//!  ring of level 5                         [ - | list | … ]
//!  ring of level 0   [ list | - | list | … ]             each list is of one millisecond
//! ```
//!
//! The classic wheel moves whole slots down as time goes by, and of a far timer it knows no more than the
//! slot. Here a slot above level 0 holds at most [`CROWD`] timers; the next one puts a ring of the level
//! below into the slot, as a burst trie does (Heinz, Zobel and Williams, 2002). So the loop never wakes only
//! to move timers, and no operation touches more than a fixed number of them. The price is a walk down of at
//! most seven rings.
//!
//! Times are milliseconds since the loop began. Everything here belongs to the loop's thread.

mod id;
mod nodes;
mod rings;
#[cfg(test)]
mod tests;

use nodes::Nodes;
use rings::{Place, Rings, HORIZON, NONE};

pub use id::TimerId;

/// Timers in a slot above level 0 before it gets a ring of its own; so many are looked through for the
/// earliest.
const CROWD: u32 = 8;

/// Timers by deadline and by id, each with a value.
///
/// A timer is *filed* under its deadline, or *detached*: expired, and neither filed again nor cancelled yet.
pub(crate) struct Wheel<T> {
    nodes: Nodes<T>,
    rings: Rings,
    /// Nothing is filed before this time: what is due already waits for the next pass.
    earliest: u64,
}

impl<T> Wheel<T> {
    /// An empty wheel whose ids carry this lease. Only one wheel may have it at a time: the wheel has to be
    /// dropped before the lease is handed back.
    pub(crate) fn new(lease: u16) -> Self {
        Wheel { nodes: Nodes::new(lease), rings: Rings::new(), earliest: 0 }
    }

    /// Files a timer. A deadline that [`expire`](Self::expire) has passed already counts as the millisecond
    /// after it, and one further than 2^42 ms (139 years) as that. Gives the value back when there is no id
    /// left.
    pub(crate) fn insert(&mut self, at: u64, value: T) -> Result<TimerId, T> {
        let index = self.nodes.insert(value)?;
        self.file(index, at);
        Ok(self.nodes.id(index))
    }

    /// Removes a timer, filed or detached, and gives its value back; `None` when it is gone.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let index = self.nodes.find(id)?;
        self.unfile(index);
        self.nodes.remove(index)
    }

    /// The value of a timer, filed or detached.
    pub(crate) fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        let index = self.nodes.find(id)?;
        self.nodes.at_mut(index).value.as_mut()
    }

    /// Files a timer, filed or detached, under another deadline, behind those that have it already; the id
    /// stays. False when the timer is gone.
    pub(crate) fn reschedule(&mut self, id: TimerId, at: u64) -> bool {
        let Some(index) = self.nodes.find(id) else { return false };
        self.unfile(index);
        self.file(index, at);
        true
    }

    /// Whether the timer waits for its deadline: false when it is detached or gone.
    #[cfg(test)]
    fn is_filed(&self, id: TimerId) -> bool {
        self.nodes.find(id).is_some_and(|index| self.nodes.at(index).ring != NONE)
    }

    /// Detaches the next timer that is due at `now`, and says which deadline it had. They come by deadline,
    /// those of one millisecond as they were filed. A pass is calls with one `now` until the answer is
    /// `None`; whatever is filed between them waits for a later `now`, so that a pass ends.
    pub(crate) fn expire(&mut self, now: u64) -> Option<(TimerId, u64)> {
        self.earliest = self.earliest.max(now.saturating_add(1));
        let index = self.first()?;
        let deadline = self.nodes.at(index).deadline;
        if deadline > now {
            return None;
        }
        self.unfile(index);
        Some((self.nodes.id(index), deadline))
    }

    /// The earliest deadline of all, exactly.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.first().map(|index| self.nodes.at(index).deadline)
    }

    /// Removes every timer, and gives the values back in no particular order.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.rings = Rings::new();
        self.nodes.drain()
    }

    #[inline]
    fn first(&self) -> Option<u32> {
        (!self.rings.is_empty()).then(|| self.first_filed())
    }

    fn first_filed(&self) -> u32 {
        let (first, level) = self.rings.first();
        // In a ring of level 0 the timers of a list have the same deadline.
        if level == 0 {
            first
        } else {
            self.nodes.earliest(first)
        }
    }

    fn file(&mut self, index: u32, at: u64) {
        let deadline = at.max(self.earliest).min(HORIZON);
        self.nodes.at_mut(index).deadline = deadline;
        let mut place = self.rings.place(deadline);
        while self.rings.level(place) > 0 && self.rings.length(place) >= CROWD {
            place = Place::of(deadline, self.burst(place), self.rings.level(place) - 1);
        }
        self.link(place, index);
    }

    /// Moves the timers of a slot into a new ring in its place, in order.
    fn burst(&mut self, place: Place) -> u32 {
        let (mut index, length) = (self.rings.head(place), self.rings.length(place));
        let level = self.rings.level(place) - 1;
        let ring = self.rings.nest(place);
        for _ in 0..length {
            let node = self.nodes.at(index);
            let (moved, deadline) = (index, node.deadline);
            index = node.next;
            self.link(Place::of(deadline, ring, level), moved);
        }
        ring
    }

    fn link(&mut self, place: Place, index: u32) {
        self.nodes.append(self.rings.head(place), index);
        self.nodes.at_mut(index).ring = place.ring;
        self.rings.appended(place, index);
    }

    fn unfile(&mut self, index: u32) {
        let node = self.nodes.at_mut(index);
        if node.ring == NONE {
            return;
        }
        let (ring, deadline) = (std::mem::replace(&mut node.ring, NONE), node.deadline);
        let next = self.nodes.unlink(index);
        self.rings.removed(self.rings.place_in(ring, deadline), index, next);
    }
}

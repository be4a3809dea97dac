//! The rings of the wheel: where a deadline belongs, and which slot is the earliest. They hold the first
//! timer of each list; the lists themselves are in the nodes.

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: u32 = 7;

/// The furthest deadline, in milliseconds since the loop began: 139 years.
pub(super) const HORIZON: u64 = (1 << (SLOT_BITS * LEVELS)) - 1;
/// No ring, and no node.
pub(super) const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// A slot of a ring.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) ring: u32,
    slot: usize,
}

impl Place {
    /// Where a deadline belongs in a ring of this level.
    pub(super) fn of(deadline: u64, ring: u32, level: u32) -> Place {
        Place { ring, slot: (deadline >> (SLOT_BITS * level)) as usize % SLOTS }
    }
}

/// What is in a slot: a list of timers, by its first; or a ring, with length 0.
#[derive(Clone, Copy)]
struct Slot {
    head: u32,
    length: u32,
}

struct Ring {
    level: u32,
    /// The slot that this ring is in; the root is in none.
    parent: Place,
    /// A bit per slot that holds anything.
    occupied: u64,
    /// Empty while the ring is not in use.
    slots: Box<[Slot]>,
}

impl Ring {
    fn new(level: u32, parent: Place) -> Ring {
        Ring { level, parent, occupied: 0, slots: vec![Slot { head: NONE, length: 0 }; SLOTS].into() }
    }

    fn is_nested(&self, slot: usize) -> bool {
        self.occupied >> slot & 1 == 1 && self.slots[slot].length == 0
    }
}

/// Rings by number. A ring gives back its slots, 512 bytes, when it gets empty; what stays is 48 bytes per
/// ring, until the root gets empty.
pub(super) struct Rings {
    rings: Vec<Ring>,
    free: Vec<u32>,
}

impl Rings {
    pub(super) fn new() -> Self {
        let root = Ring::new(LEVELS - 1, Place { ring: NONE, slot: 0 });
        Rings { rings: vec![root], free: Vec::new() }
    }

    /// The slot for a deadline: the first on the way down from the root that holds no ring.
    pub(super) fn place(&self, deadline: u64) -> Place {
        let mut place = self.place_in(ROOT, deadline);
        while self.ring(place).is_nested(place.slot) {
            place = self.place_in(self.slot(place).head, deadline);
        }
        place
    }

    /// The slot for a deadline in this ring.
    pub(super) fn place_in(&self, ring: u32, deadline: u64) -> Place {
        Place::of(deadline, ring, self.rings[ring as usize].level)
    }

    pub(super) fn level(&self, place: Place) -> u32 {
        self.ring(place).level
    }

    /// The first timer of a slot's list, or [`NONE`].
    pub(super) fn head(&self, place: Place) -> u32 {
        self.slot(place).head
    }

    /// How many timers a slot's list has.
    pub(super) fn length(&self, place: Place) -> u32 {
        self.slot(place).length
    }

    /// Whether there is no timer.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rings[ROOT as usize].occupied == 0
    }

    /// The head of the earliest list, and its level, of which there must be one.
    pub(super) fn first(&self) -> (u32, u32) {
        let mut ring = &self.rings[ROOT as usize];
        // Below the root no ring is empty.
        loop {
            let slot = ring.occupied.trailing_zeros() as usize;
            let head = ring.slots[slot].head;
            if !ring.is_nested(slot) {
                return (head, ring.level);
            }
            ring = &self.rings[head as usize];
        }
    }

    /// Puts an empty ring of the level below into a slot, whatever list was there, and says which.
    pub(super) fn nest(&mut self, place: Place) -> u32 {
        let ring = Ring::new(self.level(place) - 1, place);
        let number = match self.free.pop() {
            Some(number) => {
                self.rings[number as usize] = ring;
                number
            }
            None => {
                self.rings.push(ring);
                self.rings.len() as u32 - 1
            }
        };
        *self.slot_mut(place) = Slot { head: number, length: 0 };
        number
    }

    /// A timer was appended to a slot's list.
    pub(super) fn appended(&mut self, place: Place, index: u32) {
        let slot = self.slot_mut(place);
        if slot.length == 0 {
            slot.head = index;
        }
        slot.length += 1;
        self.rings[place.ring as usize].occupied |= 1 << place.slot;
    }

    /// A timer was taken out of a slot's list, where `next` came after it. Rings that get empty go, up to the
    /// root.
    pub(super) fn removed(&mut self, place: Place, index: u32, next: u32) {
        let slot = self.slot_mut(place);
        slot.length -= 1;
        if slot.length == 0 {
            self.vacate(place);
        } else if slot.head == index {
            slot.head = next;
        }
    }

    fn vacate(&mut self, mut place: Place) {
        loop {
            *self.slot_mut(place) = Slot { head: NONE, length: 0 };
            let ring = &mut self.rings[place.ring as usize];
            ring.occupied &= !(1 << place.slot);
            if ring.occupied != 0 {
                return;
            }
            if place.ring == ROOT {
                return self.shrink();
            }
            ring.slots = Box::default();
            self.free.push(place.ring);
            place = ring.parent;
        }
    }

    /// Gives back the table, when the root alone is left and many were there.
    fn shrink(&mut self) {
        if self.rings.len() > SLOTS {
            self.rings.truncate(1);
            self.rings.shrink_to_fit();
            self.free = Vec::new();
        }
    }

    fn ring(&self, place: Place) -> &Ring {
        &self.rings[place.ring as usize]
    }

    fn slot(&self, place: Place) -> Slot {
        self.ring(place).slots[place.slot]
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot {
        &mut self.rings[place.ring as usize].slots[place.slot]
    }
}

#[cfg(test)]
impl Rings {
    /// Rings in the table.
    pub(super) fn held(&self) -> usize {
        self.rings.capacity()
    }

    /// The length of the longest list above level 0.
    pub(super) fn longest(&self) -> u32 {
        let rings = self.rings.iter().filter(|ring| ring.level > 0);
        rings.flat_map(|ring| &ring.slots).map(|slot| slot.length).max().unwrap_or(0)
    }
}

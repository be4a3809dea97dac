//! The connections of one loop by id: a slot array whose generations make stale ids harmless.

use crate::error::Result;
use crate::token::{ConnId, Lease, LAST_GENERATION, MAX_SLOTS};

/// A value per slot. The value is boxed, so that a burst of connections gives its memory back; what stays is
/// 16 bytes per slot ever used.
struct Slot<T> {
    /// The generation of the value here, or of the next one if there is none.
    generation: u32,
    value: Option<Box<T>>,
}

/// Values by [`ConnId`]; the most recently freed slot is used first.
pub(crate) struct Slab<T> {
    lease: Lease,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty slab under a lease of its own.
    pub(crate) fn new() -> Result<Self> {
        Ok(Slab { lease: Lease::take()?, slots: Vec::new(), free: Vec::new() })
    }

    pub(crate) fn lease(&self) -> u16 {
        self.lease.number()
    }

    /// The id that the next value gets, or `None` when every slot is taken or retired.
    fn vacant(&mut self) -> Option<ConnId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < MAX_SLOTS as usize => {
                self.slots.push(Slot { generation: self.lease.first_generation(), value: None });
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        Some(ConnId::new(self.slots[slot as usize].generation, self.lease.number(), slot))
    }

    /// Stores a value; `None` when the slab is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<ConnId> {
        let id = self.vacant()?;
        self.lease.used(id.generation());
        self.slots[id.slot() as usize].value = Some(Box::new(value));
        Some(id)
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        self.slot_of(id)?.value.as_deref_mut()
    }

    /// Takes the value out; the slot's generation moves on, or the slot is retired after its last one.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Box<T>> {
        let slot = self.slot_of(id)?;
        let value = slot.value.take()?;
        if slot.generation < LAST_GENERATION {
            slot.generation += 1;
            self.free.push(id.slot());
        }
        Some(value)
    }

    /// The ids of all values, in the order of their slots.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        let lease = self.lease.number();
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| slot.value.is_some());
        taken.map(|(index, slot)| ConnId::new(slot.generation, lease, index as u32)).collect()
    }

    fn slot_of(&mut self, id: ConnId) -> Option<&mut Slot<T>> {
        let same_lease = id.lease() == self.lease.number();
        self.slots.get_mut(id.slot() as usize).filter(|slot| same_lease && slot.generation == id.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (Slab<&'static str>, ConnId) {
        let mut slab = Slab::new().unwrap();
        let id = slab.insert("first").unwrap();
        (slab, id)
    }

    #[test]
    fn a_removed_id_finds_nothing_even_when_its_slot_is_used_again() {
        let (mut slab, old) = filled();
        assert_eq!(slab.remove(old).as_deref(), Some(&"first"));
        let new = slab.insert("second").unwrap();
        assert_eq!(new.slot(), old.slot());
        assert_ne!(new, old);
        assert!(slab.get_mut(old).is_none() && slab.remove(old).is_none());
        assert_eq!(slab.get_mut(new), Some(&mut "second"));
    }

    #[test]
    fn an_id_of_another_slab_finds_nothing() {
        let (mut slab, _) = filled();
        let (_other, foreign) = filled();
        assert!(slab.get_mut(foreign).is_none());
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let (mut slab, id) = filled();
        slab.slots[0].generation = LAST_GENERATION;
        let last = ConnId::new(LAST_GENERATION, id.lease(), 0);
        assert!(slab.remove(last).is_some());
        assert_eq!(slab.insert("next").unwrap().slot(), 1);
    }

    #[test]
    fn ids_lists_what_is_there() {
        let (mut slab, first) = filled();
        let second = slab.insert("second").unwrap();
        assert_eq!(slab.ids(), [first, second]);
        slab.remove(first);
        assert_eq!(slab.ids(), [second]);
    }
}

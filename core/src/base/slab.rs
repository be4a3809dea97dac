//! Ids and what they stand for: slot arrays whose generations make stale ids harmless.

use crate::base::conn_id::{ConnId, Lease, LAST_GENERATION, MAX_SLOTS};

/// Hands ids out, and keeps a value under each. The most recently freed slot is used first. A slot takes 12 bytes for a
/// value of pointer size: in two lists, so that nothing is lost between them.
pub(crate) struct IdTable<T> {
    lease: Lease,
    /// Of each slot: the generation of the value there, or of the next one if there is none.
    generations: Vec<u32>,
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> IdTable<T> {
    /// An empty table under this lease.
    pub(crate) fn under(lease: Lease) -> Self {
        IdTable { lease, generations: Vec::new(), values: Vec::new(), free: Vec::new() }
    }

    /// One for tests.
    #[cfg(test)]
    pub(crate) fn new() -> crate::base::error::Result<Self> {
        Ok(IdTable::under(Lease::of_a_test()))
    }

    pub(crate) fn lease(&self) -> u16 {
        self.lease.number()
    }

    /// The id that the next value gets, or `None` when every slot is taken or retired.
    fn vacant(&mut self) -> Option<ConnId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.values.len() < MAX_SLOTS as usize => {
                push(&mut self.generations, self.lease.first_generation());
                push(&mut self.values, None);
                self.values.len() as u32 - 1
            }
            None => return None,
        };
        Some(ConnId::new(self.generations[slot as usize], self.lease.number(), slot))
    }

    /// Stores a value; `None` when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<ConnId> {
        let id = self.vacant()?;
        self.lease.used(id.generation());
        self.values[id.slot() as usize] = Some(value);
        Some(id)
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&T> {
        let slot = id.slot() as usize;
        let same = id.lease() == self.lease.number() && *self.generations.get(slot)? == id.generation();
        self.values.get(slot)?.as_ref().filter(|_| same)
    }

    /// Takes the value out; the slot's generation moves on, or the slot is retired after its last one.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<T> {
        self.get(id)?;
        let slot = id.slot() as usize;
        let value = self.values.get_mut(slot)?.take();
        let generation = self.generations.get_mut(slot)?;
        if *generation < LAST_GENERATION {
            *generation += 1;
            self.free.push(id.slot());
        }
        value
    }

    /// All ids and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        let slots = self.values.iter().zip(&self.generations).zip(0..);
        slots.filter_map(|((value, generation), slot)| {
            Some((ConnId::new(*generation, self.lease.number(), slot), value.as_ref()?))
        })
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter().flatten()
    }
}

/// Appends to a list that is long where there are many connections: a full one grows by a quarter, and not to the double,
/// most of which might never be used.
fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(16));
    }
    list.push(value);
}

/// Values under ids that an [`IdTable`] has handed out, of one loop. A value is boxed, so that a burst of
/// connections gives its memory back; what stays is 8 bytes per slot ever used.
pub(crate) struct Slab<T> {
    slots: Vec<Option<Box<(ConnId, T)>>>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { slots: Vec::new() }
    }

    /// Stores a value under an id that is new here.
    pub(crate) fn insert(&mut self, id: ConnId, value: T) {
        let slot = id.slot() as usize;
        while self.slots.len() <= slot {
            push(&mut self.slots, None);
        }
        self.slots[slot] = Some(Box::new((id, value)));
    }

    #[inline]
    pub(crate) fn find_mut(&mut self, id: ConnId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot() as usize)?.as_deref_mut();
        slot.filter(|(found, _)| *found == id).map(|(_, value)| value)
    }

    /// All ids and values.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (ConnId, T)> {
        self.slots.iter_mut().flatten().map(|value| &mut **value)
    }

    /// Takes the value out.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Box<(ConnId, T)>> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        slot.take_if(|value| value.0 == id)
    }

    /// The ids of all values, in the order of their slots.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.slots.iter().flatten().map(|value| value.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (IdTable<&'static str>, ConnId) {
        let mut table = IdTable::new().unwrap();
        let id = table.insert("first").unwrap();
        (table, id)
    }

    #[test]
    fn what_is_there_is_listed_with_its_id() {
        let (mut table, first) = filled();
        let second = table.insert("second").unwrap();
        let third = table.insert("third").unwrap();
        table.remove(second);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(first, &"first"), (third, &"third")]);
        let again = table.insert("again").unwrap();
        assert_eq!(table.iter().nth(1), Some((again, &"again")));
    }

    #[test]
    fn a_removed_id_finds_nothing_even_when_its_slot_is_used_again() {
        let (mut table, old) = filled();
        assert_eq!(table.remove(old), Some("first"));
        let new = table.insert("second").unwrap();
        assert_eq!(new.slot(), old.slot());
        assert_ne!(new, old);
        assert!(table.get(old).is_none() && table.remove(old).is_none());
        assert_eq!(table.get(new), Some(&"second"));
    }

    #[test]
    fn a_long_list_has_little_room_to_spare() {
        let mut list = Vec::new();
        for n in 0..10_000 {
            push(&mut list, n);
            assert!(list.capacity() <= list.len() + list.len() / 4 + 16);
        }
        assert!(list.iter().copied().eq(0..10_000));
    }

    #[test]
    fn an_id_of_another_table_finds_nothing() {
        let (mut table, _) = filled();
        let (_other, foreign) = filled();
        assert!(table.get(foreign).is_none() && table.remove(foreign).is_none());
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let (mut table, id) = filled();
        table.generations[0] = LAST_GENERATION;
        let last = ConnId::new(LAST_GENERATION, id.lease(), 0);
        assert!(table.remove(last).is_some());
        assert_eq!(table.insert("next").unwrap().slot(), 1);
    }

    #[test]
    fn a_slab_finds_a_value_by_its_whole_id_only() {
        let (mut table, first) = filled();
        let (mut slab, second) = (Slab::new(), table.insert("second").unwrap());
        slab.insert(second, 2);
        slab.insert(first, 1);
        assert_eq!(slab.ids(), [first, second]);
        let stale = ConnId::new(first.generation() + 1, first.lease(), first.slot());
        assert!(slab.find_mut(stale).is_none() && slab.remove(stale).is_none());
        assert_eq!([first, second].map(|id| slab.find_mut(id).copied()), [Some(1), Some(2)]);
        assert_eq!(slab.remove(first).map(|value| value.1), Some(1));
        assert_eq!(slab.ids(), [second]);
    }
}

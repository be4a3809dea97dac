//! The timers by index, in chunks, and the links of their lists.
//!
//! Chunks that run empty give their memory back, wherever they are; what stays of one is the generation from
//! which its indices count on. When the wheel is dropped, the next wheel under the same lease takes these
//! over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::id::{TimerId, LAST_GENERATION, MAX_TIMERS};
use super::rings::NONE;

const CHUNK_BITS: u32 = 8;
const CHUNK: u32 = 1 << CHUNK_BITS;
const MAX_CHUNKS: usize = (MAX_TIMERS / CHUNK) as usize;

/// Of every lease that ever had a wheel: the first generation of each chunk that the next wheel may use;
/// `None` while a wheel has the lease.
static HANDED_BACK: Mutex<BTreeMap<u16, Option<Vec<u32>>>> = Mutex::new(BTreeMap::new());

/// A timer, or what its index keeps between two.
pub(super) struct Node<T> {
    pub(super) deadline: u64,
    /// The neighbours in the list of its slot, which is circular.
    pub(super) next: u32,
    previous: u32,
    /// The ring that it is filed in, or [`NONE`].
    pub(super) ring: u32,
    /// The generation of the timer here, or of the next one if there is none.
    generation: u32,
    pub(super) value: Option<T>,
}

struct Chunk<T> {
    nodes: Vec<Node<T>>,
    /// The offsets of nodes without a timer. First in, first out, so that generations are used up evenly.
    vacant: VecDeque<u8>,
    /// The generation that nodes begin with.
    first_generation: u32,
    live: u32,
}

impl<T> Chunk<T> {
    fn new(first_generation: u32) -> Self {
        Chunk { nodes: Vec::new(), vacant: VecDeque::new(), first_generation, live: 0 }
    }

    fn has_room(&self) -> bool {
        let has_fresh = self.nodes.len() < CHUNK as usize && self.first_generation <= LAST_GENERATION;
        has_fresh || !self.vacant.is_empty()
    }

    /// Stores a value where there is room, and says at which offset.
    fn insert(&mut self, value: T) -> u32 {
        self.live += 1;
        let value = Some(value);
        if let Some(offset) = self.vacant.pop_front() {
            self.nodes[usize::from(offset)].value = value;
            return u32::from(offset);
        }
        let generation = self.first_generation;
        self.nodes.push(Node { deadline: 0, next: NONE, previous: NONE, ring: NONE, generation, value });
        self.nodes.len() as u32 - 1
    }

    /// Takes a value out; the generation moves on, or the index is retired after its last one.
    fn remove(&mut self, offset: u8) -> Option<T> {
        let node = &mut self.nodes[usize::from(offset)];
        let value = node.value.take()?;
        node.generation += 1;
        if node.generation <= LAST_GENERATION {
            self.vacant.push_back(offset);
        }
        self.live -= 1;
        Some(value)
    }

    /// The first generation that no id of this chunk has had.
    fn next_generation(&self) -> u32 {
        let next = |node: &Node<T>| node.generation + u32::from(node.value.is_some());
        self.nodes.iter().map(next).max().unwrap_or(self.first_generation)
    }
}

/// The numbers of the chunks with room.
fn with_room<T>(chunks: &[Chunk<T>]) -> BTreeSet<u32> {
    (0..).zip(chunks).filter(|(_, chunk)| chunk.has_room()).map(|(number, _)| number).collect()
}

/// Timers by index; of the chunks with room the lowest is filled first, so that the high ones run empty.
pub(super) struct Nodes<T> {
    lease: u16,
    chunks: Vec<Chunk<T>>,
    roomy: BTreeSet<u32>,
    /// The one empty chunk that keeps its memory, so that timers that come and go do not allocate.
    spare: Option<u32>,
}

impl<T> Nodes<T> {
    pub(super) fn new(lease: u16) -> Self {
        let mut handed_back = HANDED_BACK.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = handed_back.insert(lease, None);
        debug_assert!(!matches!(earlier, Some(None)), "two wheels under one lease");
        let generations = earlier.flatten().unwrap_or_default();
        let chunks: Vec<Chunk<T>> = generations.into_iter().map(Chunk::new).collect();
        Nodes { lease, roomy: with_room(&chunks), chunks, spare: None }
    }

    /// Stores a value without filing it; gives it back when every index is taken or retired.
    pub(super) fn insert(&mut self, value: T) -> Result<u32, T> {
        let Some(number) = self.chunk_with_room() else { return Err(value) };
        self.spare = self.spare.filter(|&spare| spare != number);
        let chunk = &mut self.chunks[number as usize];
        let offset = chunk.insert(value);
        if !chunk.has_room() {
            self.roomy.remove(&number);
        }
        Ok(number << CHUNK_BITS | offset)
    }

    /// Takes out a value that is not filed.
    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let number = index >> CHUNK_BITS;
        let chunk = &mut self.chunks[number as usize];
        let was_full = !chunk.has_room();
        let value = chunk.remove((index % CHUNK) as u8)?;
        if was_full && chunk.has_room() {
            self.roomy.insert(number);
        }
        if chunk.live == 0 {
            self.emptied(number);
        }
        Some(value)
    }

    /// Takes out every value and gives all memory back. The caller forgets the lists.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let mut values = Vec::new();
        for chunk in &mut self.chunks {
            let emptied = std::mem::replace(chunk, Chunk::new(chunk.next_generation()));
            values.extend(emptied.nodes.into_iter().filter_map(|node| node.value));
        }
        self.roomy = with_room(&self.chunks);
        self.spare = None;
        values
    }

    /// The index of a timer that is there.
    pub(super) fn find(&self, id: TimerId) -> Option<u32> {
        let chunk = self.chunks.get((id.index() >> CHUNK_BITS) as usize)?;
        let node = chunk.nodes.get((id.index() % CHUNK) as usize)?;
        let same = id.lease() == self.lease && id.generation() == node.generation && node.value.is_some();
        same.then(|| id.index())
    }

    pub(super) fn id(&self, index: u32) -> TimerId {
        TimerId::new(self.at(index).generation, self.lease, index)
    }

    pub(super) fn at(&self, index: u32) -> &Node<T> {
        &self.chunks[(index >> CHUNK_BITS) as usize].nodes[(index % CHUNK) as usize]
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut Node<T> {
        &mut self.chunks[(index >> CHUNK_BITS) as usize].nodes[(index % CHUNK) as usize]
    }

    /// Links a timer in at the end of the list that begins with `head`, or as a list of its own for [`NONE`].
    pub(super) fn append(&mut self, head: u32, index: u32) {
        let (next, last) = if head == NONE { (index, index) } else { (head, self.at(head).previous) };
        let node = self.at_mut(index);
        (node.next, node.previous) = (next, last);
        self.at_mut(last).next = index;
        self.at_mut(next).previous = index;
    }

    /// Takes a timer out of its list, and says which came after it: itself if it was alone.
    pub(super) fn unlink(&mut self, index: u32) -> u32 {
        let node = self.at(index);
        let (next, previous) = (node.next, node.previous);
        self.at_mut(previous).next = next;
        self.at_mut(next).previous = previous;
        next
    }

    /// The first of the earliest timers of a list.
    pub(super) fn earliest(&self, head: u32) -> u32 {
        let (mut earliest, mut index) = (head, self.at(head).next);
        while index != head {
            if self.at(index).deadline < self.at(earliest).deadline {
                earliest = index;
            }
            index = self.at(index).next;
        }
        earliest
    }

    fn chunk_with_room(&mut self) -> Option<u32> {
        if let Some(&number) = self.roomy.first() {
            return Some(number);
        }
        if self.chunks.len() == MAX_CHUNKS {
            return None;
        }
        let number = self.chunks.len() as u32;
        self.chunks.push(Chunk::new(1));
        self.roomy.insert(number);
        Some(number)
    }

    /// Of two empty chunks the higher gives its memory back.
    fn emptied(&mut self, number: u32) {
        let Some(spare) = self.spare else {
            self.spare = Some(number);
            return;
        };
        self.spare = Some(spare.min(number));
        let high = spare.max(number);
        let chunk = &mut self.chunks[high as usize];
        *chunk = Chunk::new(chunk.next_generation());
        if !chunk.has_room() {
            self.roomy.remove(&high);
        }
    }
}

impl<T> Drop for Nodes<T> {
    fn drop(&mut self) {
        let generations = self.chunks.iter().map(Chunk::next_generation).collect();
        let mut handed_back = HANDED_BACK.lock().unwrap_or_else(PoisonError::into_inner);
        handed_back.insert(self.lease, Some(generations));
    }
}

#[cfg(test)]
impl<T> Nodes<T> {
    /// The chunks that hold memory.
    pub(super) fn held(&self) -> Vec<usize> {
        let chunks = self.chunks.iter().enumerate();
        chunks.filter(|(_, chunk)| chunk.nodes.capacity() > 0).map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leases from here down, one per test, are far from those that loops take: some tests use up
    /// generations.
    const LEASE: u16 = 4095;

    #[test]
    fn memory_is_given_back_around_survivors_and_one_empty_chunk_stays() {
        let mut nodes = Nodes::new(LEASE);
        let indices: Vec<u32> = (0..20 * CHUNK).map(|value| nodes.insert(value).unwrap()).collect();
        assert_eq!(nodes.held().len(), 20);
        let survivor = indices[13 * CHUNK as usize + 7];
        for &index in indices.iter().filter(|&&index| index != survivor) {
            assert_eq!(nodes.remove(index), Some(index));
        }
        assert_eq!(nodes.held(), [0, 13]);
        assert_eq!(nodes.at(survivor).value, Some(survivor));
        let next = nodes.insert(1).unwrap();
        assert!(next < CHUNK, "the lowest chunk with room is used first");
    }

    #[test]
    fn an_index_whose_generations_are_used_up_is_retired() {
        let mut nodes = Nodes::new(LEASE - 1);
        let index = nodes.insert("last").unwrap();
        nodes.at_mut(index).generation = LAST_GENERATION;
        let last = nodes.id(index);
        assert_eq!((nodes.find(last), nodes.remove(index)), (Some(index), Some("last")));
        assert_eq!(nodes.find(last), None);
        let indices: Vec<u32> = (0..2 * CHUNK).map(|_| nodes.insert("next").unwrap()).collect();
        assert!(!indices.contains(&index));
    }

    #[test]
    fn a_chunk_whose_generations_are_used_up_is_retired() {
        let mut nodes = Nodes::new(LEASE - 2);
        let indices: Vec<u32> = (0..2 * CHUNK).map(|value| nodes.insert(value).unwrap()).collect();
        nodes.at_mut(CHUNK).generation = LAST_GENERATION;
        for index in indices {
            nodes.remove(index);
        }
        assert_eq!((nodes.held(), nodes.roomy.iter().copied().collect()), (vec![0], vec![0]));
        assert!((0..2 * CHUNK).all(|value| nodes.insert(value).unwrap() >> CHUNK_BITS != 1));
    }

    #[test]
    fn the_next_wheel_of_a_lease_counts_on_from_each_chunk() {
        let mut nodes = Nodes::new(LEASE - 3);
        let indices: Vec<u32> = (0..2 * CHUNK).map(|value| nodes.insert(value).unwrap()).collect();
        nodes.at_mut(3).generation = 41;
        nodes.remove(indices[5]);
        drop(nodes);
        let mut nodes = Nodes::new(LEASE - 3);
        let generations: Vec<u32> = nodes.chunks.iter().map(|chunk| chunk.first_generation).collect();
        assert_eq!(generations, [42, 2]);
        let index = nodes.insert(0).unwrap();
        assert_eq!(nodes.id(index).generation(), 42);
    }

    #[test]
    fn vacant_indices_take_turns() {
        let mut nodes = Nodes::new(LEASE - 5);
        let indices: Vec<u32> = (0..3).map(|value| nodes.insert(value).unwrap()).collect();
        for &index in &indices {
            nodes.remove(index);
        }
        for turn in 0..9 {
            let index = nodes.insert(turn).unwrap();
            assert_eq!(index, indices[turn as usize % 3]);
            nodes.remove(index);
        }
    }

    #[test]
    fn a_value_comes_back_when_every_index_is_taken() {
        let mut nodes = Nodes::new(LEASE - 4);
        nodes.chunks = (0..MAX_CHUNKS).map(|_| Chunk::new(LAST_GENERATION + 1)).collect();
        assert_eq!(nodes.insert("one too many"), Err("one too many"));
        nodes.chunks[77] = Chunk::new(LAST_GENERATION);
        nodes.roomy.insert(77);
        assert!((0..CHUNK).all(|_| nodes.insert("fits").is_ok()));
        assert_eq!(nodes.insert("one too many"), Err("one too many"));
    }
}

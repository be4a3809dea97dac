//! The keys and their values: a hash table in shards, each under a lock, with expiry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hashbrown::hash_table::{Entry as Place, HashTable};
use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use crate::watch::{Watch, Watchers};

/// A moment, in milliseconds since the store was made.
pub type Moment = u64;
/// The moment at which a value without a time to live expires.
pub const NEVER: Moment = u64::MAX;
/// Expired values that are removed under one lock before others have their turn.
const SWEPT_AT_ONCE: usize = 256;

/// A key and its value. Looking a value up is mostly waiting for memory, so what is short lies in the table
/// itself: an entry fills a cache line of 64 bytes.
pub struct Entry {
    /// The key, and behind it the value.
    bytes: SmallVec<[u8; 40]>,
    key_len: usize,
    expires: Moment,
}

impl Entry {
    fn new(key: &[u8], value: &[u8], expires: Moment) -> Entry {
        let mut bytes = SmallVec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        Entry { bytes, key_len: key.len(), expires }
    }

    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len]
    }

    pub fn value(&self) -> &[u8] {
        &self.bytes[self.key_len..]
    }

    pub fn expires(&self) -> Moment {
        self.expires
    }

    fn replace(&mut self, value: &[u8], expires: Moment) {
        self.expires = expires;
        match self.bytes.len() == self.key_len + value.len() {
            true => self.bytes[self.key_len..].copy_from_slice(value),
            false => *self = Entry::new(self.key(), value, expires),
        }
    }
}

#[derive(Default)]
struct Shard {
    entries: HashTable<Entry>,
    /// When something expires, and its hash; also what has been removed or changed meanwhile.
    due: BinaryHeap<Reverse<(Moment, u64)>>,
    watchers: Watchers,
}

/// All values. Used from any thread, through a [`Session`].
pub struct Store {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
    began: Instant,
}

impl Store {
    /// For so many threads: one needs a single lock, which it takes once per input.
    pub fn new(threads: usize) -> Store {
        let shards = if threads == 1 { 1 } else { 64 };
        Store {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            began: Instant::now(),
        }
    }

    pub fn session(&self) -> Session<'_> {
        Session { store: self, locks: Locks { store: self, one: None, all: Vec::new() }, now: None }
    }

    /// Removes what has expired.
    pub fn sweep(&self) {
        let now = self.now();
        for shard in &self.shards {
            while lock(shard).sweep(now) {}
        }
    }

    fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl Shard {
    /// Removes some of what has expired; says whether there may be more.
    fn sweep(&mut self, now: Moment) -> bool {
        for _ in 0..SWEPT_AT_ONCE {
            let Some(&Reverse((expires, hash))) = self.due.peek() else { return false };
            if expires > now {
                return false;
            }
            self.due.pop();
            if let Ok(found) = self.entries.find_entry(hash, |entry| entry.expires == expires) {
                self.watchers.touch(found.remove().0.key());
            }
        }
        true
    }

    fn remember(&mut self, expires: Moment, hash: u64, store: &Store) {
        if expires == NEVER {
            return;
        }
        self.due.push(Reverse((expires, hash)));
        // Values that are written again and again leave moments behind that mean nothing any more.
        if self.due.len() > 2 * self.entries.len() + 64 {
            let expiring = self.entries.iter().filter(|entry| entry.expires != NEVER);
            self.due = expiring.map(|entry| Reverse((entry.expires, store.hash(entry.key())))).collect();
        }
    }
}

/// Locks, also after a panic: entries are whole between any two statements.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locks that a session holds: none, that of one shard, or all.
struct Locks<'a> {
    store: &'a Store,
    one: Option<(usize, MutexGuard<'a, Shard>)>,
    all: Vec<MutexGuard<'a, Shard>>,
}

impl<'a> Locks<'a> {
    fn shard(&mut self, hash: u64) -> &mut Shard {
        // The table uses the highest and the lowest bits.
        let index = (hash >> 32) as usize % self.store.shards.len();
        if let Some(shard) = self.all.get_mut(index) {
            return shard;
        }
        // Whoever holds one lock must not wait for another: the filter gives it back first.
        let held = self.one.take().filter(|(held, _)| *held == index);
        let held = held.unwrap_or_else(|| (index, lock(&self.store.shards[index])));
        &mut self.one.insert(held).1
    }

    /// In the order of the shards, so that two sessions cannot wait for each other.
    fn all(&mut self) -> &mut [MutexGuard<'a, Shard>] {
        self.one = None;
        if self.all.is_empty() {
            self.all = self.store.shards.iter().map(lock).collect();
        }
        &mut self.all
    }
}

/// Access to the values while one input is handled. It holds locks: drop it soon.
pub struct Session<'a> {
    store: &'a Store,
    locks: Locks<'a>,
    now: Option<Moment>,
}

impl Session<'_> {
    /// The present, the same for the whole session.
    pub fn now(&mut self) -> Moment {
        *self.now.get_or_insert_with(|| self.store.now())
    }

    /// The moment after so many milliseconds; `None` if it is too far away.
    pub fn after(&mut self, milliseconds: u64) -> Option<Moment> {
        self.now().checked_add(milliseconds).filter(|moment| *moment <= i64::MAX as u64)
    }

    /// From here on no other session comes between, whatever the keys.
    pub fn lock_all(&mut self) {
        self.locks.all();
    }

    pub fn get(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let hash = self.store.hash(key);
        let shard = self.locks.shard(hash);
        let found = shard.entries.find_entry(hash, |entry| entry.key() == key).ok()?;
        let expires = found.get().expires;
        if expires != NEVER && expires <= *self.now.get_or_insert_with(|| self.store.now()) {
            shard.watchers.touch(found.remove().0.key());
            return None;
        }
        Some(found.into_mut())
    }

    pub fn set(&mut self, key: &[u8], value: &[u8], expires: Moment) {
        let store = self.store;
        let hash = store.hash(key);
        let shard = self.locks.shard(hash);
        shard.watchers.touch(key);
        match shard.entries.entry(hash, |entry| entry.key() == key, |entry| store.hash(entry.key())) {
            Place::Occupied(mut found) => found.get_mut().replace(value, expires),
            Place::Vacant(place) => drop(place.insert(Entry::new(key, value, expires))),
        }
        shard.remember(expires, hash, store);
    }

    /// Changes when a value expires; says whether there is one.
    pub fn expire(&mut self, key: &[u8], expires: Moment) -> bool {
        let Some(entry) = self.get(key) else { return false };
        entry.expires = expires;
        let (store, hash) = (self.store, self.store.hash(key));
        let shard = self.locks.shard(hash);
        shard.watchers.touch(key);
        shard.remember(expires, hash, store);
        true
    }

    /// Says whether there was something to remove.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        // What has expired is removed by looking.
        if self.get(key).is_none() {
            return false;
        }
        let hash = self.store.hash(key);
        let shard = self.locks.shard(hash);
        shard.watchers.touch(key);
        shard.entries.find_entry(hash, |entry| entry.key() == key).map(|found| found.remove()).is_ok()
    }

    /// Removes everything, and gives the memory back.
    pub fn clear(&mut self) {
        for shard in self.locks.all() {
            shard.entries.iter().for_each(|entry| shard.watchers.touch(entry.key()));
            (shard.entries, shard.due) = Default::default();
        }
    }

    /// Makes a client watch a key.
    pub fn watch(&mut self, key: &[u8], watch: &mut Watch) {
        // What has expired before does not change by being removed.
        self.get(key);
        let hash = self.store.hash(key);
        self.locks.shard(hash).watchers.add(key, watch);
    }

    /// Makes it watch nothing.
    pub fn unwatch(&mut self, watch: &mut Watch) {
        let watch = std::mem::take(watch);
        for key in watch.keys() {
            let hash = self.store.hash(key);
            self.locks.shard(hash).watchers.remove(key, &watch);
        }
    }

    /// Whether a watched key has changed; call `lock_all` before, for all keys at once.
    pub fn has_changed(&mut self, watch: &Watch) -> bool {
        // What has expired is removed by looking, and has changed.
        for key in watch.keys() {
            self.get(key);
        }
        watch.has_changed()
    }

    /// What has not expired in one of the parts that the values are in, from 0 on; `None` if there are fewer parts.
    pub fn part(&mut self, index: usize) -> Option<impl Iterator<Item = &Entry>> {
        let now = self.now();
        let shard = self.locks.all().get(index)?;
        Some(shard.entries.iter().filter(move |entry| entry.expires > now))
    }

    /// How much there is, counting what has expired and is not removed yet.
    pub fn len(&mut self) -> usize {
        self.locks.all().iter().map(|shard| shard.entries.len()).sum()
    }

    /// What has not expired.
    pub fn entries(&mut self) -> impl Iterator<Item = &Entry> {
        let now = self.now();
        let shards = self.locks.all().iter();
        shards.flat_map(|shard| shard.entries.iter()).filter(move |entry| entry.expires > now)
    }
}

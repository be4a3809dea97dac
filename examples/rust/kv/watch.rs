//! WATCH: the keys that clients watch, to learn in EXEC whether one has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// What one client watches.
#[derive(Default)]
pub struct Watch {
    keys: Vec<Box<[u8]>>,
    /// Set by whoever changes one of the keys, on any loop.
    changed: Arc<AtomicBool>,
}

impl Watch {
    pub fn keys(&self) -> &[Box<[u8]>] {
        &self.keys
    }

    pub fn has_changed(&self) -> bool {
        // The locks of the shards put it in order.
        self.changed.load(Ordering::Relaxed)
    }
}

/// Who watches the keys of one shard. Used under the shard's lock.
#[derive(Default)]
pub struct Watchers {
    of: HashMap<Box<[u8]>, Vec<Arc<AtomicBool>>>,
}

impl Watchers {
    /// A key is about to change, or has.
    pub fn touch(&self, key: &[u8]) {
        if self.of.is_empty() {
            return;
        }
        for changed in self.of.get(key).into_iter().flatten() {
            changed.store(true, Ordering::Relaxed);
        }
    }

    /// Once is enough for each key of a client.
    pub fn add(&mut self, key: &[u8], watch: &mut Watch) {
        let watchers = self.of.entry(key.into()).or_default();
        if !watchers.iter().any(|changed| Arc::ptr_eq(changed, &watch.changed)) {
            watchers.push(Arc::clone(&watch.changed));
            watch.keys.push(key.into());
        }
    }

    pub fn remove(&mut self, key: &[u8], watch: &Watch) {
        let Some(watchers) = self.of.get_mut(key) else { return };
        watchers.retain(|changed| !Arc::ptr_eq(changed, &watch.changed));
        if watchers.is_empty() {
            self.of.remove(key);
        }
        if self.of.is_empty() {
            self.of = HashMap::new();
        }
    }
}

//! The objects of a server's connections, from before `on_open` until `on_close`.

use std::cell::UnsafeCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use reactor_core::binding::slot_of;
use reactor_core::ConnId;

use crate::conn::Conn;

/// Slots that are kept when nothing is in them.
const KEPT: usize = 1024;

/// The objects of one loop's connections, each in the slot of its id.
#[derive(Default)]
pub(crate) struct Conns(UnsafeCell<Slots>);

#[derive(Default)]
struct Slots {
    objects: Vec<Option<Py<Conn>>>,
    taken: usize,
}

// SAFETY: the interpreter lock guards it: whoever reaches for what is inside has shown that it is held, and this module is
// declared to need it.
unsafe impl Sync for Conns {}

impl Conns {
    /// What is inside. `use_it` must not run any Python code, not even by dropping an object: that could give the lock
    /// to another thread, or call back.
    #[inline]
    fn with<T>(&self, _locked: Python<'_>, use_it: impl FnOnce(&mut Slots) -> T) -> T {
        // SAFETY: this thread holds the interpreter lock until `use_it` returns, so nobody else is in here.
        use_it(unsafe { &mut *self.0.get() })
    }

    pub(crate) fn insert(&self, conn: &Bound<'_, Conn>) {
        let slot = slot_of(conn.get().conn_id());
        let before = self.with(conn.py(), |slots| {
            if slots.objects.len() <= slot {
                slots.objects.resize_with(slot + 1, || None);
            }
            slots.taken += 1;
            slots.objects[slot].replace(conn.clone().unbind())
        });
        debug_assert!(before.is_none());
    }

    #[inline]
    pub(crate) fn get<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Conn>> {
        self.with(py, |slots| {
            let object = slots.objects.get(slot_of(id))?.as_ref()?.bind(py);
            (object.get().conn_id() == id).then(|| object.clone())
        })
    }

    pub(crate) fn remove<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Conn>> {
        self.with(py, |slots| {
            let place = slots.objects.get_mut(slot_of(id))?;
            let object = place.take_if(|object| object.get().conn_id() == id)?;
            slots.taken -= 1;
            if slots.taken == 0 && slots.objects.len() > KEPT {
                slots.objects = Vec::new();
            }
            Some(object.into_bound(py))
        })
    }

    /// Parts with all objects.
    pub(crate) fn clear(&self, py: Python<'_>) {
        let slots = self.with(py, std::mem::take);
        slots.objects.into_iter().flatten().for_each(|object| drop(object.into_bound(py)));
    }
}

/// The objects of all loops.
#[derive(Default)]
pub(crate) struct ConnsOfLoops(Mutex<Vec<Arc<Conns>>>);

impl ConnsOfLoops {
    /// The lock is taken only with the interpreter's held, so that no fork leaves it locked in a child; and never held
    /// while Python code may run.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Conns>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place for those of a further loop.
    pub(crate) fn of_new_loop(&self, _locked: Python<'_>) -> Arc<Conns> {
        let conns = Arc::default();
        self.lock().push(Arc::clone(&conns));
        conns
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Conn>> {
        self.lock().iter().find_map(|conns| conns.get(py, id))
    }
}

//! The objects of a server's connections, from before `on_open` until `on_close`.

use std::cell::UnsafeCell;
use std::collections::HashMap;
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
    /// Under asyncio, for each object: what its callbacks run in.
    scopes: Vec<Option<Py<PyAny>>>,
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
            let before = slots.objects[slot].replace(conn.clone().unbind());
            slots.taken += usize::from(before.is_none());
            before
        });
        // That of a UDP endpoint, which goes without a last event.
        before.into_iter().for_each(|object| drop(object.into_bound(conn.py())));
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
                // Those of all objects were taken before them.
                slots.scopes = Vec::new();
            }
            Some(object.into_bound(py))
        })
    }

    /// Keeps what the callbacks of a connection run in, beside its object.
    pub(crate) fn insert_scope(&self, id: ConnId, scope: Bound<'_, PyAny>) {
        let (py, slot) = (scope.py(), slot_of(id));
        let before = self.with(py, |slots| {
            if slots.scopes.len() <= slot {
                slots.scopes.resize_with(slot + 1, || None);
            }
            slots.scopes[slot].replace(scope.unbind())
        });
        before.into_iter().for_each(|scope| drop(scope.into_bound(py)));
    }

    /// What the callbacks of a connection run in, whose object is here.
    #[inline]
    pub(crate) fn scope<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, PyAny>> {
        self.with(py, |slots| Some(slots.scopes.get(slot_of(id))?.as_ref()?.bind(py).clone()))
    }

    /// The same for the last time, before the object is removed.
    pub(crate) fn remove_scope<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, PyAny>> {
        self.get(py, id)?;
        self.with(py, |slots| Some(slots.scopes.get_mut(slot_of(id))?.take()?.into_bound(py)))
    }

    /// Parts with all objects.
    pub(crate) fn clear(&self, py: Python<'_>) {
        let slots = self.with(py, std::mem::take);
        slots.scopes.into_iter().flatten().for_each(|scope| drop(scope.into_bound(py)));
        slots.objects.into_iter().flatten().for_each(|object| drop(object.into_bound(py)));
    }
}

/// The objects of all loops.
#[derive(Default)]
pub(crate) struct ConnsOfLoops {
    loops: Mutex<Vec<Arc<Conns>>>,
    expected: Mutex<Expected>,
}

/// What there is of connections of which their loops have told nothing yet.
#[derive(Default)]
struct Expected {
    objects: HashMap<ConnId, Py<Conn>>,
    /// What their objects, which nobody has made yet, will have.
    contexts: HashMap<ConnId, Py<PyAny>>,
}

/// The locks are taken only with the interpreter's held, so that no fork leaves them locked in a child; and never held
/// while Python code may run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnsOfLoops {
    /// The place for those of a further loop.
    pub(crate) fn of_new_loop(&self, _locked: Python<'_>) -> Arc<Conns> {
        let conns = Arc::default();
        lock(&self.loops).push(Arc::clone(&conns));
        conns
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Conn>> {
        let known = lock(&self.loops).iter().find_map(|conns| conns.get(py, id));
        known.or_else(|| self.expected(py, id))
    }

    /// The object that was made for a connection before its loop told anything.
    pub(crate) fn expected<'py>(&self, py: Python<'py>, id: ConnId) -> Option<Bound<'py, Conn>> {
        lock(&self.expected).objects.get(&id).map(|object| object.bind(py).clone())
    }

    /// Keeps the context of a connection whose object is still to be made.
    pub(crate) fn expect_context(&self, id: ConnId, context: Bound<'_, PyAny>) {
        lock(&self.expected).contexts.insert(id, context.unbind());
    }

    /// The same for the object that has been made.
    pub(crate) fn take_context(&self, id: ConnId) -> Option<Py<PyAny>> {
        let mut expected = lock(&self.expected);
        // Of most connections nobody expects anything.
        (!expected.contexts.is_empty()).then(|| expected.contexts.remove(&id)).flatten()
    }

    /// Keeps the object of a connection until its loop tells something of it, which cannot be before the interpreter's lock
    /// is given up.
    pub(crate) fn expect(&self, conn: &Bound<'_, Conn>) {
        let before = lock(&self.expected).objects.insert(conn.get().conn_id(), conn.clone().unbind());
        before.into_iter().for_each(|object| drop(object.into_bound(conn.py())));
    }

    /// Its loop has told something of a connection, or never will: it keeps the object itself.
    pub(crate) fn expect_no_more(&self, py: Python<'_>, id: ConnId) {
        let object = {
            let mut expected = lock(&self.expected);
            (!expected.objects.is_empty()).then(|| expected.objects.remove(&id)).flatten()
        };
        object.into_iter().for_each(|object| drop(object.into_bound(py)));
    }

    /// No loop runs any more: nothing is to be expected.
    pub(crate) fn forget_expected(&self, py: Python<'_>) {
        let Expected { objects, contexts } = std::mem::take(&mut *lock(&self.expected));
        objects.into_values().for_each(|object| drop(object.into_bound(py)));
        contexts.into_values().for_each(|context| drop(context.into_bound(py)));
    }
}

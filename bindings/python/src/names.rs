//! Names of commands, of which there are few, and which come again and again.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Names that are kept. It is a power of two.
const KEPT: usize = 64;
/// Bytes of one.
const LONGEST: usize = 8;

/// The objects of names that came last: one that comes again is the same object, which knows its hash already. A name that
/// nobody has heard of takes the place of one that is known, and no more.
#[derive(Default)]
pub(crate) struct Names(RefCell<Vec<Option<Name>>>);

struct Name {
    key: (u64, usize),
    object: Py<PyBytes>,
}

impl Names {
    /// The object of a name.
    #[inline]
    pub(crate) fn object<'py>(&self, py: Python<'py>, name: &[u8]) -> Bound<'py, PyBytes> {
        let Some(key) = key(name) else { return PyBytes::new(py, name) };
        let names = self.0.borrow();
        match names.get(place(key)) {
            Some(Some(known)) if known.key == key => known.object.bind(py).clone(),
            _ => {
                drop(names);
                self.keep(key, PyBytes::new(py, name))
            }
        }
    }

    #[inline(never)]
    fn keep<'py>(&self, key: (u64, usize), object: Bound<'py, PyBytes>) -> Bound<'py, PyBytes> {
        let names = &mut *self.0.borrow_mut();
        names.resize_with(KEPT, || None);
        let before = names[place(key)].replace(Name { key, object: object.clone().unbind() });
        // Within the lock. No code of Python's runs when bytes go.
        before.into_iter().for_each(|name| drop(name.object.into_bound(object.py())));
        object
    }

    /// Parts with all of them.
    pub(crate) fn clear(&self, py: Python<'_>) {
        self.0.take().into_iter().flatten().for_each(|name| drop(name.object.into_bound(py)));
    }
}

/// All bytes of a name, some of them twice, and how many there are; `None` for one that is not kept.
#[inline(always)]
fn key(name: &[u8]) -> Option<(u64, usize)> {
    let len = name.len();
    if len > LONGEST {
        return None;
    }
    let word = match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => match *name {
            [] => return None,
            [first, ..] => u64::from(first) | u64::from(name[len / 2]) << 8 | u64::from(name[len - 1]) << 16,
        },
    };
    Some((word, len))
}

/// Where in the table a name is looked for.
#[inline(always)]
fn place((word, len): (u64, usize)) -> usize {
    let mixed = (word ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - KEPT.trailing_zeros())) as usize
}

//! The arguments of the command that a handler is being given.

use std::cell::RefCell;
use std::rc::Rc;

use crate::framing::Place;

/// Places whose memory is kept for the next command.
const KEPT: usize = 1024;

/// Where the arguments of the command stand that is being delivered; empty otherwise. One for all connections of a loop, so
/// that a command costs no memory of its own.
#[derive(Default)]
pub(crate) struct ArgumentTable(RefCell<Rc<Vec<Place>>>);

impl ArgumentTable {
    /// Has it filled. None of the user's functions may run meanwhile.
    #[inline]
    pub(crate) fn fill<T>(&self, fill: impl FnOnce(&mut Vec<Place>) -> T) -> T {
        let table = &mut *self.0.borrow_mut();
        let places = match Rc::get_mut(table) {
            Some(places) => places,
            // Somebody has forgotten to let go of an earlier command's.
            None => Rc::make_mut(table),
        };
        fill(places)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    #[inline]
    pub(crate) fn get(&self) -> Rc<Vec<Place>> {
        Rc::clone(&self.0.borrow())
    }

    /// The command was delivered. The memory of one with very many arguments is given back.
    #[inline]
    pub(crate) fn clear(&self) {
        self.fill(|places| {
            places.clear();
            if places.capacity() > KEPT {
                *places = Vec::new();
            }
        });
    }
}

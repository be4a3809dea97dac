//! The arguments of a command, as `on_data` sees them.

use std::ops::Index;
use std::rc::Rc;

use crate::framing::Place;

/// The arguments of a command: see [`Conn::arguments`](crate::Conn::arguments). The first is the command's name.
#[derive(Clone, Debug)]
pub struct Arguments<'a> {
    data: &'a [u8],
    places: Rc<Vec<Place>>,
}

impl<'a> Arguments<'a> {
    #[inline]
    pub(crate) fn new(data: &'a [u8], places: Rc<Vec<Place>>) -> Self {
        Arguments { data, places }
    }

    /// How many there are; 0 of what is no command.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it is no command: one has at least its name.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The argument at an index; `None` if there are not as many.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.places.get(index).map(|place| self.at(*place))
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + '_ {
        self.places.iter().map(|place| self.at(*place))
    }

    /// Where they stand in the data.
    #[must_use]
    #[inline]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Nothing of other data than the command's, if there is less of it.
    #[inline]
    fn at(&self, place: Place) -> &'a [u8] {
        self.data.get(place.offset..place.offset + place.len).unwrap_or_default()
    }
}

impl Index<usize> for Arguments<'_> {
    type Output = [u8];

    /// # Panics
    /// If there are not as many.
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(self.places[index])
    }
}

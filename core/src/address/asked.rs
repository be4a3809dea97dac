//! All that a URL and the options beside it ask for, and what an option needs of the member that it sets.

use std::time::Duration;

use super::{DialOptions, ListenOptions};
use crate::contract::options::ConnOptions;

/// The options of an address, of whatever kind. What it is for knows some of them only.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Also what outgoing connections have in common with listeners.
    pub(super) listen: ListenOptions,
    pub(super) conns: ConnOptions,
    /// What only outgoing connections have.
    pub(super) dial: DialOptions,
}

/// A member that an option sets: it has a default, which means that nothing was asked.
pub(super) trait Member {
    fn is_given(&self) -> bool;
    fn forget(&mut self);
}

impl<T> Member for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }

    fn forget(&mut self) {
        *self = None;
    }
}

impl<T> Member for Vec<T> {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }

    fn forget(&mut self) {
        self.clear();
    }
}

/// Members whose default is nothing: zero, or no.
macro_rules! plain {
    ($($Type:ty)+) => {
        $(impl Member for $Type {
            fn is_given(&self) -> bool {
                *self != Self::default()
            }

            fn forget(&mut self) {
                *self = Self::default();
            }
        })+
    };
}

plain!(bool u32 usize Duration);

//! Options that are given one by one, by their rows: for bindings whose calls take them by name.

use super::asked::Asked;
use super::{ListenOptions, OptionRow};
use crate::contract::options::ConnOptions;
use crate::framing::Framing;

/// Options of a listener or of an outgoing connection. They are checked where they are used.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub(super) asked: Asked,
}

impl Terms {
    /// Sets an option from text, as it would stand in a query; `None` if that does not have the option's form. One that
    /// can be given several times is added.
    pub fn set(&mut self, row: &OptionRow, text: &str) -> Option<()> {
        (row.set)(&mut self.asked, text)
    }

    /// Sets the framing, which may be a function of the user's.
    pub fn set_framing(&mut self, framing: Option<Framing>) {
        self.asked.conns.framing = framing;
    }

    /// The options of a listener.
    #[must_use]
    pub fn listener(&self) -> &ListenOptions {
        &self.asked.listen
    }

    /// What connections begin with.
    #[must_use]
    pub fn conns(&self) -> &ConnOptions {
        &self.asked.conns
    }
}

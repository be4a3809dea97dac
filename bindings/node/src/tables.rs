//! The engine's tables: what the JavaScript layer makes of them, and what the tests compare it with.

use napi_derive::napi;
use reactor_core::binding::{OptionRow, OPTIONS};
use reactor_core::{Action, Config};

use crate::failure::Failure;
use crate::listening::{camel, framing, Term};

/// An option of listeners or connections.
#[napi(object)]
pub struct NativeOption {
    /// The name in the query of a URL: `rcvbuf`.
    pub name: String,
    /// The name among a call's options: `recvBuffer`.
    pub member: String,
    /// What stands behind the name in a query: `N`.
    pub form: String,
    /// What that stands for.
    pub value: String,
    /// Whether listeners have it.
    pub listens: bool,
    /// Whether outgoing connections have it.
    pub connects: bool,
    /// Whether it is what every stream begins with.
    pub conns: bool,
}

/// Every option of listeners and connections.
#[napi]
pub fn options() -> Vec<NativeOption> {
    OPTIONS.iter().map(NativeOption::from).collect()
}

impl From<&OptionRow> for NativeOption {
    fn from(row: &OptionRow) -> Self {
        NativeOption {
            name: row.name.to_owned(),
            member: camel(row.member),
            form: row.form.to_owned(),
            value: row.value.to_owned(),
            listens: row.is_of_listeners(),
            connects: row.is_of_connects(),
            conns: row.is_of_conns(),
        }
    }
}

/// The name of every option that a server of the engine has.
#[napi]
pub fn server_options() -> Vec<String> {
    Config::NAMES.iter().map(|name| (*name).to_owned()).collect()
}

/// The name of every action, at the place of its number.
#[napi]
pub fn actions() -> Vec<String> {
    Action::ALL.iter().map(|action| action.name().to_owned()).collect()
}

/// Why a framing, as it stands in a query, is none.
#[napi]
pub fn check_framing(text: String) -> Option<Failure> {
    framing(Term::new("framing", &text)).err().map(Failure::from)
}

//! The engine's tables, with which the tests compare what this package says of itself.

use napi_derive::napi;
use reactor_core::binding::OPTIONS;
use reactor_core::{Action, Config};

/// An option of a listener's URL.
#[napi(object)]
pub struct ListenOption {
    /// The name: `backlog`.
    pub name: String,
    /// What stands behind it: `N`.
    pub form: String,
}

/// Every option that a URL to listen at can have.
#[napi]
pub fn listen_options() -> Vec<ListenOption> {
    let rows = OPTIONS.iter().filter(|row| row.is_of_listeners());
    rows.map(|row| ListenOption { name: row.name.to_owned(), form: row.form.to_owned() }).collect()
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

//! How user code is called: one vocabulary of events, and the carriers that bring them to a language.

pub(crate) mod event;
pub(crate) mod handler;
pub(crate) mod inline;
pub mod log;
pub(crate) mod receiver;

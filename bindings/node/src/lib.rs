//! The Node addon: what `lib/` of the package calls. Programs use the package, not this.
//!
//! Calls that can fail return a [`failure::Failure`] instead of throwing, so that the JavaScript layer makes
//! its own error class of it, with its own stack.

mod channel;
pub mod conns;
pub mod detached;
mod entry;
pub mod failure;
pub mod hand_over;
mod inline;
pub mod listening;
pub mod measure;
pub mod metrics;
pub mod options;
pub mod outgoing;
pub mod plain;
pub mod relief;
pub mod remote;
pub mod server;
pub mod tables;
mod teardown;
mod told;
mod uv;

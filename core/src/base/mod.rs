//! What the engine is made of below any connection: errors, panics, notices, ids and what they stand for, limits, timers. Pure.

pub(crate) mod budget;
pub(crate) mod conn_id;
pub(crate) mod datagram;
pub(crate) mod engine_thread;
pub(crate) mod error;
pub(crate) mod limits;
pub(crate) mod millis;
pub(crate) mod notice;
pub(crate) mod numbered;
pub(crate) mod panics;
pub(crate) mod slab;
pub(crate) mod text;
pub(crate) mod timer;

//! What any thread may touch: the server, its listeners, the mailboxes of its loops.

pub(crate) mod accept_box;
pub(crate) mod forgotten;
pub(crate) mod handle;
pub(crate) mod holders;
pub(crate) mod listeners;
pub(crate) mod loops;
pub(crate) mod mailbox;
pub(crate) mod seed;
pub(crate) mod server;

//! What a loop is made of before it has a thread.

use std::io;
use std::sync::Arc;

use crate::base::error::{Error, Result};
use crate::shared::mailbox::Mailbox;
use crate::sys::poller::Poller;

/// The token of a thread's waker in its poller; connection ids are never so small, and listeners count from 1.
pub(crate) const WAKER: u64 = 0;

pub(crate) struct Seed {
    pub(crate) poller: Poller,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Seed {
    pub(crate) fn new() -> Result<Self> {
        let mailbox = Mailbox::new()?;
        let poller = || -> io::Result<Poller> {
            let poller = Poller::new()?;
            poller.add_level(mailbox.waker(), WAKER)?;
            Ok(poller)
        };
        let poller = poller().map_err(|error| Error::system("open an event loop", &error))?;
        Ok(Seed { poller, mailbox: Arc::new(mailbox) })
    }
}

//! How other threads reach the thread that accepts for several loops.

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;

use crate::base::error::{Error, Result};
use crate::contract::metrics::LoopMetrics;
use crate::contract::options::ListenerId;
use crate::listen::arrival::{Accepted, Placement};
use crate::shared::seed::WAKER;
use crate::sys::poller::Poller;
use crate::sys::waker::Waker;

/// What the accepting thread is asked for.
pub(crate) enum AcceptCommand {
    Listen(Placement),
    /// Whoever waits for that learns it when the other part is dropped.
    Close(ListenerId, Option<Sender<Infallible>>),
    /// Connections of a listener that is closed, which nobody has admitted yet.
    LetIn(Vec<Accepted>),
}

/// How other threads reach the accepting thread.
pub(crate) struct AcceptBox {
    pub(crate) poller: Poller,
    waker: Waker,
    pub(crate) metrics: LoopMetrics,
    /// `None` once the thread takes no more.
    commands: Mutex<Option<Vec<AcceptCommand>>>,
    /// The thread has dealt the last connection.
    done: AtomicBool,
}

impl AcceptBox {
    pub(crate) fn new() -> Result<Self> {
        let resources = || -> io::Result<(Poller, Waker)> {
            let (poller, waker) = (Poller::new()?, Waker::new()?);
            poller.add_level(waker.as_fd(), WAKER)?;
            Ok((poller, waker))
        };
        let (poller, waker) = resources().map_err(|error| Error::system("start accepting", &error))?;
        let commands = Mutex::new(Some(Vec::new()));
        Ok(AcceptBox {
            poller,
            waker,
            metrics: LoopMetrics::default(),
            commands,
            done: AtomicBool::new(false),
        })
    }

    /// Asks the thread for something; when it has ended, nobody does it: a listener is closed, connections are reset.
    pub(crate) fn send(&self, command: AcceptCommand) {
        match &mut *self.lock() {
            Some(commands) => commands.push(command),
            None => return,
        }
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<AcceptCommand>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no further connection will be dealt.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// The thread has dealt the last connection.
    pub(crate) fn set_done(&self) {
        self.done.store(true, Ordering::SeqCst);
    }

    pub(crate) fn drain_waker(&self) {
        self.waker.drain();
    }

    /// Lets the thread look at the server's state. Async-signal-safe.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn take(&self) -> Vec<AcceptCommand> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The thread ends: what is left to do, and nothing more is taken.
    pub(crate) fn end(&self) -> Vec<AcceptCommand> {
        self.lock().take().unwrap_or_default()
    }
}

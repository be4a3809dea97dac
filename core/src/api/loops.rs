//! Calls on loops, and the way to a connection's own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::timer::TimerId;
use crate::conn::request::Request;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::Command;
use crate::shared::mailbox::{no_detach_error, Mailbox};

/// Loops.
impl Handle {
    /// Runs a function on a loop, counted from 0. A function that panics is reported.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a loop that there is not;
    /// [`WrongState`](crate::ErrorKind::WrongState) before the start and after the loop's end.
    pub fn run_on(&self, on_loop: usize, run: impl FnOnce(&Handle) + Send + 'static) -> Result<()> {
        let mailbox = self.shared.mailbox_at(on_loop)?;
        let takes = mailbox.send(Command::Run(Box::new(run)));
        let ended = || Error::new(ErrorKind::WrongState, "cannot run a function: the loop has ended");
        takes.then_some(()).ok_or_else(ended)
    }

    /// The index of the loop that runs on the calling thread, if it is one of this server's.
    #[must_use]
    pub fn current_loop(&self) -> Option<usize> {
        self.mailboxes().iter().position(|mailbox| LoopState::current(mailbox).is_some())
    }

    /// Calls a function on the calling loop after `delay`, and again after each `repeat` if it is not zero.
    /// Both to the millisecond, rounded up, and counted from the time of the turn, which is read once when the turn
    /// begins. One that panics is reported. From elsewhere, use
    /// [`run_on`](Self::run_on).
    ///
    /// # Errors
    /// [`WrongThread`](crate::ErrorKind::WrongThread) on a thread that is no loop of this server;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) beyond 16,777,216 timers on one loop.
    pub fn start_timer(
        &self,
        delay: Duration,
        repeat: Duration,
        call: impl FnMut(&Handle) + 'static,
    ) -> Result<TimerId> {
        self.current_state("start a timer")?.start_loop_timer(delay, repeat, Box::new(call))
    }

    /// Ends a timer of the calling loop's; says whether there was one to end.
    ///
    /// # Errors
    /// [`WrongThread`](crate::ErrorKind::WrongThread) on a thread that is no loop of this server.
    pub fn cancel_timer(&self, timer: TimerId) -> Result<bool> {
        Ok(self.current_state("cancel a timer")?.cancel_timer(timer))
    }

    pub(crate) fn current_state(&self, call: &str) -> Result<Rc<LoopState>> {
        let current = self.mailboxes().iter().find_map(|mailbox| LoopState::current(mailbox));
        current.ok_or_else(|| {
            let why = "the calling thread is no loop of this server; callbacks are called on one";
            let message = format!("cannot {call}: {why}");
            Error::new(ErrorKind::WrongThread, message)
        })
    }
}

/// The way to the loop of a connection.
impl Handle {
    /// Makes a call that runs no user code on the loop of a connection, if that is this thread's.
    #[inline]
    pub(crate) fn with_own_loop<T>(&self, id: ConnId, call: impl FnOnce(&LoopState) -> T) -> Option<T> {
        let mailbox = self.shared.mailbox_of(id.lease())?;
        mailbox.here.with(|state| state.is_of_this_process().then(|| call(state)))?
    }

    pub(crate) fn request(&self, id: ConnId, request: Request) -> Result<()> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => state.request(id, request),
            None if matches!(request, Request::Detach) && !self.shared.carries.detach => {
                mailbox.shared(id).and(Err(no_detach_error(id)))
            }
            None => mailbox.request(id, request),
        }
    }

    /// Makes a call where the connection lives: on its loop if that runs on this thread, or else through its
    /// mailbox.
    pub(crate) fn route<T>(
        &self,
        id: ConnId,
        own: impl FnOnce(&LoopState) -> Result<T>,
        remote: impl FnOnce(&Arc<Mailbox>) -> Result<T>,
    ) -> Result<T> {
        let mailbox = self.mailbox(id)?;
        match LoopState::current(mailbox) {
            Some(state) => own(&state),
            None => remote(mailbox),
        }
    }
}

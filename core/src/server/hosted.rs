//! A server of one loop without a thread of its own: its host polls one descriptor and lets it turn.

mod between;
mod starting;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::base::panics::{catch, report};
use crate::delivery::receiver::Delivery;
use crate::event_loop::EventLoop;
use crate::server::Server;
use crate::shared::handle::Handle;
use crate::shared::seed::Seed;
use crate::shared::server::Phase;
use crate::sys::poller::TimerDescriptor;

/// The token of the host's timer in the loop's poller; connection ids are never so small, and listeners count
/// from 1.
const TIMER: u64 = u32::MAX as u64;

/// A server that its host drives; made by [`Server::start_hosted`]. It stays on the thread that made it, and all
/// callbacks come in [`turn`](Self::turn). Dropping it stops the server and closes everything.
pub struct Hosted {
    server: Handle,
    delivery: Arc<dyn Delivery>,
    event_loop: EventLoop,
    timer: TimerDescriptor,
    life: Life,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// `on_start` is owed.
    New,
    /// It was called, and the loop has not begun.
    Started,
    Going,
    Over,
}

impl Hosted {
    /// The first turn need not call it.
    pub(crate) fn on_start_was_called(&mut self) {
        self.life = Life::Started;
    }

    /// What makes the descriptor readable when a timer is due.
    pub(crate) fn timer() -> Result<TimerDescriptor> {
        TimerDescriptor::new().map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => Error::new(
                crate::ErrorKind::Unsupported,
                "make a loop for a host: poll(2), which waits here, has no descriptor that a host could poll",
            ),
            _ => Error::system("make a loop for a host", &error),
        })
    }

    /// Registers the timer with the one loop.
    pub(crate) fn prepare(timer: &TimerDescriptor, seeds: &[Seed]) -> Result<()> {
        let added = seeds.iter().try_for_each(|seed| seed.poller.add_level(timer.as_fd(), TIMER));
        added.map_err(|error| Error::system("make a loop for a host", &error))
    }

    pub(crate) fn new(
        server: Handle,
        delivery: Arc<dyn Delivery>,
        seed: Seed,
        timer: TimerDescriptor,
    ) -> Hosted {
        // The first turn has something to do: on_start.
        seed.mailbox.signal();
        let event_loop = EventLoop::new(seed, 0, server.clone(), &*delivery, true);
        server.shared.set_hosted();
        event_loop.state().set_hosted_here();
        Hosted { server, delivery, event_loop, timer, life: Life::New }
    }

    /// The descriptor to poll: it is readable whenever [`turn`](Self::turn) has something to do, timers and
    /// postponed work included. A host may wait for its level, or for its edges and then call one turn for each. It
    /// stays the same, and is closed with this.
    #[must_use]
    pub fn poll_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    /// Handles what is ready, waiting for something at most `timeout`; `None` waits for ever. The first turn calls
    /// `on_start`. Says whether the server goes on: `Ok(false)` in the turn that calls `on_stop`, and from then
    /// on.
    ///
    /// # Errors
    /// [`Stopped`](crate::ErrorKind::Stopped) and [`HandlerFailed`](crate::ErrorKind::HandlerFailed) if `on_start`
    /// refuses the start or fails it: the server has ended then, without `on_stop`;
    /// [`WrongState`](crate::ErrorKind::WrongState) in a callback of this server, or in a forked child.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<bool> {
        if self.life == Life::Over {
            return Ok(false);
        }
        self.expect_here()?;
        if matches!(self.life, Life::New | Life::Started) {
            self.begin()?;
        }
        self.guard(|hosted| {
            if !hosted.server.shared.is_ending() {
                hosted.event_loop.turn_or_stop(timeout);
            }
        });
        // A callback may have forked.
        self.expect_here()?;
        if self.server.shared.is_ending() {
            self.finish(true);
            self.expect_here()?;
            return Ok(false);
        }
        self.arm();
        Ok(true)
    }

    /// Runs a part in which there are callbacks. One that ends its thread, the host's, stops the server, and the thread goes on:
    /// then the answer is `false`.
    fn guard(&mut self, part: impl FnOnce(&mut Self)) -> bool {
        // Here, and not below, where it would be lost.
        let state = Rc::clone(self.event_loop.state());
        state.survives(|| part(self))
    }

    fn expect_here(&self) -> Result<()> {
        if !self.server.shared.is_started_here() {
            let message = "cannot turn: the server was started before the fork, and runs in the parent";
            return Err(Error::new(crate::ErrorKind::WrongState, message));
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let mut started = Err(Error::new(
            crate::ErrorKind::HandlerFailed,
            "on_start failed: a callback ended its thread, which goes on",
        ));
        self.guard(|hosted| started = hosted.start());
        self.expect_here()?;
        if started.is_err() {
            self.server.stop();
            self.finish(false);
            return started;
        }
        self.life = Life::Going;
        self.event_loop.start_ticking();
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        // The loop takes its sockets in first: on_start may use them, and ask for what has a deadline.
        self.server.shared.place_listeners(Phase::Hosted);
        self.event_loop.prepare();
        self.expect_here()?;
        match self.life {
            Life::Started => Ok(()),
            _ => Server::call_on_start_of(&self.server, &*self.delivery),
        }
    }

    fn finish(&mut self, started: bool) {
        self.life = Life::Over;
        // What is not done when it happens again stays undone.
        let _ = self.guard(|hosted| hosted.event_loop.finish_or_report())
            || self.guard(|hosted| hosted.event_loop.finish_or_report());
        if started && self.server.shared.is_started_here() {
            self.guard(|hosted| {
                if let Err(panic) = catch(|| hosted.delivery.on_stop(&hosted.server)) {
                    report(format_args!("on_stop panicked: {panic}"));
                }
            });
        }
        if !self.server.shared.is_started_here() {
            // A child that was forked in one of these callbacks: all that is left is the parent's.
            return;
        }
        self.server.shared.close_unplaced_listeners();
        self.server.shared.resolver.close();
        self.server.shared.has_ended();
        self.timer.disarm();
    }

    /// Makes the descriptor readable when there is work, or when it will be due.
    fn arm(&mut self) {
        let due = self.event_loop.timeout();
        match due {
            // What is left keeps the descriptor readable, but is no news to a host that waits for edges.
            _ if self.event_loop.has_more_events() => self.event_loop.state().mailbox().signal(),
            None => self.timer.disarm(),
            Some(Duration::ZERO) => self.event_loop.state().mailbox().signal(),
            Some(due) => self.timer.arm(due),
        }
    }
}

impl AsFd for Hosted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.descriptor_of(&self.event_loop.state().poller)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        // In a forked child the connections are the parent's.
        if self.life != Life::Over && self.server.shared.is_started_here() {
            let started = self.life != Life::New;
            self.server.stop();
            self.finish(started);
        }
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted").field("poll_fd", &self.poll_fd()).finish_non_exhaustive()
    }
}

// Over poll(2) nobody can make one.
#[cfg(test)]
#[cfg(not(reactor_poller = "poll"))]
mod tests;

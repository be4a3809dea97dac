//! Outgoing connections on their way: names looked up, and addresses tried side by side. The first that connects wins, and
//! the others are closed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockAddr;

use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::base::millis::deadline;
use crate::base::panics::debug;
use crate::conn::stream::entry::StreamEntry;
use crate::contract::action::Closed;
use crate::dial::{Found, ATTEMPT_DELAY};
use crate::loop_state::{Alarm, LoopState};
use crate::shared::mailbox::command::Command;
use crate::sys::poller::Poller;
use crate::sys::socket;

/// An address that was tried: what came of the socket, and whether it is connected already.
type Started = (SockAddr, io::Result<(OwnedFd, bool)>);

impl EventLoop {
    pub(super) fn look_up(&mut self, id: ConnId, name: String) {
        let mailbox = Arc::clone(self.state.mailbox());
        let done = move |found: Found| {
            mailbox.send(Command::Resolved(id, found));
        };
        match self.state.server().shared.resolver.submit(name, Box::new(done)) {
            Ok(look_up) => {
                let conns = &mut *self.state.conns.borrow_mut();
                if let Some(dial) = conns.slab.stream_mut(id).and_then(StreamEntry::dial) {
                    dial.look_up = Some(look_up);
                }
            }
            Err(error) => self.resolved(id, Err(Arc::new(error))),
        }
    }

    /// A name's addresses are known, or that there are none.
    pub(super) fn resolved(&mut self, id: ConnId, found: Found) {
        if let Err(error) = &found {
            debug(format_args!("connection {id}: cannot look the name up: {error}"));
        }
        {
            let conns = &mut *self.state.conns.borrow_mut();
            if let Some(dial) = conns.slab.stream_mut(id).and_then(StreamEntry::dial) {
                dial.resolved(found);
            }
        }
        self.try_next(id);
    }

    /// Begins to connect to the next address. If there is none left, and none that may still answer, the connection has
    /// failed.
    pub(super) fn try_next(&mut self, id: ConnId) {
        while let Some((address, started)) = self.start_next(id) {
            let begun = match started {
                Ok((socket, true)) => self.attach(id, socket).map(|()| true),
                Ok((socket, false)) => self.begin_attempt(id, socket).map(|()| false),
                Err(error) if address.is_unix() && error.kind() == io::ErrorKind::WouldBlock => {
                    return self.try_again_later(id, address);
                }
                Err(error) => Err(error),
            };
            match begun {
                Ok(true) => return self.connected(id),
                Ok(false) => return,
                Err(error) => self.note_failure(id, &error),
            }
        }
        self.give_up_if_over(id);
    }

    /// Tries the next address, if there is one.
    fn start_next(&self, id: ConnId) -> Option<Started> {
        let conns = &mut *self.state.conns.borrow_mut();
        let dial = conns.slab.stream_mut(id).filter(|entry| entry.machine.is_opening())?.dial()?;
        let udp = dial.is_udp();
        let (address, options) = dial.next_address()?;
        let started = socket::connect_start(&address, udp, options);
        Some((address, started))
    }

    /// An address has yet to answer. If it has not done so soon, the next is tried beside it.
    fn begin_attempt(&mut self, id: ConnId, socket: OwnedFd) -> io::Result<()> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return Ok(()) };
        let Some(dial) = entry.dial() else { return Ok(()) };
        self.state.metrics().other_calls.add(1);
        self.state.poller.add(socket.as_fd(), id.to_u64())?;
        dial.attempts.push(socket);
        let more = dial.has_next().then_some(ATTEMPT_DELAY);
        self.state.set_attempt(id, entry, more);
        Ok(())
    }

    fn try_again_later(&self, id: ConnId, address: SockAddr) {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return };
        let pause = entry.dial().map(|dial| dial.try_again(address));
        self.state.set_attempt(id, entry, pause);
    }

    fn note_failure(&self, id: ConnId, error: &io::Error) {
        let conns = &mut *self.state.conns.borrow_mut();
        let dial = conns.slab.stream_mut(id).and_then(StreamEntry::dial);
        dial.into_iter().for_each(|dial| dial.failed(error.raw_os_error().unwrap_or(0)));
    }

    fn give_up_if_over(&self, id: ConnId) {
        let errno = {
            let conns = &mut *self.state.conns.borrow_mut();
            let opening = conns.slab.stream_mut(id).filter(|entry| entry.machine.is_opening());
            let Some(dial) = opening.and_then(StreamEntry::dial) else { return };
            if dial.has_next() || !dial.attempts.is_empty() {
                return;
            }
            dial.errno()
        };
        self.end_opening(id, Closed::connect_failed(errno));
    }

    /// The next address is due, unless one that was tried before has answered while the loop was busy: that is reported.
    pub(super) fn attempt_due(&mut self, id: ConnId) {
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(dial) = conns.slab.stream_mut(id).and_then(StreamEntry::dial) else { return };
            dial.timer = None;
            if is_answered(&dial.attempts) {
                return;
            }
        }
        self.try_next(id);
    }

    /// Looks after the outgoing connections of which the poller reported something.
    pub(super) fn finish_dialling(&mut self) {
        if self.dialled.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.dialled) {
            let mut failed = false;
            while let Some(answer) = self.take_answer(id) {
                match answer {
                    Ok(()) => self.connected(id),
                    Err(error) => {
                        self.note_failure(id, &error);
                        failed = true;
                    }
                }
            }
            if failed {
                self.try_next(id);
            }
        }
    }

    /// How an attempt has ended, of which one has: the connection has its socket then, or is rid of it.
    fn take_answer(&self, id: ConnId) -> Option<io::Result<()>> {
        let conns = &mut *self.state.conns.borrow_mut();
        let entry = conns.slab.stream_mut(id).filter(|entry| entry.machine.is_opening())?;
        let dial = entry.dial()?;
        let (place, answer) = first_answer(&dial.attempts, &self.state.poller)?;
        let socket = dial.attempts.remove(place);
        Some(match answer {
            Ok(()) => {
                entry.machine.shared.set_descriptor(Some(entry.wire.adopt(socket)));
                Ok(())
            }
            Err(error) => {
                self.state.poller.forget(socket.as_fd());
                dial.left(socket::local_address(socket.as_fd()).ok());
                Err(error)
            }
        })
    }

    /// The connection has its socket: what else was tried is given up.
    fn connected(&mut self, id: ConnId) {
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id) else { return };
            self.state.set_attempt(id, entry, None);
            close_attempts(entry, &self.state.poller);
        }
        self.established(id);
    }
}

/// The first attempt that has ended, and how. Those that have not are reported when they have.
fn first_answer(attempts: &[OwnedFd], poller: &Poller) -> Option<(usize, io::Result<()>)> {
    attempts.iter().enumerate().find_map(|(place, socket)| {
        let answer = socket::connect_state(socket.as_fd()).transpose();
        if answer.is_none() {
            poller.rearm_read(socket.as_fd());
            poller.rearm_write(socket.as_fd());
        }
        Some((place, answer?))
    })
}

/// Whether an address has answered, in one way or the other.
pub(super) fn is_answered(attempts: &[OwnedFd]) -> bool {
    attempts.iter().any(|socket| socket::readiness(socket.as_fd()).1)
}

/// Gives up what is being tried.
pub(super) fn close_attempts(entry: &mut StreamEntry, poller: &Poller) {
    let attempts = entry.dial().map(|dial| std::mem::take(&mut dial.attempts));
    for socket in attempts.into_iter().flatten() {
        poller.forget(socket.as_fd());
        // A forked child may have a copy.
        socket::close(socket);
    }
}

impl LoopState {
    /// Files when the next address is tried, instead of what was filed before.
    fn set_attempt(&self, id: ConnId, entry: &mut StreamEntry, after: Option<Duration>) {
        let Some(dial) = entry.dial() else { return };
        let mut timers = self.timers.borrow_mut();
        dial.timer.take().into_iter().for_each(|timer| drop(timers.cancel(timer)));
        // Without an id for a timer there are 16 million of them: the next one is tried when this one fails.
        dial.timer =
            after.and_then(|after| timers.insert(deadline(self.moment(), after), Alarm::Attempt(id)).ok());
    }
}

//! The way in: what must happen before `on_open`, with its deadline, and `on_open` itself. Accepted, outgoing and enrolled
//! connections all come by it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::dialling::is_answered;
use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::base::millis::deadline;
use crate::conn::entry::Entry;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::machine::Machine;
use crate::conn::stream::opening::{Opening, Source};
use crate::conn::stream::wire::Wire;
use crate::contract::action::{CloseReason, Closed};
use crate::contract::options::ConnOptions;
use crate::delivery::event::Event;
use crate::framing::Framer;
use crate::loop_state::{Alarm, LoopState};

/// How a connection came to the engine.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Accepted,
    Connected,
    Enrolled,
}

impl EventLoop {
    /// Begins a connection that another thread asked for, or goes on with one of this thread's.
    pub(super) fn begin_opening(&mut self, id: ConnId, mut opening: Box<Opening>) {
        self.state.begin(id, &mut opening);
        let given = {
            let conns = &mut *self.state.conns.borrow_mut();
            let entry = conns.slab.stream_mut(id).filter(|entry| entry.machine.is_opening());
            // Closed meanwhile, if it is not there.
            let Some(entry) = entry else { return };
            let given = match &mut opening.source {
                Source::Given(socket) => Ok(socket.take()),
                Source::Dial(dial) => Err(dial.take_name()),
            };
            entry.extra().opening = Some(opening);
            given
        };
        match given {
            Ok(socket) => socket.into_iter().for_each(|socket| self.take_given(id, socket)),
            Err(Some(name)) => self.look_up(id, name),
            Err(None) => self.try_next(id),
        }
    }

    /// A descriptor of the user's is connected already.
    fn take_given(&mut self, id: ConnId, socket: OwnedFd) {
        match self.attach(id, socket) {
            Ok(()) => self.established(id),
            Err(error) => self.end_opening(id, Closed::connect_failed(error.raw_os_error())),
        }
    }

    pub(super) fn end_opening(&self, id: ConnId, closed: Closed) {
        let conns = &mut *self.state.conns.borrow_mut();
        if let Some(entry) = conns.slab.stream_mut(id) {
            entry.end_now(closed, &mut conns.pool);
        }
        conns.mark_dirty(id);
    }

    /// Gives an entry its socket and registers it with the poller.
    pub(super) fn attach(&mut self, id: ConnId, socket: OwnedFd) -> io::Result<()> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return Ok(()) };
        self.state.metrics().other_calls.add(1);
        let descriptor = entry.wire.attach(socket, id.to_u64(), &self.state.poller)?;
        entry.machine.shared.set_descriptor(Some(descriptor));
        Ok(())
    }

    /// The socket is connected. Nothing else has to happen before `on_open` yet: what will (a PROXY header, a handshake)
    /// belongs here, under the same deadline.
    pub(super) fn established(&mut self, id: ConnId) {
        let opening = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id) else { return };
            let Some(opening) = entry.extra().opening.take() else { return };
            if entry.machine.shared.known_peer().is_none() {
                entry.wire.peer().into_iter().for_each(|peer| entry.machine.shared.note_peer(peer));
            }
            opening
        };
        match &opening.source {
            Source::Dial(dial) if dial.is_udp() => self.open_connected_datagram(id),
            Source::Dial(_) => self.opened(id, &opening.options, Way::Connected),
            Source::Given(_) => self.opened(id, &opening.options, Way::Enrolled),
        }
    }

    /// The end of every way in: the connection is ready for the application, which is told. What its socket was found
    /// ready for until now is remembered, so that no edge is lost.
    pub(super) fn opened(&mut self, id: ConnId, options: &ConnOptions, way: Way) {
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id) else { return };
            entry.machine.opened();
            self.state.end_deadline(entry);
            entry.timing().into_iter().for_each(|timing| timing.restart(self.state.moment()));
            self.state.equip(id, entry, options);
            conns.mark_dirty(id);
            conns.line_up(id);
        }
        let metrics = self.state.metrics();
        match way {
            Way::Accepted => metrics.accepted.add(1),
            Way::Connected => metrics.connected.add(1),
            Way::Enrolled => metrics.enrolled.add(1),
        }
        self.tell(id, |receiver, conn| receiver.event(Event::Open(conn)));
    }

    /// Connecting or lingering took too long, or a closing connection's peer takes nothing.
    pub(super) fn deadline_over(&mut self, id: ConnId) {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return };
        entry.clocks().deadline = None;
        if entry.machine.is_opening() {
            if entry.dial().is_some_and(|dial| is_answered(&dial.attempts)) {
                // While the loop was busy: the poller reports it.
                return self.state.set_deadline(id, entry, Duration::ZERO);
            }
            entry.end_now(Closed::by(CloseReason::TimedOut), &mut conns.pool);
        } else if let Some((_, closed)) = entry.machine.stalled(self.state.config()) {
            // Unless it has taken something meanwhile: then it is given as long once more.
            if entry.sent_and_held() == entry.clocks().sent_then {
                entry.end_now(closed, &mut conns.pool);
            }
        } else if entry.machine.linger_over() {
            self.state.metrics().linger_expired.add(1);
        }
        conns.mark_dirty(id);
    }
}

impl LoopState {
    /// Makes the entry of an outgoing or enrolled connection, unless it is there already, and files its time-out.
    pub(crate) fn begin(&self, id: ConnId, opening: &mut Opening) {
        let conns = &mut *self.conns.borrow_mut();
        // Its id is new, so if it is not there it has not begun: or is over, and then so is its registration.
        if conns.slab.find_mut(id).is_some() || !self.mailbox().knows(id) {
            return;
        }
        let Opening { shared, unix, options, context, timeout, .. } = opening;
        let mut entry =
            StreamEntry::new(Wire::new(*unix), Machine::new(Arc::clone(shared), options.half_open));
        drop(entry.set_context(context.take()));
        if *timeout != Duration::MAX {
            self.set_deadline(id, &mut entry, *timeout);
        }
        conns.slab.insert(id, Entry::Stream(entry));
    }

    /// Files the end of connecting, of lingering, or of waiting for a peer that takes nothing, instead of one that was filed before.
    pub(crate) fn set_deadline(&self, id: ConnId, entry: &mut StreamEntry, after: Duration) {
        self.end_deadline(entry);
        entry.clocks().deadline =
            self.timers.borrow_mut().insert(deadline(self.moment(), after), Alarm::Deadline(id)).ok();
    }

    fn end_deadline(&self, entry: &mut StreamEntry) {
        let deadline = if entry.has_deadline() { entry.clocks().deadline.take() } else { None };
        deadline.into_iter().for_each(|timer| drop(self.timers.borrow_mut().cancel(timer)));
    }

    /// Gives a connection what its options ask for.
    pub(crate) fn equip(&self, id: ConnId, entry: &mut StreamEntry, options: &ConnOptions) {
        // Another framing may have been asked for before an outgoing connection was made.
        if entry.framer.is_none() {
            entry.framer = entry.machine.shared.framing().map(Framer::new).map(Box::new);
        }
        if !entry.machine.has_chosen_timeouts() {
            self.set_timeouts(id, entry, options.timeouts);
        }
    }
}

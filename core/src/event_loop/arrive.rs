//! Connections that come in: accepted, made, or given to the engine.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::EventLoop;
use crate::address::Address;
use crate::base::conn_id::ConnId;
use crate::base::millis::deadline;
use crate::base::panics::{debug, report};
use crate::conn::shared::{ConnKind, ConnShared};
use crate::conn::stream::entry::Entry;
use crate::conn::stream::machine::Machine;
use crate::conn::stream::opening::{Opening, Source};
use crate::contract::action::{CloseReason, Closed};
use crate::contract::options::ConnOptions;
use crate::delivery::event::Event;
use crate::framing::Framer;
use crate::listen::arrival::Accepted;
use crate::loop_state::{Alarm, LoopState};
use crate::shared::mailbox::command::Command;
use crate::sys::socket;

impl EventLoop {
    /// Takes an accepted connection in and tells the handler.
    pub(super) fn open(&mut self, accepted: Accepted) {
        match self.register(accepted) {
            Ok(id) => {
                self.refusing = false;
                self.state.metrics().accepted.add(1);
                self.tell(id, |receiver, conn| receiver.event(Event::Open(conn)));
            }
            // Peers can repeat this: it is reported once an outage.
            Err(error) if !std::mem::replace(&mut self.refusing, true) => {
                report(format_args!("new connections are refused: {error}"));
            }
            Err(_) => {}
        }
    }

    fn register(&mut self, accepted: Accepted) -> io::Result<ConnId> {
        let Accepted { socket, origin, peer, admission } = accepted;
        let (listener, now) = (origin.listener.to_u32(), self.state.now.get());
        let shared = ConnShared::new(ConnKind::Stream, listener, now, peer);
        shared.set_descriptor(Some(socket.as_raw_fd()));
        if let Some(framing) = &origin.framing {
            shared.set_framing(Some(Arc::clone(framing)));
        }
        let machine = Machine::new(Arc::clone(&shared), origin.unix, origin.options.half_open);
        let id = self.state.mailbox().register(Arc::clone(&shared));
        let id = id.ok_or_else(|| io::Error::other("the loop's ids are used up"))?;
        if let Err(error) = self.state.poll_stream(socket.as_fd(), id, origin.unix) {
            self.state.mailbox().forget(id);
            return Err(error);
        }
        let mut entry = Entry::new(Some(socket), machine);
        entry.admission = admission.map(Box::new);
        self.state.equip(id, &mut entry, &origin.options);
        self.state.conns.borrow_mut().slab.insert(id, entry);
        Ok(id)
    }

    /// Begins a connection that another thread asked for, or goes on with one of this thread's.
    pub(super) fn begin_opening(&mut self, id: ConnId, mut opening: Box<Opening>) {
        self.state.begin(id, &mut opening);
        let given = {
            let conns = &mut *self.state.conns.borrow_mut();
            let entry = conns.slab.get_mut(id).filter(|entry| entry.machine.is_connecting());
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

    fn end_opening(&self, id: ConnId, closed: Closed) {
        let conns = &mut *self.state.conns.borrow_mut();
        if let Some(entry) = conns.slab.get_mut(id) {
            entry.end_now(closed, &mut conns.pool);
        }
        conns.mark_dirty(id);
    }

    fn look_up(&mut self, id: ConnId, name: String) {
        let mailbox = Arc::clone(self.state.mailbox());
        let done = move |found: io::Result<Vec<IpAddr>>| {
            mailbox.send(Command::Resolved(id, found));
        };
        if let Err(error) = self.state.server().shared.resolver.submit(name, Box::new(done)) {
            self.resolved(id, Err(error));
        }
    }

    /// A name's addresses are known, or that there are none.
    pub(super) fn resolved(&mut self, id: ConnId, found: io::Result<Vec<IpAddr>>) {
        if let Err(error) = &found {
            debug(format_args!("connection {id}: cannot look the name up: {error}"));
        }
        {
            let conns = &mut *self.state.conns.borrow_mut();
            if let Some(dial) = conns.slab.get_mut(id).and_then(Entry::dial) {
                dial.resolved(found);
            }
        }
        self.try_next(id);
    }

    /// Connects to the next address, or gives up.
    fn try_next(&mut self, id: ConnId) {
        while let Some(started) = self.start_next(id) {
            match started.and_then(|(socket, made)| self.attach(id, socket).map(|()| made)) {
                Ok(true) => return self.established(id),
                Ok(false) => return,
                Err(error) => self.note_failure(id, error.raw_os_error().unwrap_or(0)),
            }
        }
    }

    /// Begins to connect to the next address: the socket, and whether it is connected already. Without an address it
    /// ends the connection.
    fn start_next(&self, id: ConnId) -> Option<io::Result<(OwnedFd, bool)>> {
        let tried = {
            let conns = &mut *self.state.conns.borrow_mut();
            let entry = conns.slab.get_mut(id).filter(|entry| entry.machine.is_connecting())?;
            let dial = entry.dial()?;
            let (udp, errno) = (dial.is_udp(), dial.errno());
            let next = dial.next_address();
            next.map(|(address, options)| socket::connect_start(&address, udp, options)).ok_or(errno)
        };
        match tried {
            Ok(started) => Some(started),
            Err(errno) => {
                self.end_opening(id, Closed::connect_failed(errno));
                None
            }
        }
    }

    /// Gives an entry its socket and registers it with the poller.
    fn attach(&mut self, id: ConnId, socket: OwnedFd) -> io::Result<()> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.get_mut(id) else { return Ok(()) };
        self.state.poll_stream(socket.as_fd(), id, entry.machine.is_unix())?;
        entry.machine.shared.set_descriptor(Some(socket.as_raw_fd()));
        entry.socket = Some(socket);
        Ok(())
    }

    fn note_failure(&mut self, id: ConnId, errno: i32) {
        // By-id calls on the descriptor must not meet it closed.
        self.state.mailbox().forget_descriptor(id);
        if let Some(entry) = self.state.conns.borrow_mut().slab.get_mut(id) {
            self.state.close_socket(entry);
            entry.dial().into_iter().for_each(|dial| dial.failed(errno));
        }
    }

    /// Looks after the outgoing connections of which the poller reported something.
    pub(super) fn finish_dialling(&mut self) {
        if self.dialled.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.dialled) {
            let state = {
                let conns = &mut *self.state.conns.borrow_mut();
                let entry = conns.slab.get_mut(id).filter(|entry| entry.machine.is_connecting());
                entry
                    .and_then(|entry| entry.socket.as_ref())
                    .map(|socket| self.state.connect_state(socket.as_fd()))
            };
            match state {
                None | Some(Ok(None)) => {}
                Some(Ok(Some(()))) => self.established(id),
                Some(Err(error)) => {
                    self.note_failure(id, error.raw_os_error().unwrap_or(0));
                    self.try_next(id);
                }
            }
        }
    }

    /// The connection is made: from here on it is like any other.
    fn established(&mut self, id: ConnId) {
        let datagrams = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.get_mut(id) else { return };
            let Some(extra) = entry.extra.as_mut() else { return };
            let deadline = extra.deadline.take();
            deadline.into_iter().for_each(|timer| drop(self.state.timers.borrow_mut().cancel(timer)));
            let Some(opening) = extra.opening.take() else { return };
            let datagrams = matches!(&opening.source, Source::Dial(dial) if dial.is_udp());
            if entry.machine.shared.peer().is_none() {
                let peer = entry.socket.as_ref().map(|socket| socket::peer_address(socket.as_fd()));
                if let Some(Ok(Address::Inet(peer))) = peer {
                    entry.machine.shared.set_peer(peer);
                }
            }
            if !datagrams {
                self.begin_service(id, entry, &opening);
                conns.mark_dirty(id);
                conns.line_up(id);
            }
            datagrams
        };
        match datagrams {
            true => self.open_connected_datagram(id),
            false => self.tell(id, |receiver, conn| receiver.event(Event::Open(conn))),
        }
    }

    /// A connection that was made or given to the engine becomes like any other.
    fn begin_service(&self, id: ConnId, entry: &mut Entry, opening: &Opening) {
        entry.machine.connected();
        // No edge is lost: what is ready already is found by trying.
        entry.machine.ready(true, true, false);
        entry.timing().into_iter().for_each(|timing| timing.restart(self.state.moment()));
        self.state.equip(id, entry, &opening.options);
        let metrics = self.state.metrics();
        match opening.source {
            Source::Dial(_) => metrics.connected.add(1),
            Source::Given(_) => metrics.enrolled.add(1),
        }
    }

    /// Connecting or lingering took too long.
    pub(super) fn deadline_over(&mut self, id: ConnId) {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.get_mut(id) else { return };
        entry.extra().deadline = None;
        if entry.machine.is_connecting() {
            if entry.is_answered() {
                // While the loop was busy: the poller reports it.
                return self.state.set_deadline(id, entry, Duration::ZERO);
            }
            entry.end_now(Closed::by(CloseReason::TimedOut), &mut conns.pool);
        } else if let Some(closed) = entry.machine.flushes_a_fault() {
            // Unless it has taken something meanwhile: then it is given as long once more.
            if entry.sent_and_held() == entry.extra().sent_then {
                entry.end_now(closed, &mut conns.pool);
            }
        } else if entry.machine.linger_over() {
            self.state.metrics().linger_expired.add(1);
        }
        conns.mark_dirty(id);
    }
}

impl LoopState {
    /// Registers a stream with the poller. Room in a Unix socket is asked for while output waits, by the end of a turn;
    /// not to learn how connecting ended, which such a socket does at once or not at all, connect(2).
    fn poll_stream(&self, socket: BorrowedFd<'_>, id: ConnId, unix: bool) -> io::Result<()> {
        self.metrics().other_calls.add(1);
        match unix {
            true => self.poller.add_readable(socket, id.to_u64()),
            false => self.poller.add(socket, id.to_u64()),
        }
    }

    /// Makes the entry of an outgoing or enrolled connection, unless it is there already, and files its time-out.
    pub(crate) fn begin(&self, id: ConnId, opening: &mut Opening) {
        let conns = &mut *self.conns.borrow_mut();
        // Its id is new, so if it is not there it has not begun: or is over, and then so is its registration.
        if conns.slab.get_mut(id).is_some() || !self.mailbox().knows(id) {
            return;
        }
        let Opening { shared, unix, options, context, timeout, .. } = opening;
        let mut entry = Entry::new(None, Machine::connecting(Arc::clone(shared), *unix, options.half_open));
        entry.context = context.take();
        if *timeout != Duration::MAX {
            self.set_deadline(id, &mut entry, *timeout);
        }
        conns.slab.insert(id, entry);
    }

    /// Files the end of connecting or lingering, instead of one that was filed before.
    pub(crate) fn set_deadline(&self, id: ConnId, entry: &mut Entry, after: Duration) {
        let mut timers = self.timers.borrow_mut();
        let before = entry.extra().deadline.take();
        before.into_iter().for_each(|timer| drop(timers.cancel(timer)));
        entry.extra().deadline = timers.insert(deadline(self.moment(), after), Alarm::Deadline(id)).ok();
    }

    /// Gives a connection what its options ask for.
    pub(crate) fn equip(&self, id: ConnId, entry: &mut Entry, options: &ConnOptions) {
        // Another framing may have been asked for before an outgoing connection was made.
        if entry.framer.is_none() {
            entry.framer = entry.machine.shared.framing().map(Framer::new).map(Box::new);
        }
        if !entry.has_timing() {
            self.set_timeouts(id, entry, options.timeouts);
        }
    }
}

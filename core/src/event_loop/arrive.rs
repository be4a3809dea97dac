//! Connections that were accepted: taken in, and opened at once.

use std::io;
use std::sync::Arc;

use super::acceptor::Door;
use super::opening::Way;
use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::base::notice::{tell, Kind};
use crate::conn::entry::Entry;
use crate::conn::shared::{ConnKind, ConnShared};
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::machine::Machine;
use crate::conn::stream::wire::Wire;
use crate::listen::arrival::Accepted;

impl EventLoop {
    /// Gives a connection whose listener was closed its place, if there is one.
    pub(super) fn let_in(&mut self, mut accepted: Accepted) {
        let state = &self.state;
        let admissions = &state.server().shared.admissions;
        let door = Door { admissions, metrics: state.metrics(), poller: &state.poller };
        if door.let_in(&mut accepted) {
            return self.arrivals.push(accepted);
        }
        state.mailbox().took_in();
        // A graceful stop may have waited for it.
        state.server().shared.connection_ended();
    }

    /// Takes an accepted connection in and opens it. `took_in` is called in between: from then on it counts as the
    /// loop's.
    pub(super) fn open(&mut self, accepted: Accepted, took_in: impl FnOnce(&Self)) {
        let origin = Arc::clone(&accepted.origin);
        let taken_in = self.take_in(accepted);
        took_in(self);
        if taken_in.is_err() {
            // A graceful stop may have waited for it.
            self.state.server().shared.connection_ended();
        }
        match taken_in {
            Ok(id) => {
                self.refusing = false;
                self.opened(id, &origin.options, Way::Accepted);
            }
            // Peers can repeat this: it is reported once an outage.
            Err(error) if !std::mem::replace(&mut self.refusing, true) => {
                tell(Kind::Shortage, format_args!("new connections are refused: {error}"));
            }
            Err(_) => {}
        }
    }

    fn take_in(&mut self, accepted: Accepted) -> io::Result<ConnId> {
        let Accepted { mut socket, origin, peer, admission } = accepted;
        let socket = socket.take().ok_or_else(|| io::Error::other("the connection was closed before"))?;
        let (listener, now) = (origin.listener.to_u32(), self.state.now.get());
        let shared = ConnShared::new(ConnKind::Stream, listener, now, None);
        shared.note_peer(peer);
        if let Some(framing) = &origin.framing {
            shared.set_framing(Some(Arc::clone(framing)));
        }
        let id = self.state.mailbox().register(Arc::clone(&shared));
        let id = id.ok_or_else(|| io::Error::other("the loop's ids are used up"))?;
        let machine = Machine::new(Arc::clone(&shared), origin.options.half_open);
        let mut entry = StreamEntry::new(Wire::new(origin.unix), machine);
        if admission.is_some() {
            entry.extra().admission = admission;
        }
        self.state.metrics().other_calls.add(1);
        match entry.wire.attach(socket, id.to_u64(), &self.state.poller) {
            Ok(descriptor) => shared.set_descriptor(Some(descriptor)),
            Err(error) => {
                self.state.mailbox().forget(id);
                return Err(error);
            }
        }
        self.state.conns.borrow_mut().slab.insert(id, Entry::Stream(entry));
        Ok(id)
    }
}

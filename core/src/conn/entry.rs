//! What a loop holds for a connection, whatever it is.

use std::sync::Arc;

use crate::base::conn_id::ConnId;
use crate::base::slab::Slab;
use crate::conn::datagram::entry::UdpEntry;
use crate::conn::shared::ConnShared;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::machine::Due;
use crate::contract::options::Context;

/// A connection as its loop holds it.
pub(crate) enum Entry {
    Stream(StreamEntry),
    /// Boxed: there are few, and they are large.
    Udp(Box<UdpEntry>),
}

impl Entry {
    pub(crate) fn shared(&self) -> &Arc<ConnShared> {
        match self {
            Entry::Stream(stream) => &stream.machine.shared,
            Entry::Udp(udp) => &udp.shared,
        }
    }

    /// Keeps another context from now on, and gives back the one before.
    pub(crate) fn set_context(&mut self, context: Option<Context>) -> Option<Context> {
        match self {
            Entry::Stream(stream) => stream.set_context(context),
            Entry::Udp(udp) => std::mem::replace(&mut udp.context, context),
        }
    }

    /// Whether it stands in the list of what changed.
    pub(crate) fn in_dirty(&mut self) -> &mut bool {
        match self {
            Entry::Stream(stream) => &mut stream.in_dirty,
            Entry::Udp(udp) => &mut udp.in_dirty,
        }
    }

    /// Takes one of the callbacks that it is owed apart from input.
    pub(crate) fn take_due(&mut self) -> Option<Due> {
        match self {
            Entry::Stream(stream) => stream.machine.take_due(stream.backlog),
            Entry::Udp(udp) => udp.take_due(),
        }
    }

    /// Whether output waits to be sent.
    pub(crate) fn has_output(&self) -> bool {
        match self {
            Entry::Stream(stream) => !stream.machine.out().is_empty(),
            Entry::Udp(udp) => udp.endpoint.queued_bytes() > 0,
        }
    }

    pub(crate) fn stream(&mut self) -> Option<&mut StreamEntry> {
        match self {
            Entry::Stream(stream) => Some(stream),
            Entry::Udp(_) => None,
        }
    }
}

impl Slab<Entry> {
    /// For whatever may have to be done. A stream does not flow any more, until it is found at rest.
    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Entry> {
        let entry = self.find_mut(id)?;
        entry.stream().into_iter().for_each(|stream| stream.interrupt());
        Some(entry)
    }

    /// The same, if it is a stream.
    pub(crate) fn stream_mut(&mut self, id: ConnId) -> Option<&mut StreamEntry> {
        let stream = self.peek_stream(id)?;
        stream.interrupt();
        Some(stream)
    }

    /// A stream, for what has no bearing on whether it flows.
    #[inline]
    pub(crate) fn peek_stream(&mut self, id: ConnId) -> Option<&mut StreamEntry> {
        self.find_mut(id)?.stream()
    }

    /// A stream that flows: for the usual.
    #[inline]
    pub(crate) fn flowing(&mut self, id: ConnId) -> Option<&mut StreamEntry> {
        self.peek_stream(id).filter(|stream| stream.flows())
    }

    /// The same without time-outs: for the usual that has to tell nobody of it.
    #[inline]
    pub(crate) fn flowing_plainly(&mut self, id: ConnId) -> Option<&mut StreamEntry> {
        self.peek_stream(id).filter(|stream| stream.flows_plainly())
    }

    pub(crate) fn udp_mut(&mut self, id: ConnId) -> Option<&mut UdpEntry> {
        match self.find_mut(id)? {
            Entry::Udp(udp) => Some(udp),
            Entry::Stream(_) => None,
        }
    }

    /// The ids of all UDP sockets, in the order of their slots.
    pub(crate) fn udp_ids(&mut self) -> Vec<ConnId> {
        self.iter_mut().filter(|(_, entry)| matches!(entry, Entry::Udp(_))).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::IdTable;
    use crate::conn::datagram::endpoint::Endpoint;
    use crate::conn::shared::ConnKind;
    use crate::conn::stream::machine::Machine;
    use crate::conn::stream::wire::Wire;

    fn stream() -> Entry {
        let machine = Machine::new(ConnShared::new(ConnKind::Stream, 1, 0, None), false);
        let mut stream = StreamEntry::new(Wire::new(false), machine);
        stream.machine.opened();
        Entry::Stream(stream)
    }

    fn udp() -> Entry {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::new(socket.into(), 1024).unwrap();
        Entry::Udp(Box::new(UdpEntry::new(endpoint, ConnShared::new(ConnKind::Endpoint, 1, 0, None), None)))
    }

    #[test]
    fn a_stream_flows_until_somebody_may_change_it() {
        let (mut ids, mut slab) = (IdTable::new().unwrap(), Slab::new());
        let id = ids.insert(()).unwrap();
        slab.insert(id, stream());
        type Look = fn(&mut Slab<Entry>, ConnId) -> bool;
        let cases: [(Look, bool); 4] = [
            (|slab, id| slab.find_mut(id).is_some(), true),
            (|slab, id| slab.peek_stream(id).is_some(), true),
            (|slab, id| slab.stream_mut(id).is_some(), false),
            (|slab, id| slab.get_mut(id).is_some(), false),
        ];
        for (look, flows) in cases {
            slab.peek_stream(id).unwrap().rest();
            assert!(slab.flowing(id).is_some() && look(&mut slab, id));
            assert_eq!(slab.flowing(id).is_some(), flows);
        }
    }

    #[test]
    fn an_id_finds_what_it_is_of_and_nothing_else() {
        let (mut ids, mut slab) = (IdTable::new().unwrap(), Slab::new());
        let [a, b] = [(); 2].map(|()| ids.insert(()).unwrap());
        slab.insert(a, stream());
        slab.insert(b, udp());
        let found = [a, b].map(|id| (slab.stream_mut(id).is_some(), slab.udp_mut(id).is_some()));
        assert_eq!(found, [(true, false), (false, true)]);
        assert!(slab.peek_stream(b).is_none() && slab.flowing(b).is_none());
        assert_eq!(slab.udp_ids(), [b]);
        assert!(slab.find_mut(b).is_some_and(|entry| entry.take_due().is_none() && !entry.has_output()));
    }
}

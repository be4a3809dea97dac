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

//! The connections of a loop, and the lists of what is to be done with them.

use std::collections::VecDeque;

use crate::base::conn_id::ConnId;
use crate::base::slab::Slab;
use crate::conn::entry::Entry;
use crate::conn::stream::entry::Ends;
use crate::conn::stream::machine::Reading;
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::{Completed, Completion};

/// Connections that change in a usual turn: there is room for them from the start.
const USUAL_DIRTY: usize = 64;

/// The connections and what is to be done with them.
pub(crate) struct Conns {
    pub(crate) slab: Slab<Entry>,
    /// The connection whose last callback runs: it has left the slab, so that its slot may be used again.
    pub(crate) leaving: Option<Box<(ConnId, Entry)>>,
    /// The addresses that it had.
    pub(crate) left: Ends,
    pub(crate) pool: BlockPool,
    /// Connections with input for the handler, or with a callback that is due; served in turn.
    pub(crate) ready: VecDeque<ConnId>,
    /// Connections with input that nobody wants any more. It goes on when the handler takes no more.
    pub(crate) discard: VecDeque<ConnId>,
    /// Connections that changed: to flush, half-close, close or resume at the end of the turn.
    pub(crate) dirty: Vec<ConnId>,
    /// Completions to be called.
    pub(crate) done: Vec<(Completion, Completed)>,
}

impl Conns {
    /// Those of a server that may hold so many bytes.
    pub(crate) fn new(byte_budget: usize) -> Self {
        Conns {
            slab: Slab::new(),
            leaving: None,
            left: Ends::default(),
            pool: BlockPool::under(byte_budget),
            ready: VecDeque::new(),
            discard: VecDeque::new(),
            dirty: Vec::with_capacity(USUAL_DIRTY),
            done: Vec::new(),
        }
    }

    /// The connection, also while its last callback runs, for what has no bearing on how it is served.
    pub(crate) fn peek_or_leaving(&mut self, id: ConnId) -> Option<&mut Entry> {
        let leaving = self.leaving.as_deref_mut().filter(|leaving| leaving.0 == id);
        match leaving {
            Some(leaving) => Some(&mut leaving.1),
            None => self.slab.find_mut(id),
        }
    }

    /// The addresses that the connection had whose last callback runs, if it is this one.
    pub(crate) fn ends_left(&self, id: ConnId) -> Option<&Ends> {
        self.leaving.as_deref().filter(|leaving| leaving.0 == id).map(|_| &self.left)
    }

    pub(crate) fn mark_dirty(&mut self, id: ConnId) {
        let Some(entry) = self.slab.get_mut(id) else { return };
        if !std::mem::replace(entry.in_dirty(), true) {
            self.dirty.push(id);
        }
    }

    /// Puts a connection in line if it has something to be served.
    pub(crate) fn line_up(&mut self, id: ConnId) {
        let (stands, line) = match self.slab.get_mut(id) {
            Some(Entry::Stream(stream)) if stream.machine.wants_service(stream.backlog) => {
                match stream.machine.reading() {
                    Reading::Discard => (&mut stream.in_discard, &mut self.discard),
                    _ => (&mut stream.in_ready, &mut self.ready),
                }
            }
            Some(Entry::Udp(udp)) if udp.wants_service() => (&mut udp.in_ready, &mut self.ready),
            _ => return,
        };
        if !std::mem::replace(stands, true) {
            line.push_back(id);
        }
    }
}

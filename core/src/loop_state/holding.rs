//! What the loop's connections hold, told to the server, and given back where that is too much.

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::{CloseReason, Closed};
use crate::shared::holders::Holding;

/// Bytes that a loop may hold more than it has told of, within a turn.
const UNTOLD: isize = 256 << 10;

impl LoopState {
    /// What a connection holds may have changed.
    #[inline]
    pub(crate) fn note_held(&self, id: ConnId, entry: &mut StreamEntry, pool: &mut BlockPool) {
        let held = entry.memory();
        if entry.holds || held > 0 {
            self.note_holding(id, entry, held, pool);
        }
    }

    #[inline(never)]
    fn note_holding(&self, id: ConnId, entry: &mut StreamEntry, held: usize, pool: &mut BlockPool) {
        // First: somebody else would have to give back what this one has given back already.
        self.tell_change(pool);
        entry.holds = held > 0;
        let (shared, now) = (&entry.machine.shared, self.now.get());
        let moved = shared.received().wrapping_add(shared.sent());
        let age = now.saturating_sub(shared.opened_at());
        let holding = Holding { held, input: entry.input_held(), moved, age };
        self.mailbox().holders.note(id, holding, now, &self.server().shared.budget);
    }

    /// Tells the server how many more or fewer bytes this loop holds than it told before.
    #[inline]
    fn tell_change(&self, pool: &mut BlockPool) {
        if pool.change != 0 {
            self.server().shared.budget.change(std::mem::take(&mut pool.change));
        }
    }

    /// The same; and above the budget those who hold too much of it are closed.
    #[inline]
    pub(crate) fn publish(&self) {
        self.tell_change(&mut self.conns.borrow_mut().pool);
        if self.server().shared.budget.is_exceeded() {
            self.relieve();
        }
    }

    /// The same within a turn, if much has come: many connections can bring a lot in one.
    #[inline]
    pub(crate) fn publish_much(&self) {
        if self.conns.borrow().pool.change >= UNTOLD {
            self.publish();
        }
    }

    /// Has those closed who hold too much: its own connections at once.
    #[inline(never)]
    fn relieve(&self) {
        let own = self.server().shared.relieve(Some(self.mailbox().lease()));
        own.into_iter().for_each(|id| self.evict(id));
    }

    /// Closes a connection that was chosen for what it holds, unless it has let go of it meanwhile.
    pub(crate) fn evict(&self, id: ConnId) {
        if !self.mailbox().holders.is_condemned(id) {
            return;
        }
        let conns = &mut *self.conns.borrow_mut();
        if let Some(entry) = conns.slab.stream_mut(id) {
            entry.end_now(Closed::by(CloseReason::Overflow), &mut conns.pool);
            drop(entry.take_carry(&mut conns.pool));
            self.note_held(id, entry, &mut conns.pool);
        }
        conns.mark_dirty(id);
    }
}

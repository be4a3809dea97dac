//! For receivers that hand input over: connections wait for the answer, and carry what is left of their input.

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::CloseReason;
use crate::framing::{Framer, Framing};

impl LoopState {
    pub(crate) fn hold(&self, id: ConnId) {
        let conns = &mut *self.conns.borrow_mut();
        if let Some(entry) = conns.slab.stream_mut(id) {
            entry.machine.hold();
            // What it carried may have been handed over.
            self.note_held(id, entry, &mut conns.pool);
        } else if let Some(udp) = conns.slab.udp_mut(id) {
            udp.awaits_answer = true;
        }
    }

    /// Leaves unconsumed input with the connection; too much of what the handler keeps is an error.
    pub(crate) fn carry(&self, id: ConnId, bytes: Vec<u8>) {
        self.set_carry(id, bytes);
        // At once: many connections can bring a lot in one turn.
        self.publish();
    }

    /// What of so much spare memory the budget has room for behind `held` bytes: nobody is closed for what holds nothing.
    pub(crate) fn within_budget(&self, held: usize, spare: usize) -> usize {
        let budget = &self.server().shared.budget;
        let others = budget.held().saturating_add_signed(self.conns.borrow().pool.change);
        spare.min(budget.limit().saturating_sub(others.saturating_add(held)))
    }

    fn set_carry(&self, id: ConnId, bytes: Vec<u8>) {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return };
        if entry.framer.is_none() && !entry.backlog && bytes.len() > Framing::DEFAULT_MAX_FRAME {
            entry.machine.close(CloseReason::Protocol, &mut conns.pool);
            return conns.mark_dirty(id);
        }
        entry.set_carry(bytes, &mut conns.pool);
        self.note_held(id, entry, &mut conns.pool);
        if entry.check_end(&mut conns.pool) {
            conns.mark_dirty(id);
        }
    }

    /// The same for input that was handed over, and comes back when the connection may have a framing.
    pub(crate) fn keep_handed_over(&self, id: ConnId, bytes: &[u8]) {
        let carried = {
            let conns = &mut *self.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id).filter(|entry| takes_back(entry)) else { return };
            entry.backlog |= entry.framer.is_some() && !bytes.is_empty();
            entry.take_carry(&mut conns.pool)
        };
        self.carry(id, [&carried, bytes].concat());
    }

    /// Input that was handed over comes again, in front of what is carried, and is looked at with new eyes; if nothing cuts it, `soon`
    /// or when there is more. What is cut comes frame by frame at first, and then more and more at once.
    pub(crate) fn take_back(&self, id: ConnId, bytes: &[u8], soon: bool) {
        // A framing that is replaced may have a function of the user's: it is dropped when nothing is borrowed.
        let (carried, _replaced) = {
            let conns = &mut *self.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id).filter(|entry| takes_back(entry)) else { return };
            let framer = entry.machine.shared.framing().map(Framer::new).map(Box::new);
            let replaced = std::mem::replace(&mut entry.framer, framer);
            entry.backlog |= (soon || entry.framer.is_some()) && !bytes.is_empty();
            // Who sets a framing for each frame is not to be given, and to give back, all that follow it each time.
            entry.extra().window = u8::from(soon && entry.framer.is_some());
            (entry.take_carry(&mut conns.pool), replaced)
        };
        self.carry(id, [bytes, &carried].concat());
        let conns = &mut *self.conns.borrow_mut();
        conns.line_up(id);
        conns.mark_dirty(id);
    }

    /// What was handed over of a connection is answered: it goes on.
    pub(crate) fn release(&self, id: ConnId) {
        let conns = &mut *self.conns.borrow_mut();
        if let Some(udp) = conns.slab.udp_mut(id) {
            udp.awaits_answer = false;
            return conns.line_up(id);
        }
        if let Some(entry) = conns.slab.stream_mut(id) {
            entry.machine.release();
            self.goes_on(entry, &mut conns.pool);
            conns.mark_dirty(id);
        }
    }

    /// A connection is held once less, and goes on if nobody else holds it. Neither the idle nor the read time-out has run
    /// meanwhile.
    pub(super) fn goes_on(&self, entry: &mut StreamEntry, pool: &mut BlockPool) {
        entry.check_end(pool);
        entry.timing().into_iter().for_each(|timing| timing.came(self.moment()));
    }
}

/// Whether input may come back to a connection, be it only to be handed out.
fn takes_back(entry: &StreamEntry) -> bool {
    entry.machine.is_open() || entry.machine.is_detaching()
}

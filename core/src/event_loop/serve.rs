//! Input: reading, and the lines of connections that wait for it.

use super::{EventLoop, HEADROOM, READ_BUFFER};
use crate::base::conn_id::ConnId;
use crate::conn::stream::entry::Entry;
use crate::conn::stream::machine::{Due, Reading};
use crate::conn::stream::queue::BlockPool;
use crate::conn::stream::wire::Got;
use crate::delivery::event::Event;
use crate::delivery::receiver::Receiver;
use crate::loop_state::LoopState;

/// What a read gave.
struct Read {
    len: usize,
    reading: Reading,
    /// There may be more to read.
    more: bool,
    /// The connection has no framing, and nothing that was not consumed before.
    alone: bool,
    /// It was read into the receiver's memory: where the connection's input begins there.
    lent: Option<usize>,
}

impl EventLoop {
    /// Serves the connections that the poller reported: at once, unless there is more to one than input.
    pub(super) fn serve_reported(&mut self) {
        match self.tells_turns {
            true => self.serve_events::<true>(),
            false => self.serve_events::<false>(),
        }
    }

    /// `TURNS`: the receiver is told of turns, so it may gather, lend its own memory for input, and become full within
    /// a turn. A type of its own, so that the others do not pay for it.
    #[inline(always)]
    fn serve_events<const TURNS: bool>(&mut self) {
        let mut takes_input = self.state.takes_input();
        let sampled = self.sampled.is_some();
        let mut index = 0;
        while let Some((token, is_input)) = self.events.peek(index) {
            match ConnId::from_u64(token) {
                Some(id) if is_input && takes_input && self.serve_flowing::<TURNS>(id, sampled) => {}
                Some(id) => self.note(id, index),
                None => self.note_wake(token),
            }
            if TURNS {
                // Otherwise nothing changes it within a turn.
                takes_input = self.state.takes_input();
            }
            index += 1;
        }
    }

    /// Reads a connection that flows, and delivers what came; says whether it was one.
    #[inline]
    fn serve_flowing<const TURNS: bool>(&mut self, id: ConnId, sampled: bool) -> bool {
        let read = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.flowing(id) else { return false };
            if sampled {
                self.sample_delay();
            }
            let (receiver, buffer) = (&mut *self.receiver, &mut self.buffer[HEADROOM..]);
            read_once::<TURNS>(&self.state, receiver, buffer, entry, &mut conns.pool, Reading::Deliver)
        };
        let flows = match &read {
            Some(Read { lent: Some(from), more, .. }) => {
                self.deliver_lent(id, *from);
                !more
            }
            Some(read) if read.alone => {
                self.deliver_alone(id, read.len);
                // If it does not flow any more, then by a call that looks after that.
                !read.more
            }
            Some(read) => self.deliver_frames(id, read.len) && !read.more,
            None => false,
        };
        if !flows {
            self.serve_on::<TURNS>(id, read);
        }
        true
    }

    /// Goes on with a connection that flowed, after a read.
    #[inline(never)]
    fn serve_on<const TURNS: bool>(&mut self, id: ConnId, read: Option<Read>) {
        if let Some(read) = read.filter(|read| read.more) {
            self.read_all::<TURNS>(id, self.state.config().read_budget.saturating_sub(read.len));
        }
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    /// Remembers what was reported of a connection, which stands in line then for whatever it needs. A stale event
    /// finds no connection.
    #[inline(never)]
    fn note(&mut self, id: ConnId, index: usize) {
        let Some(event) = self.events.get(index) else { return };
        let conns = &mut *self.state.conns.borrow_mut();
        if let Some(entry) = conns.slab.get_mut(id) {
            entry.ready(event.readable, event.writable, event.read_on, event.failed);
            if entry.machine.is_opening() {
                self.dialled.push(id);
            }
        } else if let Some(endpoint) = conns.endpoints.peek_mut(id) {
            endpoint.endpoint.ready(event.readable, event.writable);
        }
        conns.line_up(id);
        conns.mark_dirty(id);
    }

    /// Serves the connections that were in line when the round began.
    pub(super) fn serve_lines(&mut self) {
        if self.state.conns.borrow().ready.is_empty() && self.state.conns.borrow().discard.is_empty() {
            return;
        }
        let round = self.state.conns.borrow().discard.len();
        for _ in 0..round {
            let next = self.state.conns.borrow_mut().discard.pop_front();
            next.into_iter().for_each(|id| self.serve_one(id, |entry| &mut entry.in_discard));
        }
        let round = self.state.conns.borrow().ready.len();
        for _ in 0..round {
            if !self.state.takes_input() {
                self.starved |= self.state.server().shared.budget.is_exceeded();
                return self.call_all_due();
            }
            let next = self.state.conns.borrow_mut().ready.pop_front();
            next.into_iter().for_each(|id| self.serve_one(id, |entry| &mut entry.in_ready));
        }
    }

    /// Nothing is read now; callbacks that read nothing are called all the same, unless the handler has too many
    /// already.
    fn call_all_due(&mut self) {
        if self.state.delivery_is_full.get() {
            return;
        }
        let ready: Vec<ConnId> = self.state.conns.borrow().ready.iter().copied().collect();
        for id in ready {
            self.call_due(id);
            self.call_endpoint_due(id);
            self.state.conns.borrow_mut().mark_dirty(id);
        }
    }

    /// Serves a connection that stood in a line, which `stands` says.
    fn serve_one(&mut self, id: ConnId, stands: fn(&mut Entry) -> &mut bool) {
        let backlog = {
            let conns = &mut *self.state.conns.borrow_mut();
            match conns.slab.get_mut(id) {
                None => None,
                Some(entry) => {
                    *stands(entry) = false;
                    if !entry.machine.wants_service(entry.backlog) {
                        return;
                    }
                    Some(entry.backlog)
                }
            }
        };
        let Some(backlog) = backlog else { return self.serve_endpoint(id) };
        self.sample_delay();
        self.call_due(id);
        if backlog {
            self.deliver_backlog(id);
        }
        let budget = self.state.config().read_budget;
        match self.tells_turns {
            true => self.read_all::<true>(id, budget),
            false => self.read_all::<false>(id, budget),
        }
        self.call_due(id);
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    /// In a sampled turn: how long a connection that was ready has waited.
    pub(super) fn sample_delay(&self) {
        if let Some(began) = self.sampled {
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.state.metrics().delay.record(nanos);
        }
    }

    /// Calls the callbacks that a connection is owed apart from input.
    fn call_due(&mut self, id: ConnId) {
        // Each once: what a callback brings about is served in the next round.
        for _ in 0..3 {
            let due = {
                let conns = &mut *self.state.conns.borrow_mut();
                conns.slab.get_mut(id).and_then(|entry| entry.machine.take_due(entry.backlog))
            };
            match due {
                None => return,
                Some(Due::Drain) => self.tell(id, |receiver, conn| receiver.event(Event::Drain(conn))),
                Some(Due::Wake) => self.tell(id, |receiver, conn| receiver.event(Event::Wake(conn))),
                Some(Due::Eof) => self.tell(id, |receiver, conn| receiver.event(Event::Eof(conn))),
            }
        }
    }

    /// Reads a connection and delivers what comes, up to what is left of its budget. If it is not at rest then, it
    /// is looked at again at the end of the turn.
    fn read_all<const TURNS: bool>(&mut self, id: ConnId, mut budget: usize) {
        while budget > 0 {
            let Some(read) = self.read::<TURNS>(id) else { break };
            match read.reading {
                Reading::Deliver if read.lent.is_some() => {
                    read.lent.into_iter().for_each(|from| self.deliver_lent(id, from));
                }
                Reading::Deliver if read.alone => self.deliver_alone(id, read.len),
                Reading::Deliver => self.deliver_read(id, read.len),
                Reading::Discard | Reading::No => {}
            }
            if !read.more {
                return;
            }
            budget = budget.saturating_sub(read.len);
        }
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    #[inline]
    fn read<const TURNS: bool>(&mut self, id: ConnId) -> Option<Read> {
        let conns = &mut *self.state.conns.borrow_mut();
        let entry = conns.slab.get_mut(id)?;
        let reading = entry.machine.reading();
        if reading == Reading::No {
            return None;
        }
        let (receiver, buffer) = (&mut *self.receiver, &mut self.buffer[HEADROOM..]);
        read_once::<TURNS>(&self.state, receiver, buffer, entry, &mut conns.pool, reading)
    }
}

/// Reads once, into the buffer or into memory that the receiver lends; `None` if nothing came.
#[inline(always)]
fn read_once<const TURNS: bool>(
    state: &LoopState,
    receiver: &mut dyn Receiver,
    buffer: &mut [u8],
    entry: &mut Entry,
    pool: &mut BlockPool,
    reading: Reading,
) -> Option<Read> {
    let lent = match TURNS && reading == Reading::Deliver {
        true => read_lent(state, receiver, entry, pool),
        false => None,
    };
    let (lent, got) = match lent {
        Some((from, got)) => (Some(from), got),
        None => (None, entry.read(buffer, pool, &state.poller, state.metrics())),
    };
    let got = got?;
    entry.timing().into_iter().for_each(|timing| timing.came(state.moment()));
    Some(Read { len: got.len, reading, more: got.more, alone: entry.has_no_input(), lent })
}

/// Reads into memory that the receiver lends, behind what the connection carries; not what is to be cut. Says where the
/// input begins there, and what came.
#[inline(never)]
fn read_lent(
    state: &LoopState,
    receiver: &mut dyn Receiver,
    entry: &mut Entry,
    pool: &mut BlockPool,
) -> Option<(usize, Option<Got>)> {
    if entry.framer.is_some() || entry.backlog {
        return None;
    }
    let memory = receiver.lend(entry.carry().len() + READ_BUFFER)?;
    let from = memory.len();
    memory.extend_from_slice(entry.carry());
    let got = entry.read_behind(memory, READ_BUFFER, pool, &state.poller, state.metrics());
    match got {
        Some(_) => drop(entry.take_carry(pool)),
        None => memory.truncate(from),
    }
    Some((from, got))
}

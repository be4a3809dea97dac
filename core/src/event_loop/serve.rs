//! Input: reading, and the lines of connections that wait for it.

use std::time::Instant;

use super::deliver::waits;
use super::{EventLoop, HEADROOM, LENT};
use crate::base::conn_id::ConnId;
use crate::conn::entry::Entry;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::machine::{Due, Reading};
use crate::conn::stream::queue::BlockPool;
use crate::conn::stream::wire::Got;
use crate::contract::metrics::LoopMetrics;
use crate::delivery::event::Event as Told;
use crate::delivery::receiver::Receiver;
use crate::loop_state::LoopState;
use crate::sys::poller::Event;

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

/// Why a run of connections that flow was interrupted.
enum Halt {
    /// By this event, of something else.
    Event,
    /// By what is left to do for a connection that flowed.
    Left(ConnId, Left),
}

/// What is left to do for a connection that was read, and perhaps given something.
struct Left {
    /// Bytes read; how many of them were delivered, and how many of these were kept.
    read: usize,
    delivered: usize,
    kept: usize,
    /// There may be more to read.
    more: bool,
}

impl EventLoop {
    /// Serves the connections that the poller reported: at once, unless there is more to one than input.
    pub(super) fn serve_reported(&mut self) {
        match (self.lends, self.gathers) {
            (true, _) => self.serve_events::<true, false>(),
            (false, true) => self.serve_events::<false, true>(),
            (false, false) => self.serve_events::<false, false>(),
        }
    }

    /// `LENDS`: the receiver may lend its own memory for input, and become full within a turn. `GATHERS`: it gathers frames.
    /// Functions of their own, so that the others do not pay for it.
    fn serve_events<const LENDS: bool, const GATHERS: bool>(&mut self) {
        let mut index = 0;
        while let Some((at, halt)) = self.serve_flowing::<LENDS, GATHERS>(index) {
            match halt {
                Halt::Event => self.note(at),
                Halt::Left(id, left) => self.serve_on(id, &left),
            }
            index = at + 1;
        }
    }

    /// Reads connections that flow and delivers what came, from the event at `index` on, as long as there is nothing else
    /// to it. Otherwise it says at which event there is. In a function of its own, which has the processor's registers for
    /// itself.
    #[inline(never)]
    fn serve_flowing<const LENDS: bool, const GATHERS: bool>(
        &mut self,
        mut index: usize,
    ) -> Option<(usize, Halt)> {
        let (state, events, receiver) = (&*self.state, &self.events, &mut *self.receiver);
        let buffer = &mut self.buffer[HEADROOM..];
        let metrics = state.metrics();
        // Otherwise nothing changes within a turn whether input is taken.
        let watched = LENDS || self.sampled.is_some() || !state.takes_input();
        loop {
            let (token, is_input) = events.peek(index)?;
            if !is_input {
                return Some((index, Halt::Event));
            }
            let Some(id) = ConnId::from_u64(token) else { return Some((index, Halt::Event)) };
            let (got, piece, lent) = {
                let conns = &mut *state.conns.borrow_mut();
                let Some(entry) = conns.slab.flowing(id) else { return Some((index, Halt::Event)) };
                if watched && !watch(state, self.sampled) {
                    return Some((index, Halt::Event));
                }
                let (lent, got) = match LENDS {
                    true => read_once(state, receiver, buffer, entry, &mut conns.pool),
                    false => (None, entry.read_flowing(buffer, &mut conns.pool, &state.poller, metrics)),
                };
                let Some(got) = got else {
                    return Some((
                        index,
                        Halt::Left(id, Left { read: 0, delivered: 0, kept: 0, more: false }),
                    ));
                };
                if !entry.flows_plainly() {
                    note_came(state, entry);
                }
                // Who lends is told of a frame's piece, too.
                let piece = if LENDS { None } else { entry.first_piece(&buffer[..got.len]) };
                (got, piece, lent)
            };
            let mut left = Left { read: got.len, delivered: 0, kept: 0, more: got.more };
            if let Some(piece) = piece {
                left.kept = Self::tell_data(state, receiver, id, piece.part, piece.raw);
                left.delivered = piece.consumed;
                if GATHERS && !piece.raw && left.delivered == left.read {
                    Self::tell_delivered(state, receiver, id);
                }
            }
            if let Some(from) = lent {
                Self::tell_lent(state, receiver, id, from);
                left.delivered = left.read;
            }
            if left.delivered < left.read || left.kept > 0 || left.more {
                return Some((index, Halt::Left(id, left)));
            }
            index += 1;
        }
    }

    /// Goes on with a connection that flowed, after a read.
    #[inline(never)]
    fn serve_on(&mut self, id: ConnId, left: &Left) {
        // If it does not flow any more after what it was given, then by a call that looks after that.
        let mut flows = left.read > 0;
        if left.more {
            let conns = &mut *self.state.conns.borrow_mut();
            conns.slab.peek_stream(id).into_iter().for_each(|entry| entry.machine.set_readable(true));
        }
        if left.kept > 0 {
            let end = HEADROOM + left.read;
            // The handler may have set a framing meanwhile, which cuts what was kept.
            self.deliver_rest(id, end - left.kept..end, false);
        } else if left.delivered < left.read {
            flows = match self.lends {
                true => self.deliver_frames::<true>(id, left.delivered, left.read),
                false => self.deliver_frames::<false>(id, left.delivered, left.read),
            };
        }
        if left.more {
            self.read_all(id, self.state.config().read_budget.saturating_sub(left.read));
        }
        if !flows || left.more {
            self.state.conns.borrow_mut().mark_dirty(id);
        }
    }

    /// Remembers what was reported, by the event at `index`.
    #[inline(never)]
    fn note(&mut self, index: usize) {
        let Some(event) = self.events.get(index) else { return };
        match ConnId::from_u64(event.token) {
            Some(id) => self.note_ready(id, &event),
            None => self.note_wake(event.token),
        }
    }

    /// Remembers what was reported of a connection, which stands in line then for whatever it needs. A stale event
    /// finds no connection.
    fn note_ready(&mut self, id: ConnId, event: &Event) {
        let conns = &mut *self.state.conns.borrow_mut();
        match conns.slab.get_mut(id) {
            Some(Entry::Stream(stream)) => {
                stream.ready(event.readable, event.writable, event.read_on, event.failed);
                if stream.machine.is_opening() {
                    self.dialled.push(id);
                }
            }
            Some(Entry::Udp(udp)) => udp.endpoint.ready(event.readable, event.writable),
            None => return,
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
                return;
            }
            let next = self.state.conns.borrow_mut().ready.pop_front();
            next.into_iter().for_each(|id| self.serve_one(id, |entry| &mut entry.in_ready));
        }
    }

    /// Serves a connection that stood in a line, which `stands` says.
    fn serve_one(&mut self, id: ConnId, stands: fn(&mut StreamEntry) -> &mut bool) {
        let backlog = {
            let conns = &mut *self.state.conns.borrow_mut();
            match conns.slab.get_mut(id) {
                None => return,
                Some(Entry::Udp(_)) => None,
                Some(Entry::Stream(stream)) => {
                    *stands(stream) = false;
                    if !stream.machine.wants_service(stream.backlog) {
                        return;
                    }
                    Some(stream.backlog)
                }
            }
        };
        let Some(backlog) = backlog else { return self.serve_endpoint(id) };
        self.sample_delay();
        self.call_due(id);
        if backlog {
            self.deliver_backlog(id);
        }
        self.read_all(id, self.state.config().read_budget);
        self.call_due(id);
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    /// In a sampled turn: how long a connection that was ready has waited.
    pub(super) fn sample_delay(&self) {
        sample_delay(self.sampled, self.state.metrics());
    }

    /// Calls the callbacks that a connection is owed apart from input.
    pub(super) fn call_due(&mut self, id: ConnId) {
        // Each once: what a callback brings about is served in the next round.
        for _ in 0..3 {
            let due = self.state.conns.borrow_mut().slab.get_mut(id).and_then(Entry::take_due);
            match due {
                None => return,
                Some(Due::Drain) => self.tell(id, |receiver, conn| receiver.event(Told::Drain(conn))),
                Some(Due::Wake) => self.tell(id, |receiver, conn| receiver.event(Told::Wake(conn))),
                Some(Due::Eof) => self.tell(id, |receiver, conn| receiver.event(Told::Eof(conn))),
            }
        }
    }

    /// Reads a connection and delivers what comes, up to what is left of its budget. If it is not at rest then, it
    /// is looked at again at the end of the turn.
    fn read_all(&mut self, id: ConnId, mut budget: usize) {
        while budget > 0 {
            let Some(read) = self.read(id, budget) else { break };
            match read.reading {
                Reading::Deliver if read.lent.is_some() => {
                    let receiver = &mut *self.receiver;
                    read.lent.into_iter().for_each(|from| Self::tell_lent(&self.state, receiver, id, from));
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

    /// Reads once into the buffer, not beyond what is left of the budget; `None` if nothing came.
    fn read(&mut self, id: ConnId, budget: usize) -> Option<Read> {
        let conns = &mut *self.state.conns.borrow_mut();
        let entry = conns.slab.stream_mut(id)?;
        let reading = entry.machine.reading();
        if reading == Reading::No {
            return None;
        }
        let receiver = &mut *self.receiver;
        let end = self.buffer.len().min(HEADROOM.saturating_add(budget));
        let buffer = &mut self.buffer[HEADROOM..end];
        // An end that is found now must not overtake frames that the receiver has yet to hand over.
        let lets_go = self.lends && !entry.machine.is_held();
        if lets_go {
            entry.machine.hold();
        }
        let (lent, got) = match self.lends && reading == Reading::Deliver {
            true => read_once(&self.state, receiver, buffer, entry, &mut conns.pool),
            false => (None, entry.read(buffer, &mut conns.pool, &self.state.poller, self.state.metrics())),
        };
        if lets_go {
            entry.machine.release();
            if entry.machine.is_at_eof() && !waits(true, receiver, &mut entry.machine, id) {
                entry.check_end(&mut conns.pool);
            }
        }
        let got = got?;
        note_came(&self.state, entry);
        Some(Read { len: got.len, reading, more: got.more, alone: entry.has_no_input(), lent })
    }
}

/// Reads once, into memory that the receiver lends or else into the buffer: where in the former the connection's input
/// begins, and what came.
#[inline(never)]
fn read_once(
    state: &LoopState,
    receiver: &mut dyn Receiver,
    buffer: &mut [u8],
    entry: &mut StreamEntry,
    pool: &mut BlockPool,
) -> (Option<usize>, Option<Got>) {
    let (poller, metrics) = (&state.poller, state.metrics());
    // What is to be cut is not read there.
    let lends = entry.framer.is_none() && !entry.backlog;
    let room = buffer.len().min(LENT);
    let lent = if lends { receiver.lend(entry.carry().len() + room) } else { None };
    let Some(memory) = lent else { return (None, entry.read(buffer, pool, poller, metrics)) };
    let from = memory.len();
    memory.extend_from_slice(entry.carry());
    let got = entry.read_behind(memory, room, pool, poller, metrics);
    match got {
        Some(_) => drop(entry.take_carry(pool)),
        None => memory.truncate(from),
    }
    (Some(from), got)
}

/// Input of a connection came: its time-outs, if it has some, begin anew.
#[inline(never)]
fn note_came(state: &LoopState, entry: &mut StreamEntry) {
    entry.timing().into_iter().for_each(|timing| timing.came(state.moment()));
}

/// Whether a connection that is reported may be read; if so, its delay is sampled in a turn that is.
#[inline(never)]
fn watch(state: &LoopState, sampled: Option<Instant>) -> bool {
    let takes = state.takes_input();
    if takes {
        sample_delay(sampled, state.metrics());
    }
    takes
}

fn sample_delay(began: Option<Instant>, metrics: &LoopMetrics) {
    if let Some(began) = began {
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        metrics.delay.record(nanos);
    }
}

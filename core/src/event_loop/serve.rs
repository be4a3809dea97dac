//! Input: reading, cutting into frames, and giving it to the handler.
//!
//! ```text
//!   the loop's buffer      0          HEADROOM                 HEADROOM + READ_BUFFER
//!                          |     carried ^ read                |
//! ```
//!
//! What a connection carries from the input before is copied to just in front of what is read, so that the
//! handler sees both together and what was read stays where it is. What is too large for the headroom grows in
//! the connection instead.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use super::{EventLoop, HEADROOM, READ_BUFFER};
use crate::action::CloseReason;
use crate::buffer::BlockPool;
use crate::codec::{Cut, Framer};
use crate::conn::{Due, Reading};
use crate::entry::Entry;
use crate::loop_state::Input;
use crate::panics::{catch, debug, report};
use crate::sys::socket;
use crate::token::ConnId;

/// What a read gave.
struct Read {
    len: usize,
    reading: Reading,
    /// There may be more to read.
    more: bool,
    /// The connection has no framing, and nothing that was not consumed before.
    alone: bool,
}

/// What to do with the front of a connection's input.
enum Piece {
    /// Give this part of it to the handler; the next piece begins behind `consumed` bytes. `raw`: it is all there
    /// is, and no frame.
    Deliver { part: Range<usize>, consumed: usize, raw: bool },
    /// There is no more to give now. If `backlog`, then because the handler takes none, not for want of bytes.
    Keep { backlog: bool },
}

impl EventLoop {
    /// Serves the connections that the poller reported: at once, unless there is more to one than input.
    pub(super) fn serve_reported(&mut self) {
        let mut takes_input = self.state.takes_input();
        let watched = self.gathers || self.sampled.is_some();
        let mut index = 0;
        while let Some((token, is_input)) = self.events.peek(index) {
            match ConnId::from_u64(token) {
                Some(id) if is_input && takes_input && self.serve_flowing(id, watched) => {}
                Some(id) => self.note(id, index),
                None => self.note_wake(token),
            }
            if watched && self.gathers {
                // Otherwise nothing changes it within a turn.
                takes_input = self.state.takes_input();
            }
            index += 1;
        }
    }

    /// Reads a connection that flows, and delivers what came; says whether it was one.
    #[inline]
    fn serve_flowing(&mut self, id: ConnId, watched: bool) -> bool {
        let read = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.flowing(id) else { return false };
            let Some(socket) = &entry.socket else { return false };
            if watched {
                self.sample_delay();
            }
            self.state.metrics().reads.add(1);
            let result = socket::recv(socket.as_fd(), &mut self.buffer[HEADROOM..]);
            if result.is_err() {
                // It is not over with an interrupted call.
                entry.machine.ready(true, false, false);
            }
            self.take(entry, result, &mut conns.pool)
        };
        let flows = match &read {
            Some(read) if read.alone => {
                self.deliver_alone(id, read.len);
                // If it does not flow any more, then by a call that looks after that.
                !read.more
            }
            Some(read) => self.deliver_frames(id, read.len) && !read.more,
            None => false,
        };
        if !flows {
            self.serve_on(id, read);
        }
        true
    }

    /// Goes on with a connection that flowed, after a read.
    #[inline(never)]
    fn serve_on(&mut self, id: ConnId, read: Option<Read>) {
        if let Some(read) = read.filter(|read| read.more) {
            self.read_all(id, self.state.config().read_budget.saturating_sub(read.len));
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
            entry.machine.ready(event.readable, event.writable, event.read_on);
            if entry.machine.is_connecting() {
                self.dialled.push(id);
            }
            if event.failed {
                entry.notice_failure();
            }
        } else if let Some(endpoint) = conns.endpoints.get_mut(&id) {
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
        if self.state.gather.borrow().is_full() {
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
        self.read_all(id, self.state.config().read_budget);
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
                Some(Due::Drain) => self.call(id, |handler, conn| handler.on_drain(conn)),
                Some(Due::Wake) => self.call(id, |handler, conn| handler.on_wake(conn)),
                Some(Due::Eof) => self.call(id, |handler, conn| handler.on_eof(conn)),
            }
        }
    }

    /// Reads a connection and delivers what comes, up to what is left of its budget. If it is not at rest then, it
    /// is looked at again at the end of the turn.
    fn read_all(&mut self, id: ConnId, mut budget: usize) {
        while budget > 0 {
            let Some(read) = self.read(id) else { break };
            match read.reading {
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

    /// Reads once into the buffer; `None` if nothing came.
    fn read(&mut self, id: ConnId) -> Option<Read> {
        let conns = &mut *self.state.conns.borrow_mut();
        let entry = conns.slab.get_mut(id)?;
        let reading = entry.machine.reading();
        let socket = entry.socket.as_ref().filter(|_| reading != Reading::No)?;
        self.state.metrics().reads.add(1);
        let result = socket::recv(socket.as_fd(), &mut self.buffer[HEADROOM..]);
        self.take(entry, result, &mut conns.pool).map(|read| Read { reading, ..read })
    }

    /// What a read gave, told to the connection.
    #[inline(always)]
    fn take(&self, entry: &mut Entry, result: io::Result<usize>, pool: &mut BlockPool) -> Option<Read> {
        match result {
            Ok(len) if len > 0 => {
                self.state.metrics().bytes_read.add(len as u64);
                entry.machine.received(len, len == READ_BUFFER);
                entry.timing().into_iter().for_each(|timing| timing.came(self.state.now.get()));
                let (more, alone) = (entry.machine.is_readable(), entry.has_no_input());
                Some(Read { len, reading: Reading::Deliver, more, alone })
            }
            nothing => {
                take_nothing(entry, nothing, pool);
                None
            }
        }
    }

    /// Delivers what was read into the buffer, when there is neither a framing nor anything before it.
    #[inline(always)]
    fn deliver_alone(&mut self, id: ConnId, read: usize) {
        let kept = self.call_on_data(id, &self.buffer[HEADROOM..HEADROOM + read], true);
        if kept > 0 {
            self.deliver_rest(id, read, kept);
        }
    }

    /// Cuts what was read into frames, and delivers them; says whether the connection flows still, with nothing
    /// left over. One that has input of before, or whose framing is a function of the user's, does not.
    fn deliver_frames(&mut self, id: ConnId, read: usize) -> bool {
        let end = HEADROOM + read;
        let mut at = HEADROOM;
        while at < end {
            let cut = {
                let conns = &mut *self.state.conns.borrow_mut();
                let entry = conns.slab.flowing(id).filter(|entry| entry.carry().is_empty());
                match entry.and_then(|entry| entry.framer.as_mut()).filter(|framer| !framer.is_custom()) {
                    Some(framer) => framer.next(&self.buffer[at..end]),
                    None => break,
                }
            };
            let Ok(Cut::Frame { frame, consumed }) = cut else { break };
            self.call_on_data(id, &self.buffer[at..end][frame], false);
            at += consumed;
        }
        if at == HEADROOM {
            self.deliver_read(id, read);
            return false;
        }
        if at < end {
            let buffer = std::mem::take(&mut self.buffer);
            let left = self.deliver(id, &buffer[at..end], true);
            self.carry(id, buffer[at..end][left].to_vec());
            self.buffer = buffer;
            return false;
        }
        true
    }

    /// The handler keeps the last bytes of what was read alone.
    #[inline(never)]
    fn deliver_rest(&mut self, id: ConnId, read: usize, kept: usize) {
        let buffer = std::mem::take(&mut self.buffer);
        let rest = &buffer[HEADROOM + read - kept..HEADROOM + read];
        // The handler may have set a framing meanwhile, which cuts what was kept.
        let left = self.deliver(id, rest, false);
        self.carry(id, rest[left].to_vec());
        self.buffer = buffer;
    }

    /// Delivers what was read into the buffer, behind what the connection carries.
    fn deliver_read(&mut self, id: ConnId, read: usize) {
        let mut carried = self.take_carry(id);
        if carried.len() > HEADROOM {
            carried.extend_from_slice(&self.buffer[HEADROOM..HEADROOM + read]);
            let rest = self.deliver(id, &carried, true);
            carried.drain(..rest.start);
            return self.carry(id, carried);
        }
        let start = HEADROOM - carried.len();
        self.buffer[start..HEADROOM].copy_from_slice(&carried);
        // Lent out for the callbacks, which cannot reach it otherwise.
        let buffer = std::mem::take(&mut self.buffer);
        let rest = self.deliver(id, &buffer[start..HEADROOM + read], true);
        if !rest.is_empty() {
            let rest = &buffer[start + rest.start..start + rest.end];
            carried.clear();
            carried.extend_from_slice(rest);
            self.carry(id, carried);
        }
        self.buffer = buffer;
    }

    /// Delivers what waits in the connection, without reading.
    fn deliver_backlog(&mut self, id: ConnId) {
        let mut carried = self.take_carry(id);
        let rest = self.deliver(id, &carried, true);
        carried.drain(..rest.start);
        self.carry(id, carried);
    }

    fn take_carry(&mut self, id: ConnId) -> Vec<u8> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.get_mut(id) else { return Vec::new() };
        entry.take_carry(&mut conns.pool)
    }

    /// Leaves unconsumed input with the connection; too much of what the handler keeps is an error.
    fn carry(&mut self, id: ConnId, bytes: Vec<u8>) {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.get_mut(id) else { return };
        if entry.framer.is_none() && !entry.backlog && bytes.len() > crate::codec::Framing::DEFAULT_MAX_FRAME
        {
            entry.machine.close(CloseReason::Protocol, &mut conns.pool);
            return conns.mark_dirty(id);
        }
        entry.set_carry(bytes, &mut conns.pool);
        if entry.check_end(&mut conns.pool) {
            conns.mark_dirty(id);
        }
    }

    /// Gives input to the handler, piece by piece, and says which part of it is left over. `fresh` input goes to
    /// a handler without framing even if it has kept some of it before.
    fn deliver(&mut self, id: ConnId, input: &[u8], mut fresh: bool) -> Range<usize> {
        let mut at = 0;
        loop {
            let backlog = match self.next_piece(id, &input[at..], fresh) {
                Piece::Deliver { part, consumed, raw } => {
                    let kept = self.call_on_data(id, &input[at..][part], raw);
                    // What was shown without a framing, and kept, waits for more.
                    fresh = !raw;
                    at += consumed - kept;
                    continue;
                }
                Piece::Keep { backlog } => backlog,
            };
            if let Some(entry) = self.state.conns.borrow_mut().slab.get_mut(id) {
                entry.backlog = backlog && at < input.len();
            }
            return at..input.len();
        }
    }

    /// Calls `on_data`, and says how many of the bytes the handler keeps.
    #[inline(always)]
    fn call_on_data(&self, id: ConnId, data: &[u8], raw: bool) -> usize {
        self.state.metrics().messages_read.add(1);
        self.state.kept.set(0);
        self.state.input.set(Some(Input { id, len: data.len(), raw }));
        self.call(id, |handler, conn| handler.on_data(conn, data));
        self.state.input.set(None);
        self.state.kept.get()
    }

    /// What to do with the input from here on. A framing's function is called without a borrow.
    fn next_piece(&mut self, id: ConnId, input: &[u8], fresh: bool) -> Piece {
        let mut framer = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.get_mut(id) else { return Piece::Keep { backlog: false } };
            if input.is_empty() {
                return Piece::Keep { backlog: false };
            }
            if !entry.machine.takes_input() {
                let wanted = fresh || entry.framer.is_some();
                return Piece::Keep { backlog: wanted && entry.machine.is_open() };
            }
            entry.reframed = false;
            match entry.framer.take() {
                Some(framer) => framer,
                None if fresh => {
                    return Piece::Deliver { part: 0..input.len(), consumed: input.len(), raw: true };
                }
                None => return Piece::Keep { backlog: false },
            }
        };
        let cut = catch(|| framer.next(input));
        // Dropped when nothing is borrowed any more: it may be the last owner of a function of the user's.
        let mut framer = Some(framer);
        let mut borrowed = self.state.conns.borrow_mut();
        let conns = &mut *borrowed;
        let Some(entry) = conns.slab.get_mut(id) else { return Piece::Keep { backlog: false } };
        if !entry.reframed {
            // The function has set no other.
            entry.framer = framer.take();
        }
        if cut.is_ok() && !entry.machine.takes_input() {
            // The function has closed or paused its own connection: the frame is not the handler's any more, or not yet.
            let again = entry.machine.shared.framing().map(Framer::new).map(Box::new);
            entry.framer = again;
            return Piece::Keep { backlog: entry.machine.is_open() };
        }
        let (reason, trouble) = match cut {
            Ok(Ok(Cut::Frame { frame, consumed })) => {
                return Piece::Deliver { part: frame, consumed, raw: false };
            }
            Ok(Ok(Cut::Need(_))) => return Piece::Keep { backlog: false },
            Ok(Err(error)) => (CloseReason::Protocol, error.to_string()),
            Err(panic) => (CloseReason::HandlerError, format!("the framing's function panicked: {panic}")),
        };
        entry.machine.close(reason, &mut conns.pool);
        conns.mark_dirty(id);
        // The logger is the user's.
        drop(borrowed);
        log_trouble(id, reason, &trouble);
        Piece::Keep { backlog: false }
    }
}

/// A read gave no bytes.
#[inline(never)]
fn take_nothing(entry: &mut Entry, result: io::Result<usize>, pool: &mut BlockPool) {
    match result {
        Ok(_) => {
            entry.machine.received_eof();
            entry.check_end(pool);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => entry.machine.read_would_block(),
        // The socket is still readable, and is tried again in the next turn.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => entry.machine.read_failed(error.raw_os_error().unwrap_or(0)),
    }
}

/// A handler's failure is reported as an error; what a peer sends is no more than a matter for debugging.
fn log_trouble(id: ConnId, reason: CloseReason, trouble: &str) {
    match reason {
        CloseReason::HandlerError => report(format_args!("connection {id}: {trouble}")),
        _ => debug(format_args!("connection {id}: {trouble}")),
    }
}

//! The end of a turn: connections that changed are brought to rest. The end of a loop: all of them are parted
//! with.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use super::EventLoop;
use crate::action::{Action, Closed};
use crate::buffer::BlockPool;
use crate::conn::{Machine, Step};
use crate::loop_state::Entry;
use crate::sys::socket;
use crate::token::ConnId;

impl EventLoop {
    pub(super) fn expire_lingering(&mut self) {
        let conns = &mut *self.state.conns.borrow_mut();
        if conns.lingering.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(&(_, id)) = conns.lingering.front().filter(|(at, _)| *at <= now) {
            conns.lingering.pop_front();
            if let Some(entry) = conns.slab.get_mut(id) {
                entry.machine.linger_over();
                conns.mark_dirty(id);
            }
        }
    }

    /// Brings every connection that changed to rest: sends, half-closes, closes, resumes. What on_close
    /// writes to others is sent in the next turn.
    pub(super) fn settle(&mut self) {
        let mut dirty = std::mem::take(&mut self.state.conns.borrow_mut().dirty);
        for id in dirty.drain(..) {
            self.settle_one(id);
        }
        let conns = &mut *self.state.conns.borrow_mut();
        if conns.dirty.is_empty() && dirty.capacity() <= 4096 {
            conns.dirty = dirty;
        }
    }

    fn settle_one(&mut self, id: ConnId) {
        if let Some(entry) = self.state.conns.borrow_mut().slab.get_mut(id) {
            entry.in_dirty = false;
        }
        if let Some((closed, all_sent)) = self.advance(id) {
            self.finish_one(id, closed, all_sent);
        }
    }

    /// Takes a connection's steps until it waits, or is to be closed.
    fn advance(&mut self, id: ConnId) -> Option<(Closed, bool)> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Entry { socket, machine, .. } = conns.slab.get_mut(id)?;
        loop {
            match machine.next_step() {
                Step::Wait => break,
                Step::Flush => flush(socket, machine, &mut conns.pool),
                Step::ShutdownWrite => {
                    socket::shutdown_write(socket.as_fd());
                    machine.lingers();
                    conns.lingering.push_back((Instant::now() + self.state.config().linger, id));
                }
                Step::Close { closed, all_sent } => return Some((closed, all_sent)),
            }
        }
        machine.relieve(self.state.config().low_water);
        conns.line_up(id);
        None
    }

    /// Closes a connection's descriptor and tells the handler, unless bytes are on their way that are wanted.
    fn finish_one(&mut self, id: ConnId, closed: Closed, all_sent: bool) {
        if !self.state.mailbox().unregister(id, all_sent) {
            return;
        }
        let entry = self.state.conns.borrow_mut().slab.remove(id);
        drop(entry);
        self.call(id, |handler, conn| {
            handler.on_close(conn, closed);
            Action::None
        });
    }

    /// The server has stopped: one more attempt to send what is queued, then every connection is closed.
    pub(super) fn finish(&mut self) {
        self.acceptor = None;
        // From here on by-id calls answer `closed`; what was accepted before is carried out.
        let mut commands = self.state.mailbox().end();
        self.obey(&mut commands);
        self.arrivals.clear();
        let ids = self.state.conns.borrow().slab.ids();
        for id in ids {
            let closed = self.part_with(id);
            if let Some(closed) = closed {
                self.finish_one(id, closed, false);
            }
        }
        self.end_turn(true);
    }

    /// Sends what the kernel takes at once, and leaves no unread input behind if it can: closing over unread
    /// input resets the connection, and the peer may lose what it was sent.
    fn part_with(&mut self, id: ConnId) -> Option<Closed> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Entry { socket, machine, .. } = conns.slab.get_mut(id)?;
        let closed = machine.closed_by_stop();
        while machine.next_step() == Step::Flush {
            flush(socket, machine, &mut conns.pool);
        }
        socket::shutdown_write(socket.as_fd());
        let mut budget = self.state.config().read_budget;
        while budget > 0 {
            match socket::recv(socket.as_fd(), &mut self.buffer) {
                Ok(read) if read > 0 => budget = budget.saturating_sub(read),
                _ => break,
            }
        }
        Some(closed)
    }
}

/// Sends as much of the queue as the kernel takes.
fn flush(socket: &OwnedFd, machine: &mut Machine, pool: &mut BlockPool) {
    let (offered, result) = match machine.out().only_block() {
        Some(block) => (block.len(), socket::send(socket.as_fd(), block)),
        None => {
            let mut slices = [IoSlice::new(&[]); socket::MAX_SLICES];
            let filled = machine.out().slices(&mut slices);
            let offered = slices[..filled].iter().map(|slice| slice.len()).sum();
            (offered, socket::send_gathered(socket.as_fd(), &slices[..filled]))
        }
    };
    match result {
        Ok(sent) => {
            machine.sent(sent, pool);
            if sent < offered {
                // The socket's buffer is full: its next room is an edge.
                machine.write_would_block();
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => machine.write_would_block(),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => machine.write_failed(error.raw_os_error().unwrap_or(0), pool),
    }
}

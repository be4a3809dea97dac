//! A stream's socket, and all that touches it: connecting, reading, writing, shutting down, closing, and what the poller
//! is told of it. Above it there is plaintext only, and the rest of the room does no I/O.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::address::Address;
use crate::base::millis::millis_down;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::machine::Machine;
use crate::conn::stream::queue::BlockPool;
use crate::contract::metrics::LoopMetrics;
use crate::sys::poller::Poller;
use crate::sys::{datagram, socket};

/// The socket of a stream, and what must be remembered of it between two calls.
pub(crate) struct Wire {
    /// `None` while an outgoing connection's name is looked up, and once it was closed.
    socket: Option<OwnedFd>,
    unix: bool,
    /// A short read does not prove the socket empty: end of file or urgent data was reported, or it is a Unix socket.
    read_on: bool,
    /// Room in this Unix socket is asked for: only while output waits for it.
    polls_writable: bool,
}

impl Wire {
    /// Without a socket yet. A Unix socket is always read until it would block.
    pub(crate) fn new(unix: bool) -> Self {
        Wire { socket: None, unix, read_on: unix, polls_writable: false }
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.unix
    }

    /// Takes a socket over and registers it with the poller; says which descriptor it is. Room in a Unix socket is asked
    /// for while output waits, by the end of a turn; not to learn how connecting ended, which such a socket does at once
    /// or not at all, connect(2).
    pub(crate) fn attach(&mut self, socket: OwnedFd, token: u64, poller: &Poller) -> io::Result<RawFd> {
        match self.unix {
            true => poller.add_readable(socket.as_fd(), token)?,
            false => poller.add(socket.as_fd(), token)?,
        }
        Ok(self.adopt(socket))
    }

    /// Takes a socket over that the poller has under the connection's token already.
    pub(crate) fn adopt(&mut self, socket: OwnedFd) -> RawFd {
        self.socket.insert(socket).as_raw_fd()
    }

    /// The address of this side; `None` without a socket.
    pub(crate) fn local(&self) -> Option<Address> {
        socket::local_address(self.socket.as_ref()?.as_fd()).ok()
    }

    /// The peer's address, if it is connected.
    pub(crate) fn peer(&self) -> Option<Address> {
        socket::peer_address(self.socket.as_ref()?.as_fd()).ok()
    }

    /// Hands the socket out, which stays open: the poller is told.
    pub(crate) fn detach(&mut self, poller: &Poller) -> Option<OwnedFd> {
        let socket = self.socket.take()?;
        // Closing would end the registration.
        poller.remove(socket.as_fd());
        Some(socket)
    }

    /// Closes the socket; if it `resets`, the peer must not take what it has for all there was.
    pub(crate) fn close(&mut self, resets: bool, poller: &Poller) {
        let Some(socket) = self.socket.take() else { return };
        poller.forget(socket.as_fd());
        if resets && !self.unix {
            socket::reset(socket.as_fd());
        }
        socket::close(socket);
    }
}

/// What a read gave.
#[derive(Clone, Copy)]
pub(crate) struct Got {
    pub(crate) len: usize,
    /// There may be more to read.
    pub(crate) more: bool,
}

/// Reading.
impl StreamEntry {
    /// The poller reported readiness. An error is noticed by reading; but a connection that is paused by hand, or held, would
    /// not learn of it so, and need not: nobody is there any more to be read from at leisure.
    pub(crate) fn ready(&mut self, readable: bool, writable: bool, read_on: bool, failed: bool) {
        self.machine.ready(readable, writable);
        self.wire.read_on |= read_on;
        let unread = self.machine.is_stopped() || self.machine.is_held();
        // How connecting ended is looked for elsewhere.
        if failed && unread && !self.machine.is_opening() {
            self.look_for_failure();
        }
    }

    /// It is held or paused from now on, and would not learn by reading that it has failed.
    pub(crate) fn held(&mut self) {
        if self.machine.is_broken() {
            // A send has failed just before, and has taken the error. The first counts.
            self.machine.read_failed(0);
        } else if !self.machine.is_drained() && !self.machine.is_opening() {
            self.look_for_failure();
        }
    }

    fn look_for_failure(&mut self) {
        let socket = self.wire.socket.as_ref();
        let failure = socket.and_then(|socket| socket::failure(socket.as_fd()));
        failure.into_iter().for_each(|errno| self.machine.read_failed(errno));
    }

    /// Reads once, and tells the connection what came of it; `None` if no bytes came. A read that does not fill the
    /// buffer proves a TCP socket empty.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        pool: &mut BlockPool,
        poller: &Poller,
        metrics: &LoopMetrics,
    ) -> Option<Got> {
        let got = self.receive(buffer.len(), |socket| socket::recv(socket, buffer), pool, metrics);
        self.note_read(got, poller);
        got
    }

    /// The same, at most `most` bytes behind those in `memory`.
    pub(crate) fn read_behind(
        &mut self,
        memory: &mut Vec<u8>,
        most: usize,
        pool: &mut BlockPool,
        poller: &Poller,
        metrics: &LoopMetrics,
    ) -> Option<Got> {
        let got = self.receive(most, |socket| socket::recv_behind(socket, memory, most), pool, metrics);
        self.note_read(got, poller);
        got
    }

    fn note_read(&mut self, got: Option<Got>, poller: &Poller) {
        got.iter().for_each(|got| self.machine.set_readable(got.more));
        self.rearm_read(poller);
    }

    /// The same of a connection that flows, which is not readable: if there may be more, that is left to be said.
    #[inline(always)]
    pub(crate) fn read_flowing(
        &mut self,
        buffer: &mut [u8],
        pool: &mut BlockPool,
        poller: &Poller,
        metrics: &LoopMetrics,
    ) -> Option<Got> {
        let got = self.receive(buffer.len(), |socket| socket::recv(socket, buffer), pool, metrics);
        if got.is_none_or(|got| !got.more) {
            self.rearm_read(poller);
        }
        got
    }

    #[inline(always)]
    fn receive(
        &mut self,
        most: usize,
        recv: impl FnOnce(BorrowedFd<'_>) -> io::Result<usize>,
        pool: &mut BlockPool,
        metrics: &LoopMetrics,
    ) -> Option<Got> {
        let socket = self.wire.socket.as_ref()?;
        metrics.reads.add(1);
        match recv(socket.as_fd()) {
            Ok(len) if len > 0 => {
                metrics.bytes_read.add(len as u64);
                self.machine.received(len);
                Some(Got { len, more: len == most || self.wire.read_on })
            }
            nothing => {
                self.read_nothing(nothing, pool);
                None
            }
        }
    }

    #[inline(never)]
    fn read_nothing(&mut self, result: io::Result<usize>, pool: &mut BlockPool) {
        match result {
            Ok(_) => {
                self.machine.received_eof();
                self.check_end(pool);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.machine.read_would_block();
                self.wire.read_on = self.wire.unix;
            }
            // The socket is still readable, and is tried again in the next turn.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.machine.ready(true, false),
            Err(error) => self.machine.read_failed(errno(&error)),
        }
    }

    /// If a read left nothing, what comes next is reported.
    #[inline(always)]
    fn rearm_read(&self, poller: &Poller) {
        if let Some(socket) = self.wire.socket.as_ref().filter(|_| self.machine.is_drained()) {
            poller.rearm_read(socket.as_fd());
        }
    }

    /// Reads and forgets, up to `most` bytes: closing over unread input would reset the connection, and the peer may lose
    /// what it was sent.
    pub(crate) fn discard(&self, buffer: &mut [u8], mut most: usize) {
        let Some(socket) = self.wire.socket.as_ref() else { return };
        while most > 0 {
            match socket::recv(socket.as_fd(), buffer) {
                Ok(read) if read > 0 => most = most.saturating_sub(read),
                _ => break,
            }
        }
    }
}

/// Writing.
impl StreamEntry {
    /// Sends what was written in this turn, of a connection that flows; says whether that was all, or else what the kernel
    /// said, which is to be [taken](Self::took).
    #[inline(always)]
    pub(crate) fn send_turn(
        &mut self,
        pool: &BlockPool,
        metrics: &LoopMetrics,
    ) -> Result<(), io::Result<usize>> {
        let (Some(socket), Some(piece)) = (&self.wire.socket, self.machine.out().in_turn(pool)) else {
            return Err(Ok(0));
        };
        metrics.writes.add(1);
        let (offered, result) = (piece.len(), socket::send(socket.as_fd(), piece));
        match result {
            Ok(sent) if sent == offered => {
                metrics.bytes_written.add(offered as u64);
                self.machine.sent_in_turn(offered);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Sends as much of the queue as the kernel takes, in one call, and says how much that was.
    pub(crate) fn flush(&mut self, pool: &mut BlockPool, metrics: &LoopMetrics) -> usize {
        let Some(socket) = self.wire.socket.as_ref().filter(|_| !self.machine.out().is_empty()) else {
            return 0;
        };
        metrics.writes.add(1);
        let result = send(socket, &self.machine, pool);
        self.took(result, pool, metrics)
    }

    /// The same once more before the socket is handed out: what the kernel does not take, whatever it says, stays in the
    /// queue, which is handed out, too.
    pub(crate) fn send_last(&mut self, pool: &mut BlockPool, metrics: &LoopMetrics) {
        let Some(socket) = self.wire.socket.as_ref().filter(|_| !self.machine.out().is_empty()) else {
            return;
        };
        metrics.writes.add(1);
        if let Ok(sent) = send(socket, &self.machine, pool) {
            self.took(Ok(sent), pool, metrics);
        }
    }

    /// What the kernel took of the queue, told to the connection; says how much. If it took less than it was offered, it
    /// is offered the rest until it would block: only then it will report room.
    #[inline(never)]
    pub(crate) fn took(
        &mut self,
        result: io::Result<usize>,
        pool: &mut BlockPool,
        metrics: &LoopMetrics,
    ) -> usize {
        match result {
            Ok(sent) => {
                metrics.bytes_written.add(sent as u64);
                self.machine.sent(sent, pool);
                return sent;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.machine.send_would_block(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.send_failed(&error, pool),
        }
        0
    }

    /// Sends the queue and these bytes behind it, from where they are, in one call; what the kernel does not take of
    /// them is queued. They were counted as unsent before. Says whether anything was sent.
    pub(crate) fn send_through(
        &mut self,
        slices: &[&[u8]],
        pool: &mut BlockPool,
        metrics: &LoopMetrics,
    ) -> bool {
        let (Some(socket), machine) = (&self.wire.socket, &mut self.machine) else { return false };
        let mut all = [IoSlice::new(&[]); socket::MAX_SLICES];
        let queued = machine.out().slices(pool, &mut all);
        let pieces = &mut all[..(queued + slices.len()).min(socket::MAX_SLICES)];
        pieces[queued..].iter_mut().zip(slices).for_each(|(piece, slice)| *piece = IoSlice::new(slice));
        metrics.writes.add(1);
        let result = match pieces {
            [one] => socket::send(socket.as_fd(), one),
            pieces => socket::send_gathered(socket.as_fd(), pieces),
        };
        match result {
            Ok(sent) => {
                metrics.bytes_written.add(sent as u64);
                machine.sent_through(slices, sent, pool);
                return sent > 0;
            }
            Err(error) => {
                machine.queue(slices, 0, pool);
                match error.kind() {
                    io::ErrorKind::WouldBlock => machine.send_would_block(),
                    // It is tried again at the end of the turn.
                    io::ErrorKind::Interrupted => {}
                    _ => self.send_failed(&error, pool),
                }
            }
        }
        false
    }

    fn send_failed(&mut self, error: &io::Error, pool: &mut BlockPool) {
        self.machine.send_failed(errno(error), pool);
        if self.machine.is_stopped() {
            // It is not read, and need not be: nobody is there any more to be read from at leisure.
            self.machine.read_failed(errno(error));
        }
        // An error is an edge that may have been consumed by the write: the end is looked for by reading.
        self.wire.read_on = true;
    }

    /// Shuts writing down; says whether the connection lingers now. Where that fails the peer would wait for an end that
    /// does not come, so the connection is broken.
    pub(crate) fn shut_down_write(&mut self, pool: &mut BlockPool) -> bool {
        let shut = self.wire.socket.as_ref().map_or(Ok(()), |socket| socket::shutdown_write(socket.as_fd()));
        match shut {
            Ok(()) => self.machine.write_shut_down(),
            // Nobody is there any more to be told: reading says why.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => self.machine.write_shut_down(),
            Err(error) => {
                self.send_failed(&error, pool);
                false
            }
        }
    }

    /// At the end of a turn: room is reported while output waits for it; of a Unix socket only then, as Linux would report
    /// it whenever the peer has read. Room that came since the write is reported, too: no wake-up is lost.
    #[inline]
    pub(crate) fn poll_room(
        &mut self,
        token: u64,
        pool: &mut BlockPool,
        poller: &Poller,
        metrics: &LoopMetrics,
    ) {
        let Some(socket) = self.wire.socket.as_ref() else { return };
        let stuck = self.machine.is_stuck();
        if stuck {
            poller.rearm_write(socket.as_fd());
        }
        let waits = self.wire.unix && stuck;
        if waits == self.wire.polls_writable {
            return;
        }
        metrics.other_calls.add(1);
        match poller.poll_writable(socket.as_fd(), token, waits) {
            Ok(()) => self.wire.polls_writable = waits,
            // Nobody would tell of room.
            Err(error) if waits => self.send_failed(&error, pool),
            // Room is reported once more than it need be.
            Err(_) => {}
        }
    }
}

/// Looking.
impl StreamEntry {
    /// How many bytes were sent, and how many of them the kernel holds: if neither changes, the peer takes none.
    pub(crate) fn sent_and_held(&self) -> (u64, usize) {
        let held = self.wire.socket.as_ref().map_or(0, |socket| datagram::outstanding(socket.as_fd()));
        (self.machine.shared.sent(), held)
    }

    /// Its output is stuck from now on: what the kernel holds is remembered, so that its shrinking shows.
    pub(crate) fn note_stuck(&mut self) {
        let sent = self.machine.shared.sent();
        if self.machine.is_stuck() && self.timing().is_some_and(|timing| !timing.knows_held_of(sent)) {
            let held = self.sent_and_held();
            if let Some(timing) = self.timing() {
                timing.holds(held);
            }
        }
    }

    /// What a peer did while nobody looked is no fault of its: input that waits is input that came, room for output is
    /// output that went, and so is what the kernel does not hold any more. Says whether there is any.
    pub(crate) fn catch_up(&mut self, now: u64) -> bool {
        let held = self.sent_and_held();
        let Some(socket) = self.wire.socket.as_ref() else { return false };
        let (readable, writable) = socket::readiness(socket.as_fd());
        let came = readable && self.machine.awaits_input();
        let went = writable && self.machine.is_stuck();
        // Of a Unix socket it cannot be told when.
        let ago = socket::last_acknowledged(socket.as_fd()).unwrap_or_default();
        let Some(timing) = self.timing() else { return false };
        let taken = timing.holds(held);
        came.then(|| timing.came(now));
        went.then(|| timing.went(now));
        taken.then(|| timing.was_taken(now.saturating_sub(millis_down(ago))));
        came || went || taken
    }
}

/// Offers the queue to the kernel.
fn send(socket: &OwnedFd, machine: &Machine, pool: &BlockPool) -> io::Result<usize> {
    match machine.out().only_piece(pool) {
        Some(block) => socket::send(socket.as_fd(), block),
        None => {
            let mut slices = [IoSlice::new(&[]); socket::MAX_SLICES];
            let filled = machine.out().slices(pool, &mut slices);
            socket::send_gathered(socket.as_fd(), &slices[..filled])
        }
    }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

#[cfg(test)]
mod tests;

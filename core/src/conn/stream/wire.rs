//! Sending a connection's output, and telling the connection what came of it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use crate::conn::stream::entry::Entry;
use crate::conn::stream::machine::Machine;
use crate::conn::stream::queue::BlockPool;
use crate::contract::metrics::LoopMetrics;
use crate::sys::{datagram, socket};

/// Sends as much of the queue as the kernel takes, in one call, and says how much that was.
pub(crate) fn flush(entry: &mut Entry, pool: &mut BlockPool, metrics: &LoopMetrics) -> usize {
    let Entry { socket: Some(socket), machine, .. } = entry else { return 0 };
    if machine.out().is_empty() {
        return 0;
    }
    metrics.writes.add(1);
    let (offered, result) = send(socket, machine, pool);
    took(entry, offered, result, pool, metrics)
}

/// What the kernel took of the output that it was offered, told to the connection; says how much.
#[inline(never)]
pub(crate) fn took(
    entry: &mut Entry,
    offered: usize,
    result: io::Result<usize>,
    pool: &mut BlockPool,
    metrics: &LoopMetrics,
) -> usize {
    let machine = &mut entry.machine;
    match result {
        Ok(sent) => {
            metrics.bytes_written.add(sent as u64);
            machine.sent(sent, pool);
            if sent < offered {
                // The socket's buffer is full: its next room is an edge.
                machine.write_would_block();
            }
            return sent;
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => machine.write_would_block(),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => machine.write_failed(error.raw_os_error().unwrap_or(0), pool),
    }
    0
}

/// Offers the queue to the kernel: how many bytes were offered, and how many it took.
fn send(socket: &OwnedFd, machine: &Machine, pool: &BlockPool) -> (usize, io::Result<usize>) {
    match machine.out().only_piece(pool) {
        Some(block) => (block.len(), socket::send(socket.as_fd(), block)),
        None => {
            let mut slices = [IoSlice::new(&[]); socket::MAX_SLICES];
            let filled = machine.out().slices(pool, &mut slices);
            let offered = slices[..filled].iter().map(|slice| slice.len()).sum();
            (offered, socket::send_gathered(socket.as_fd(), &slices[..filled]))
        }
    }
}

/// Sends the queue and these bytes behind it, from where they are, in one call; what the kernel does not take of
/// them is queued. They were counted as unsent before. Says whether anything was sent.
pub(crate) fn send_through(
    entry: &mut Entry,
    slices: &[&[u8]],
    pool: &mut BlockPool,
    metrics: &LoopMetrics,
) -> bool {
    let Entry { socket: Some(socket), machine, .. } = entry else { return false };
    let mut all = [IoSlice::new(&[]); socket::MAX_SLICES];
    let queued = machine.out().slices(pool, &mut all);
    let pieces = &mut all[..(queued + slices.len()).min(socket::MAX_SLICES)];
    pieces[queued..].iter_mut().zip(slices).for_each(|(piece, slice)| *piece = IoSlice::new(slice));
    let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
    metrics.writes.add(1);
    let result = match pieces {
        [one] => socket::send(socket.as_fd(), one),
        pieces => socket::send_gathered(socket.as_fd(), pieces),
    };
    let sent = match result {
        Ok(sent) => sent,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        // It is tried again at the end of the turn.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            machine.queue(slices, 0, pool);
            return false;
        }
        Err(error) => {
            machine.queue(slices, 0, pool);
            machine.write_failed(error.raw_os_error().unwrap_or(0), pool);
            return false;
        }
    };
    metrics.bytes_written.add(sent as u64);
    machine.sent_through(slices, sent, pool);
    if sent < offered {
        machine.write_would_block();
    }
    sent > 0
}

impl Entry {
    /// The poller reported an error. A connection that is paused by hand would not learn of it by reading, and need
    /// not: nobody is there any more to be read from at leisure.
    pub(crate) fn notice_failure(&mut self) {
        let Some(socket) = self.socket.as_ref().filter(|_| self.machine.is_paused()) else { return };
        if let Ok(Some(errno)) = socket::take_error(socket.as_fd()) {
            self.machine.read_failed(errno);
        }
    }

    /// How many bytes were sent, and how many of them the kernel holds: if neither changes, the peer takes none.
    pub(crate) fn sent_and_held(&self) -> (u64, usize) {
        let held = self.socket.as_ref().map_or(0, |socket| datagram::outstanding(socket.as_fd()));
        (self.machine.shared.sent(), held)
    }

    /// Whether the address that it connects to has answered, in one way or the other.
    pub(crate) fn is_answered(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket::readiness(socket.as_fd()).1)
    }

    /// What a peer did while the loop was busy is no fault of its: input that waits is input that came, and room for
    /// output is output that went. Says whether there is any.
    pub(crate) fn catch_up(&mut self, now: u64) -> bool {
        let Some(socket) = self.socket.as_ref() else { return false };
        let (readable, writable) = socket::readiness(socket.as_fd());
        let came = readable && self.machine.awaits_input();
        let went = writable && self.machine.is_stuck();
        if let Some(timing) = self.timing() {
            came.then(|| timing.came(now));
            went.then(|| timing.went(now));
        }
        came || went
    }
}

//! One stream connection as a state machine. It does no I/O: the loop reads and writes, tells it what came of
//! that, and asks what to do next.
//!
//! ```text
//!          close, handler error              queue sent
//!   Open ------------------------> Flushing ------------> Lingering ---> gone
//!     \                               \  EOF seen, broken                 ^
//!      `-- EOF and all answered,       `----------------------------------|
//!          reset, overflow ------------------------------------------------
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use crate::action::{CloseReason, Closed, Pressure};
use crate::buffer::{BlockPool, OutQueue};
use crate::config::Config;

/// What other threads may know and change of a connection.
#[derive(Debug)]
pub(crate) struct ConnShared {
    /// Writes are accepted. Cleared by the first close, from whatever thread.
    live: AtomicBool,
    /// Bytes written and not taken by the kernel: in the queue, or handed in by other threads and on their
    /// way.
    unsent: AtomicUsize,
    /// The high-water mark was crossed, and `on_drain` is owed.
    above: AtomicBool,
}

impl ConnShared {
    fn new() -> Arc<Self> {
        Arc::new(ConnShared {
            live: AtomicBool::new(true),
            unsent: AtomicUsize::new(0),
            above: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Refuses writes from now on; says whether they were accepted before.
    pub(crate) fn end(&self) -> bool {
        self.live.swap(false, Ordering::AcqRel)
    }

    /// Unsent bytes, wherever they wait.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Acquire)
    }

    /// Counts `len` more bytes; `None` if they would exceed the hard limit. Other threads call it with the
    /// mailbox locked, so that the bytes are on their way before anybody else looks.
    pub(crate) fn reserve(&self, len: usize, config: &Config) -> Option<Pressure> {
        let unsent = self.unsent().saturating_add(len);
        if unsent > config.hard_limit {
            return None;
        }
        self.unsent.fetch_add(len, Ordering::AcqRel);
        if unsent <= config.high_water {
            return Some(Pressure::Low);
        }
        self.above.store(true, Ordering::Release);
        Some(Pressure::High)
    }

    /// Takes `len` bytes off the count: they were sent, or dropped.
    fn settle(&self, len: usize) {
        self.unsent.fetch_sub(len, Ordering::AcqRel);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Closed by this side: the queue is being sent, input is discarded.
    Flushing(Closed),
    /// Writing is shut down: input is discarded until EOF or the linger limit.
    Lingering(Closed),
    /// Nothing is left to wait for.
    Over(Closed),
}

/// What to do with input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    No,
    Deliver,
    Discard,
}

/// What to do next for a connection that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    Flush,
    ShutdownWrite,
    /// Close the descriptor. If `all_sent` is wanted, then only if other threads have no bytes on their way.
    Close {
        closed: Closed,
        all_sent: bool,
    },
}

/// Why a write on the owner's thread was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    Overflow,
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) shared: Arc<ConnShared>,
    out: OutQueue,
    stage: Stage,
    /// The errno of a failed write. Reading goes on: what the peer sent before it vanished is still
    /// delivered.
    broken: Option<i32>,
    readable: bool,
    writable: bool,
    /// A short read proves nothing: end of file or urgent data was reported, or the socket is a Unix socket.
    read_on: bool,
    always_read_on: bool,
    eof: bool,
    /// A batch with this connection's events is unanswered.
    held: bool,
    drain_due: bool,
}

impl Machine {
    /// An open connection; a Unix socket is always read until it would block.
    pub(crate) fn new(unix: bool) -> Self {
        Machine {
            shared: ConnShared::new(),
            out: OutQueue::default(),
            stage: Stage::Open,
            broken: None,
            readable: false,
            writable: true,
            read_on: unix,
            always_read_on: unix,
            eof: false,
            held: false,
            drain_due: false,
        }
    }

    /// The poller reported readiness.
    pub(crate) fn ready(&mut self, readable: bool, writable: bool, read_on: bool) {
        self.readable |= readable && !self.eof;
        self.writable |= writable;
        self.read_on |= read_on;
    }

    /// Whether there is something to do before the next poll: input to take, or `on_drain` to call. Not while
    /// a batch is unanswered; but what the peer still sends to a closed connection is discarded all the same.
    pub(crate) fn wants_service(&self) -> bool {
        let waits = self.held && self.stage == Stage::Open;
        !waits && (self.drain_due || self.reading() != Reading::No)
    }

    /// What to do with input while the connection is served.
    pub(crate) fn reading(&self) -> Reading {
        match self.stage {
            _ if !self.readable => Reading::No,
            Stage::Open if self.broken.is_none() && self.owes_drain() => Reading::No,
            Stage::Open => Reading::Deliver,
            Stage::Flushing(_) | Stage::Lingering(_) => Reading::Discard,
            Stage::Over(_) => Reading::No,
        }
    }

    /// A read gave bytes; `full` says that it filled the buffer.
    pub(crate) fn received(&mut self, full: bool) {
        self.readable = full || self.read_on;
    }

    pub(crate) fn read_would_block(&mut self) {
        self.readable = false;
        self.read_on = self.always_read_on;
        // Writing is broken and nothing is left to read: waiting for an end of file may take for ever.
        self.eof |= self.broken.is_some();
    }

    pub(crate) fn received_eof(&mut self) {
        self.eof = true;
        self.readable = false;
    }

    pub(crate) fn read_failed(&mut self, errno: i32) {
        self.received_eof();
        self.shared.end();
        self.broken.get_or_insert(errno);
    }

    /// Queues bytes written on the owner's thread.
    pub(crate) fn write(
        &mut self,
        bytes: &[u8],
        config: &Config,
        pool: &mut BlockPool,
    ) -> Result<Pressure, Refused> {
        if !self.shared.is_live() || self.broken.is_some() {
            return Err(Refused::Closed);
        }
        let Some(pressure) = self.shared.reserve(bytes.len(), config) else {
            self.end_now(Closed::by(CloseReason::Overflow), pool);
            return Err(Refused::Overflow);
        };
        self.out.push(bytes, pool);
        Ok(pressure)
    }

    /// Queues bytes that another thread has handed in, and that were counted there.
    pub(crate) fn write_handed_in(&mut self, bytes: Vec<u8>, config: &Config, pool: &mut BlockPool) {
        if self.broken.is_some() || !matches!(self.stage, Stage::Open | Stage::Flushing(_)) {
            return self.shared.settle(bytes.len());
        }
        self.out.push_owned(bytes, pool);
        // Relief may have come between the count and now, and would have been the last.
        if self.shared.unsent() > config.high_water {
            self.shared.above.store(true, Ordering::Release);
        }
    }

    /// Drops the queue.
    fn drop_output(&mut self, pool: &mut BlockPool) {
        self.shared.settle(self.out.clear(pool));
    }

    pub(crate) fn out(&self) -> &OutQueue {
        &self.out
    }

    /// The kernel took `sent` bytes.
    pub(crate) fn sent(&mut self, sent: usize, pool: &mut BlockPool) {
        self.out.advance(sent, pool);
        self.shared.settle(sent);
    }

    pub(crate) fn write_would_block(&mut self) {
        self.writable = false;
    }

    pub(crate) fn write_failed(&mut self, errno: i32, pool: &mut BlockPool) {
        self.broken.get_or_insert(errno);
        self.shared.end();
        self.drop_output(pool);
        // An error is an edge that may have been consumed by the write: look for the end by reading.
        self.readable = !self.eof;
        self.read_on = true;
    }

    /// This side ends the connection: what is queued is sent first.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.shared.end();
        if self.stage == Stage::Open {
            self.stage = Stage::Flushing(Closed::by(reason));
        }
    }

    /// The connection ends without waiting for anything.
    pub(crate) fn end_now(&mut self, closed: Closed, pool: &mut BlockPool) {
        self.shared.end();
        self.drop_output(pool);
        self.stage = Stage::Over(closed);
    }

    /// How it ends if the server stops now.
    pub(crate) fn closed_by_stop(&self) -> Closed {
        match (self.stage, self.broken) {
            (Stage::Flushing(closed) | Stage::Lingering(closed) | Stage::Over(closed), _) => closed,
            (Stage::Open, Some(errno)) => Closed::reset(errno),
            (Stage::Open, None) => Closed::by(CloseReason::Shutdown),
        }
    }

    /// Writing was shut down.
    pub(crate) fn lingers(&mut self) {
        if let Stage::Flushing(closed) = self.stage {
            self.stage = Stage::Lingering(closed);
        }
    }

    /// The linger limit is over.
    pub(crate) fn linger_over(&mut self) {
        if let Stage::Lingering(closed) = self.stage {
            self.stage = Stage::Over(closed);
        }
    }

    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    pub(crate) fn next_step(&self) -> Step {
        if let Stage::Over(closed) = self.stage {
            return Step::Close { closed, all_sent: false };
        }
        if self.eof {
            if let Some(errno) = self.broken {
                let closed = match self.stage {
                    Stage::Open => Closed::reset(errno),
                    Stage::Flushing(closed) | Stage::Lingering(closed) | Stage::Over(closed) => closed,
                };
                return Step::Close { closed, all_sent: false };
            }
        }
        if !self.out.is_empty() {
            return if self.writable { Step::Flush } else { Step::Wait };
        }
        match self.stage {
            Stage::Open if self.eof && !self.held && !self.drain_due && !self.owes_drain() => {
                Step::Close { closed: Closed::by(CloseReason::Eof), all_sent: true }
            }
            Stage::Flushing(closed) if self.eof => Step::Close { closed, all_sent: true },
            Stage::Flushing(_) if self.broken.is_none() && self.shared.unsent() == 0 => Step::ShutdownWrite,
            Stage::Lingering(closed) if self.eof => Step::Close { closed, all_sent: false },
            _ => Step::Wait,
        }
    }

    fn owes_drain(&self) -> bool {
        self.shared.above.load(Ordering::Acquire)
    }

    /// Ends pressure once the queue is at the low-water mark: `on_drain` is then due.
    pub(crate) fn relieve(&mut self, low_water: usize) {
        if self.owes_drain() && self.shared.unsent() <= low_water {
            self.shared.above.store(false, Ordering::Release);
            self.drain_due = self.shared.is_live();
        }
    }

    /// Whether `on_drain` is due; asking takes it.
    pub(crate) fn take_drain(&mut self) -> bool {
        std::mem::take(&mut self.drain_due) && self.shared.is_live()
    }
}

#[cfg(test)]
mod tests;

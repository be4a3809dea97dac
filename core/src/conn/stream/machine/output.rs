//! The output of a connection: what is queued, counted, sent and completed.

use super::{Flag, Machine, Refused, Stage};
use crate::conn::completions::Completions;
use crate::conn::shared::ConnShared;
use crate::conn::stream::extra::Extra;
use crate::conn::stream::queue::{BlockPool, OutQueue, Parcel, Room, DIRECT};
use crate::contract::action::{CloseReason, Closed, Completed, Completion, Pressure};
use crate::contract::config::Config;

impl Machine {
    /// Room for `len` bytes of a connection that flows, if that leaves it flowing: the `FIRST` that it writes in this turn,
    /// or not.
    #[inline(always)]
    pub(crate) fn room_flowing<'a, const FIRST: bool>(
        &self,
        len: usize,
        high_water: usize,
        pool: &'a mut BlockPool,
    ) -> Option<Room<'a>> {
        let shared: &ConnShared = &self.shared;
        // The hard limit is not below the high-water mark.
        let low = (1..DIRECT).contains(&len) && shared.unsent() + len <= high_water;
        if !low || !shared.takes_writes() {
            return None;
        }
        self.out.room_in_turn(FIRST, len, pool)
    }

    /// Queues so many bytes, which the caller fills in.
    #[inline(always)]
    pub(crate) fn write_flowing<'a>(&mut self, room: Room<'a>) -> &'a mut [u8] {
        self.shared.count_own(room.len());
        self.out.take_room(room)
    }

    /// Counts bytes that are about to be queued, if they may be: `within_budget` says whether the server has room for
    /// them, beside what the connection holds. Beyond the hard limit the connection ends, unless it is to be kept.
    pub(crate) fn reserve(
        &mut self,
        len: usize,
        config: &Config,
        pool: &mut BlockPool,
        within_budget: impl FnOnce(&ConnShared) -> bool,
    ) -> Result<Pressure, Refused> {
        if !self.shared.takes_writes() || self.is(Flag::Broken) {
            return Err(Refused::Closed);
        }
        let Some(pressure) = self.shared.pressure_with(len, config) else {
            if !config.keep_on_overflow {
                self.end_now(Closed::by(CloseReason::Overflow), pool);
            }
            return Err(Refused::Overflow);
        };
        if !within_budget(&self.shared) {
            return Err(Refused::Budget);
        }
        self.shared.count_own(len);
        if pressure == Pressure::High {
            self.shared.owe_drain();
        }
        Ok(pressure)
    }

    /// Queues what is behind the first `skip` of these bytes, which were counted before.
    pub(crate) fn queue(&mut self, slices: &[&[u8]], mut skip: usize, pool: &mut BlockPool) {
        for slice in slices {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            self.out.push(&slice[skipped..], pool);
        }
    }

    /// Whether output that is written now may be sent at once, behind what is queued.
    pub(crate) fn sends_at_once(&self) -> bool {
        self.is_open() && self.is(Flag::Writable) && !self.is(Flag::Broken)
    }

    /// Whether there is output that the kernel may take now, be the connection closing.
    pub(crate) fn has_output_to_send(&self) -> bool {
        let sends = matches!(self.stage, Stage::Open | Stage::Flushing | Stage::Detaching);
        sends && self.is(Flag::Writable) && !self.is(Flag::Broken) && !self.out.is_empty()
    }

    /// The kernel took `sent` bytes of the queue and of these behind it; the rest of them is queued.
    pub(crate) fn sent_through(&mut self, slices: &[&[u8]], sent: usize, pool: &mut BlockPool) {
        let of_queue = sent.min(self.out.len());
        self.out.advance(of_queue, pool);
        self.queue(slices, sent - of_queue, pool);
        self.shared.count_sent(sent);
        self.shared.settle(sent);
    }

    /// Queues bytes that another thread has handed in, and that were counted there; says whether they were.
    pub(crate) fn write_handed_in(&mut self, bytes: Parcel, config: &Config, pool: &mut BlockPool) -> bool {
        let takes = !matches!(self.stage, Stage::Lingering | Stage::Over);
        if self.is(Flag::Broken) || !takes {
            self.shared.settle(bytes.len());
            self.give_up(bytes.len());
            return false;
        }
        self.out.push_parcel(bytes, pool);
        // Relief may have come between the count and now, and would have been the last.
        if self.shared.unsent() > config.high_water {
            self.shared.owe_drain();
        }
        true
    }

    /// The last write is to be followed by this call.
    pub(crate) fn complete_with(&mut self, completion: Completion, pool: &mut BlockPool) {
        let at = self.shared.sent() + self.out.len() as u64;
        let before = self.completions_memory();
        self.extra().completions.get_or_insert_default().push(at, completion);
        self.count_completions(before, pool);
    }

    /// Their memory was `before`, and may have changed.
    fn count_completions(&self, before: usize, pool: &mut BlockPool) {
        let memory = self.completions_memory();
        self.shared.note_completions(memory);
        pool.change += memory as isize - before as isize;
    }

    fn completions(&self) -> Option<&Completions> {
        self.extra.as_ref()?.completions.as_deref()
    }

    pub(super) fn has_completions(&self) -> bool {
        self.completions().is_some()
    }

    /// Memory of the completions that wait.
    pub(crate) fn completions_memory(&self) -> usize {
        self.completions().map_or(0, Completions::memory)
    }

    /// Takes the completions whose bytes were sent.
    #[inline]
    pub(crate) fn take_completed(&mut self, done: &mut Vec<(Completion, Completed)>, pool: &mut BlockPool) {
        if self.has_completions() {
            let sent = self.shared.sent();
            self.take_completions(pool, |completions| completions.take(sent, Completed::Sent, done));
        }
    }

    /// Takes all completions: they are cancelled.
    pub(crate) fn cancel_completions(
        &mut self,
        done: &mut Vec<(Completion, Completed)>,
        pool: &mut BlockPool,
    ) {
        self.take_completions(pool, |completions| completions.cancel(done));
    }

    fn take_completions(&mut self, pool: &mut BlockPool, take: impl FnOnce(&mut Completions)) {
        let Some(extra) = &mut self.extra else { return };
        let Some(completions) = &mut extra.completions else { return };
        let before = completions.memory();
        take(completions);
        extra.completions.take_if(|completions| completions.is_empty());
        self.count_completions(before, pool);
    }

    /// What few connections have: this one from now on.
    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Drops the queue: the peer must not take what it has for all there was.
    pub(crate) fn drop_output(&mut self, pool: &mut BlockPool) {
        self.give_up(self.out.len());
        self.shared.settle(self.out.clear(pool));
    }

    /// So many bytes that were accepted will not be sent: if there are any, the peer sees a reset.
    fn give_up(&mut self, len: usize) {
        if len > 0 {
            self.set(Flag::Resets, true);
        }
    }

    /// Takes the queue out, for somebody else to send.
    pub(crate) fn take_output(&mut self, pool: &mut BlockPool) -> Vec<u8> {
        let output = self.out.take_bytes(pool);
        self.shared.settle(output.len());
        output
    }

    /// Whether other threads have handed in something that the loop has not taken yet.
    pub(crate) fn has_bytes_on_the_way(&self) -> bool {
        self.shared.awaits_completions() || self.shared.unsent() > self.out.len()
    }

    pub(crate) fn out(&self) -> &OutQueue {
        &self.out
    }

    /// The turn ends: what of its output was not sent goes to a block.
    pub(crate) fn set_output_aside(&mut self, pool: &mut BlockPool) {
        self.out.set_aside(pool);
    }

    /// The kernel took `sent` bytes.
    pub(crate) fn sent(&mut self, sent: usize, pool: &mut BlockPool) {
        self.out.advance(sent, pool);
        self.shared.count_sent(sent);
        self.shared.settle(sent);
    }

    /// The kernel took all that was written in this turn, which is all there is.
    #[inline]
    pub(crate) fn sent_in_turn(&mut self, sent: usize) {
        self.out.sent_in_turn();
        self.shared.count_sent(sent);
        self.shared.settle(sent);
    }

    pub(crate) fn send_would_block(&mut self) {
        self.set(Flag::Writable, false);
    }

    pub(crate) fn send_failed(&mut self, errno: i32, pool: &mut BlockPool) {
        self.break_with(errno);
        self.shared.close();
        self.drop_output(pool);
        self.set(Flag::Readable, !self.is(Flag::Eof));
    }
}

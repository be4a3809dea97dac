//! What a loop gathers for its next hand-over: the records of what happened, and the bytes of it.

use std::ops::Range;
use std::sync::Arc;

use super::about;
use super::envelope::Envelope;
use super::hand_over::HandOver;
use super::record::{Kind, Record};
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::delivery::handler::Detached;
use crate::shared::mailbox::Mailbox;

/// Bytes gathered for one hand-over before the loop stops reading: the most that one holds, but for the last
/// connection's read budget. The size of a common L2 cache.
const GATHER_LIMIT: usize = 1 << 20;
/// Records gathered for one hand-over before the loop stops reading and accepting: peers that connect and reset give
/// records without bytes.
const RECORD_LIMIT: usize = 16 << 10;
/// Capacity that is kept from one to the next; what a burst needed beyond it is given back.
const KEPT_BYTES: usize = 128 << 10;
const KEPT_RECORDS: usize = 2048;

/// What a loop gathers for its next hand-over.
#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Record>,
    pub(super) bytes: Vec<u8>,
    pub(super) detached: Vec<(ConnId, Detached)>,
    /// How many bytes the one before had: as many are expected.
    expected: usize,
}

impl Log {
    /// The bytes from here on are a connection's. They belong to the record before, if that is of such of the same connection.
    pub(super) fn push_raw(&mut self, conn: &Conn<'_>, from: usize) {
        let end = self.bytes.len();
        match self.records.last_mut() {
            Some(last) if last.ends_raw_data(conn.id(), from) => last.extend(end),
            _ => self.records.push(Record::data(conn.id(), from..end)),
        }
    }

    /// A frame, with all of its piece of the stream: it may have to be given back, to be cut otherwise.
    #[inline]
    pub(super) fn push_frame(&mut self, conn: &Conn<'_>, piece: &[u8], frame: Range<usize>) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        let place = from + frame.start..from + frame.end;
        if let Some(record) = Record::frame(conn.id(), place.clone(), piece.len() - frame.end) {
            return self.records.push(record);
        }
        self.records.extend(Record::frame(conn.id(), place.clone(), 0));
        self.records.push(Record::at(Kind::CutOff, conn.id(), place.end..self.bytes.len()));
    }

    /// The arguments of a command, each behind its length, and behind what the command takes in the stream. None is as long as
    /// 4 GiB: frames are limited.
    pub(super) fn push_command(&mut self, conn: &Conn<'_>, piece: &[u8], data: &[u8]) {
        self.bytes.extend_from_slice(piece);
        let from = self.bytes.len();
        for argument in conn.arguments(data).iter() {
            self.bytes.extend_from_slice(&(argument.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(argument);
        }
        self.records.push(Record::at(Kind::Command, conn.id(), from..self.bytes.len()));
    }

    /// A datagram, behind its envelope.
    pub(super) fn push_datagram(&mut self, conn: &Conn<'_>, bytes: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&Envelope::of(conn).to_bytes());
        self.bytes.extend_from_slice(bytes);
        self.records.push(Record::at(Kind::Datagram, conn.id(), from..self.bytes.len()));
    }

    /// How it was with a connection that ends.
    pub(super) fn push_about(&mut self, conn: &Conn<'_>) {
        let from = self.bytes.len();
        about::write_about(&mut self.bytes, conn);
        self.records.push(Record::at(Kind::About, conn.id(), from..self.bytes.len()));
    }

    /// Whether so much is gathered that nothing more should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= GATHER_LIMIT || self.records.len() >= RECORD_LIMIT
    }

    /// Memory to read into. What the last time needed is asked for at once: growing would copy.
    pub(super) fn make_room(&mut self, room: usize) -> &mut Vec<u8> {
        match self.bytes.is_empty() {
            true => self.bytes.reserve_exact(self.expected + room),
            false => self.bytes.reserve(room),
        }
        &mut self.bytes
    }

    /// What was gathered, for whoever handles it.
    pub(super) fn take(&mut self, answer_to: Option<Arc<Mailbox>>) -> HandOver {
        self.expected = self.bytes.len().min(GATHER_LIMIT);
        let (records, bytes) = (std::mem::take(&mut self.records), std::mem::take(&mut self.bytes));
        HandOver::new(records, bytes, std::mem::take(&mut self.detached), answer_to)
    }

    /// Takes answered memory back, if it is the better one, and nobody else has a share in it.
    pub(super) fn reuse(&mut self, mut records: Vec<Record>, bytes: Arc<Vec<u8>>) {
        if self.records.is_empty() && records.capacity() <= KEPT_RECORDS {
            records.clear();
            self.records = records;
        }
        let Some(mut bytes) = Arc::into_inner(bytes) else { return };
        if self.bytes.is_empty() && bytes.capacity() <= KEPT_BYTES {
            bytes.clear();
            self.bytes = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(bytes: Vec<u8>) -> (Vec<Record>, Arc<Vec<u8>>) {
        (Vec::with_capacity(7), Arc::new(bytes))
    }

    #[test]
    fn answered_memory_is_used_again_unless_a_burst_needed_it_or_somebody_has_a_share() {
        let mut log = Log::default();
        let (records, bytes) = answered(vec![1; KEPT_BYTES]);
        log.reuse(records, bytes);
        assert_eq!((log.records.capacity(), log.bytes.len(), log.bytes.capacity()), (7, 0, KEPT_BYTES));

        let mut log = Log::default();
        log.reuse(Vec::with_capacity(KEPT_RECORDS + 1), answered(vec![1; KEPT_BYTES + 1]).1);
        assert_eq!((log.records.capacity(), log.bytes.capacity()), (0, 0));

        let (records, bytes) = answered(vec![1; 10]);
        let share = Arc::clone(&bytes);
        log.reuse(records, bytes);
        assert_eq!((log.bytes.capacity(), &share[..]), (0, &[1; 10][..]));
    }

    #[test]
    fn as_many_records_are_as_full_as_so_many_bytes() {
        let mut log =
            Log { records: vec![Record::new(Kind::Tick, None, [0; 2]); RECORD_LIMIT - 1], ..Log::default() };
        assert!(!log.is_full());
        log.records.push(log.records[0]);
        assert!(log.is_full());

        let mut log = Log { bytes: vec![0; GATHER_LIMIT - 1], ..Log::default() };
        assert!(!log.is_full());
        log.bytes.push(0);
        assert!(log.is_full());
    }

    #[test]
    fn room_is_made_for_what_the_last_time_needed_and_no_more() {
        let mut log = Log::default();
        log.make_room(100).extend([1; 5000]);
        assert_eq!(log.take(None).bytes().len(), 5000);
        assert_eq!(log.make_room(100).capacity(), 5100);
        drop(log.take(None));
        assert_eq!(log.make_room(100).capacity(), 100);
    }
}

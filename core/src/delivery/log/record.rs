//! The records of a log: one for each event, flat, so that another language reads them as they lie.

use std::ops::Range;

use crate::base::conn_id::ConnId;
use crate::base::timer::TimerId;
use crate::contract::action::{CloseReason, Closed, Completed};

/// What a record tells. The numbers cross into other languages, which are told them by [`Kind::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u16)]
pub enum Kind {
    /// The connection is open and takes writes.
    Open = 0,
    /// Bytes came in: the numbers are where they begin and end in the log's bytes. A frame lies there with all that it takes in the
    /// stream: see [`FRAME`](Record::FRAME).
    Data = 1,
    /// The queue of unsent output has fallen to the low-water mark.
    Drain = 2,
    /// The connection is gone: the numbers are the reason's and the system's error number or 0.
    Close = 3,
    /// The peer has shut its writing side down; only with `half_open`.
    Eof = 4,
    /// Somebody has called `wake`.
    Wake = 5,
    /// A timer of the connection's is due: the numbers are the high and the low half of its id.
    Timer = 6,
    /// Time passes, for the server.
    Tick = 7,
    /// A graceful stop of the server has begun.
    Stopping = 8,
    /// A write with `completion` has come to its end: the numbers are its token, and 0 if it was sent or 1 if
    /// it was cancelled.
    Completed = 9,
    /// A command came in: the numbers are where its arguments begin and end in the log's bytes, each with its length, as 32 bits in
    /// little-endian order, in front. In front of them lies the command as it came.
    Command = 10,
    /// How it was with a connection that ends, right before [`Close`](Self::Close): the numbers are where the text begins and ends
    /// in the log's bytes. See [`About`](super::About).
    About = 11,
    /// A datagram came in: the numbers are where its [`Envelope`](super::Envelope) begins, and where its bytes end, which stand
    /// behind that.
    Datagram = 12,
    /// The connection was detached: its last event. See [`take_detached`](super::HandOver::take_detached).
    Detached = 13,
    /// What a framing has cut off behind the frame before, where that is too long for the frame's own record: the numbers are where
    /// it begins and ends in the log's bytes.
    CutOff = 14,
}

impl Kind {
    /// Every kind, at the place of its number.
    pub const ALL: [Kind; 15] = [
        Kind::Open,
        Kind::Data,
        Kind::Drain,
        Kind::Close,
        Kind::Eof,
        Kind::Wake,
        Kind::Timer,
        Kind::Tick,
        Kind::Stopping,
        Kind::Completed,
        Kind::Command,
        Kind::About,
        Kind::Datagram,
        Kind::Detached,
        Kind::CutOff,
    ];

    /// The name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Data => "data",
            Kind::Drain => "drain",
            Kind::Close => "close",
            Kind::Eof => "eof",
            Kind::Wake => "wake",
            Kind::Timer => "timer",
            Kind::Tick => "tick",
            Kind::Stopping => "stopping",
            Kind::Completed => "completed",
            Kind::Command => "command",
            Kind::About => "about",
            Kind::Datagram => "datagram",
            Kind::Detached => "detached",
            Kind::CutOff => "cut off",
        }
    }
}

/// An event: five numbers of 32 bits, in this order, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// The kind below, the flags above.
    what: u32,
    /// The halves of the connection's id; 0 of the server's own events.
    high: u32,
    low: u32,
    first: u32,
    second: u32,
}

impl Record {
    /// How many numbers a record is.
    pub const WORDS: usize = size_of::<Record>() / size_of::<u32>();
    /// Flag of [`Kind::Data`]: the bytes are one frame, and none of them can be kept. In front of them lies what the frame's piece of
    /// the stream begins with, and behind them what it ends with. The flags above tell how long the latter is:
    /// see [`behind`](Self::behind).
    pub const FRAME: u16 = 1;
    /// How many bytes may lie behind a frame.
    const MOST_BEHIND: usize = 0x3fff;

    pub(super) fn new(kind: Kind, conn: Option<ConnId>, numbers: [u32; 2]) -> Self {
        let [high, low] = halves(conn.map_or(0, ConnId::to_u64));
        Record { what: kind as u32, high, low, first: numbers[0], second: numbers[1] }
    }

    /// Of a kind whose numbers are a place in the log's bytes.
    pub(super) fn at(kind: Kind, conn: ConnId, range: Range<usize>) -> Self {
        Record::new(kind, Some(conn), [range.start as u32, range.end as u32])
    }

    /// Bytes at this place. A log is far smaller than 4 GiB: the read budget is limited to 1 GiB.
    pub(super) fn data(conn: ConnId, range: Range<usize>) -> Self {
        Record::at(Kind::Data, conn, range)
    }

    /// A frame at this place, with so many bytes of its piece behind it. `None`: they are too many.
    pub(super) fn frame(conn: ConnId, range: Range<usize>, behind: usize) -> Option<Self> {
        let flags = u32::from(Record::FRAME) | (behind as u32) << 1;
        let record = Record::at(Kind::Data, conn, range);
        (behind <= Self::MOST_BEHIND).then_some(Record { what: record.what | flags << 16, ..record })
    }

    pub(super) fn timer(conn: ConnId, timer: TimerId) -> Self {
        Record::new(Kind::Timer, Some(conn), halves(timer.to_u64()))
    }

    pub(super) fn closed(conn: ConnId, closed: Closed) -> Self {
        let numbers = [closed.reason as u32, closed.errno.unwrap_or(0) as u32];
        Record::new(Kind::Close, Some(conn), numbers)
    }

    /// Whether it tells raw bytes of this connection, which end here.
    pub(super) fn ends_raw_data(&self, conn: ConnId, end: usize) -> bool {
        self.what == Kind::Data as u32 && self.conn() == Some(conn) && self.second as usize == end
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.what & 0xffff == kind as u32
    }

    /// Whether it tells what a framing has cut.
    pub(super) fn is_cut(&self) -> bool {
        self.flags() & Self::FRAME != 0 || self.is(Kind::Command) || self.is(Kind::CutOff)
    }

    /// Bytes that follow are this connection's, too.
    pub(super) fn extend(&mut self, end: usize) {
        self.second = end as u32;
    }

    /// What it tells.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::ALL[(self.what & 0xffff) as usize % Kind::ALL.len()]
    }

    /// More about it: see [`FRAME`](Self::FRAME).
    #[must_use]
    pub fn flags(&self) -> u16 {
        (self.what >> 16) as u16
    }

    /// Of a frame: how many bytes of its piece of the stream lie behind it.
    #[must_use]
    pub fn behind(&self) -> usize {
        usize::from(self.flags() >> 1) & Self::MOST_BEHIND
    }

    /// Whose event it is; `None`: the server's.
    #[must_use]
    pub fn conn(&self) -> Option<ConnId> {
        ConnId::from_u64(whole(self.high, self.low))
    }

    /// Of [`Kind::Data`]: where its bytes lie in the log's.
    #[must_use]
    pub fn range(&self) -> Option<Range<usize>> {
        (self.kind() == Kind::Data).then(|| self.place())
    }

    /// Of a kind whose numbers are a place in the log's bytes: that.
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.first as usize..self.second as usize
    }

    /// Of [`Kind::Completed`]: the token, and how the write ended.
    #[must_use]
    pub fn completed(&self) -> Option<(u32, Completed)> {
        let completed = if self.second == 0 { Completed::Sent } else { Completed::Cancelled };
        (self.kind() == Kind::Completed).then_some((self.first, completed))
    }

    /// Of [`Kind::Close`]: how the connection ended.
    #[must_use]
    pub fn how_closed(&self) -> Option<Closed> {
        let number = (self.kind() == Kind::Close).then_some(self.first as i32)?;
        let reason = CloseReason::ALL.into_iter().find(|reason| *reason as i32 == number)?;
        Some(Closed { reason, errno: (self.second != 0).then_some(self.second as i32) })
    }

    /// Of [`Kind::Timer`]: which.
    #[must_use]
    pub fn which_timer(&self) -> Option<TimerId> {
        (self.kind() == Kind::Timer).then(|| TimerId::from_u64(whole(self.first, self.second)))?
    }
}

fn halves(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, number as u32]
}

fn whole(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_stands_at_the_place_of_its_number() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{}", kind.name());
        }
    }

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let conn = ConnId::from_u64(7 << 32 | 9).expect("an id");
        let closed = Closed::reset(104);
        let record = Record::closed(conn, closed);
        assert_eq!(
            (record.kind(), record.conn(), record.how_closed()),
            (Kind::Close, Some(conn), Some(closed))
        );
        let timer = TimerId::from_u64(u64::MAX - 5).expect("an id");
        assert_eq!(Record::timer(conn, timer).which_timer(), Some(timer));
        let frame = Record::frame(conn, 3..8, 2).expect("a record");
        assert_eq!(
            (frame.kind(), frame.is_cut(), frame.range(), frame.behind()),
            (Kind::Data, true, Some(3..8), 2)
        );
        assert!(!frame.ends_raw_data(conn, 8));
        let longest = Record::frame(conn, 3..8, Record::MOST_BEHIND).expect("a record");
        assert_eq!((longest.behind(), longest.flags() >> 15), (Record::MOST_BEHIND, 0));
        assert_eq!(Record::frame(conn, 3..8, Record::MOST_BEHIND + 1), None);
        assert_eq!(Record::new(Kind::Tick, None, [0; 2]).conn(), None);
        assert_eq!(Record::WORDS, 5);
    }
}

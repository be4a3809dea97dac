//! The carrier for languages that are dear to enter: a turn's events in one log of flat records, and their bytes in one
//! piece of memory that the loop reads into. Both are handed over together.
//!
//! While a hand-over is unanswered its connections are held: they are not read, and not closed at the end of file. The
//! loop makes no second one meanwhile; it gathers for it up to a mebibyte, then stops reading and accepting. So what
//! waits for a slow reader is bounded. Whether the reader has a thread of its own is its own affair. Of one that handles
//! each log in place only UDP sockets are held, which could end before, and connections whose input cannot be cut, or has ended, behind
//! frames of the same turn, which that would overtake. The others flow: what happened in a turn is handled before that turn brings
//! anything to rest.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::Event;
use super::handler::{BoxError, Detached};
use super::receiver::{Delivery, Receiver, Turn};
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::contract::action::Action;
use crate::contract::carries::Carries;
use crate::shared::handle::Handle;
use crate::shared::mailbox::Mailbox;

mod about;
mod completion;
mod envelope;
mod hand_over;
mod record;

pub use about::About;
pub use completion::completion;
pub use envelope::Envelope;
use hand_over::Answered;
pub use hand_over::HandOver;
pub use record::{Kind, Record};

/// Bytes gathered for one hand-over before the loop stops reading: the most that one holds, but for the last
/// connection's read budget. The size of a common L2 cache.
const GATHER_LIMIT: usize = 1 << 20;
/// Records gathered for one hand-over before the loop stops reading and accepting: peers that connect and reset give
/// records without bytes.
const RECORD_LIMIT: usize = 16 << 10;
/// Capacity that is kept from one to the next; what a burst needed beyond it is given back.
const KEPT_BYTES: usize = 128 << 10;
const KEPT_RECORDS: usize = 2048;

/// Who reads the logs of a server's loops: what a language binding implements.
pub trait Reader: Send + Sync + 'static {
    /// As [`Handler::on_start`](crate::Handler::on_start).
    ///
    /// # Errors
    /// Whatever keeps the server from starting.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError>;

    /// Takes what a loop has gathered, on the loop's thread: handles it and gives it back with its answers, or moves it
    /// elsewhere, where dropping it is the answer. Those of one loop come in order, and one at a time; but the last, when
    /// the loop has ended, comes whether the one before was answered or not.
    fn read(&self, server: &Handle, hand_over: HandOver) -> Option<HandOver>;

    /// As [`Handler::on_stop`](crate::Handler::on_stop); everything has been handed over before.
    fn on_stop(&self, server: &Handle);

    /// Whether [`read`](Self::read) gives each log back, handled, but for a last one that nobody answers.
    fn reads_in_place(&self) -> bool {
        false
    }

    /// As [`Delivery::runs_user_code`]: not if it moves what it reads to another thread.
    fn runs_user_code(&self) -> bool {
        true
    }

    /// Whether it takes a [`Kind::Command`]. Otherwise framings that cut commands are refused.
    fn takes_commands(&self) -> bool {
        false
    }

    /// Whether it wants a [`Kind::About`] before each end.
    fn takes_about(&self) -> bool {
        false
    }

    /// The time that there is at least between two hand-overs of a loop, unless as much waits as one may hold: fewer and larger ones,
    /// each later by up to that. Less than a millisecond counts as one where the system cannot wait for less.
    fn interval(&self) -> Duration {
        Duration::ZERO
    }

    /// How often a [`Kind::Tick`] is wanted.
    fn tick(&self) -> Option<Duration> {
        None
    }
}

/// The delivery that feeds a [`Reader`].
#[derive(Debug)]
pub struct Logged<R>(Arc<R>);

impl<R: Reader> Logged<R> {
    /// Delivers to `reader`.
    pub fn new(reader: R) -> Self {
        Logged(Arc::new(reader))
    }
}

impl<R: Reader> Delivery for Logged<R> {
    fn receiver(&self) -> Box<dyn Receiver> {
        let (reader, holds) = (Arc::clone(&self.0), !self.0.reads_in_place());
        let spacing = Spacing { interval: self.0.interval(), last: None };
        Box::new(Logger {
            reader,
            log: Log::default(),
            holds,
            held: 0,
            late: Vec::new(),
            outstanding: false,
            spacing,
        })
    }

    fn carries(&self) -> Carries {
        let commands = self.0.takes_commands();
        Carries { detach: true, commands, turns: true, lends: true, gathers: false }
    }

    fn runs_user_code(&self) -> bool {
        self.0.runs_user_code()
    }

    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        self.0.on_start(server)
    }

    fn on_stop(&self, server: &Handle) {
        self.0.on_stop(server);
    }
}

/// What a loop gathers for its next hand-over.
#[derive(Default)]
struct Log {
    records: Vec<Record>,
    bytes: Vec<u8>,
    detached: Vec<(ConnId, Detached)>,
    /// How many bytes the one before had: as many are expected.
    expected: usize,
}

impl Log {
    /// The bytes from here on are a connection's. They belong to the record before, if that is of such of the same connection.
    fn push_raw(&mut self, conn: &Conn<'_>, from: usize) {
        let end = self.bytes.len();
        match self.records.last_mut() {
            Some(last) if last.ends_raw_data(conn.id(), from) => last.extend(end),
            _ => self.records.push(Record::data(conn.id(), from..end)),
        }
    }

    /// A frame, with all of its piece of the stream: it may have to be given back, to be cut otherwise.
    #[inline]
    fn push_frame(&mut self, conn: &Conn<'_>, piece: &[u8], frame: Range<usize>) {
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
    fn push_command(&mut self, conn: &Conn<'_>, piece: &[u8], data: &[u8]) {
        self.bytes.extend_from_slice(piece);
        let from = self.bytes.len();
        for argument in conn.arguments(data).iter() {
            self.bytes.extend_from_slice(&(argument.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(argument);
        }
        self.records.push(Record::at(Kind::Command, conn.id(), from..self.bytes.len()));
    }

    /// A datagram, behind its envelope.
    fn push_datagram(&mut self, conn: &Conn<'_>, bytes: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&Envelope::of(conn).to_bytes());
        self.bytes.extend_from_slice(bytes);
        self.records.push(Record::at(Kind::Datagram, conn.id(), from..self.bytes.len()));
    }

    /// How it was with a connection that ends.
    fn push_about(&mut self, conn: &Conn<'_>) {
        let from = self.bytes.len();
        about::write_about(&mut self.bytes, conn);
        self.records.push(Record::at(Kind::About, conn.id(), from..self.bytes.len()));
    }

    /// Whether so much is gathered that nothing more should be taken in.
    fn is_full(&self) -> bool {
        self.bytes.len() >= GATHER_LIMIT || self.records.len() >= RECORD_LIMIT
    }

    /// Memory to read into. What the last time needed is asked for at once: growing would copy.
    fn make_room(&mut self, room: usize) -> &mut Vec<u8> {
        match self.bytes.is_empty() {
            true => self.bytes.reserve_exact(self.expected + room),
            false => self.bytes.reserve(room),
        }
        &mut self.bytes
    }

    /// What was gathered, for whoever handles it.
    fn take(&mut self, answer_to: Option<Arc<Mailbox>>) -> HandOver {
        self.expected = self.bytes.len().min(GATHER_LIMIT);
        let (records, bytes) = (std::mem::take(&mut self.records), std::mem::take(&mut self.bytes));
        HandOver::new(records, bytes, std::mem::take(&mut self.detached), answer_to)
    }

    /// Takes answered memory back, if it is the better one, and nobody else has a share in it.
    fn reuse(&mut self, mut records: Vec<Record>, bytes: Arc<Vec<u8>>) {
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

/// The receiver of one loop.
struct Logger<R> {
    reader: Arc<R>,
    log: Log,
    /// The answer may come in a later turn, for which every connection waits.
    holds: bool,
    /// So many records of the log, the first ones, have their connections held for what a framing has cut.
    held: usize,
    /// In place: those that are held for what a framing has cut.
    late: Vec<ConnId>,
    /// A hand-over is unanswered.
    outstanding: bool,
    spacing: Spacing,
}

/// The time between two hand-overs.
struct Spacing {
    interval: Duration,
    last: Option<Instant>,
}

impl Spacing {
    /// How long the next has to wait.
    fn left(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| self.interval.saturating_sub(last.elapsed()))
    }

    /// One is made.
    fn begin(&mut self) {
        if !self.interval.is_zero() {
            self.last = Some(Instant::now());
        }
    }
}

impl<R: Reader> Logger<R> {
    /// Notes an event of a connection, which waits from now on for the answer.
    fn note(&mut self, conn: &Conn<'_>, kind: Kind) {
        self.note_record(conn, Record::new(kind, Some(conn.id()), [0; 2]));
    }

    fn note_record(&mut self, conn: &Conn<'_>, record: Record) {
        let waits = self.waits(conn.id());
        self.log.records.push(record);
        self.gathered(conn, waits);
    }

    /// The last record was noted of a connection, which may wait for the answer already.
    fn gathered(&mut self, conn: &Conn<'_>, waits: bool) {
        if !waits && self.log.records.last().is_some_and(|record| self.is_held_at_once_for(record)) {
            conn.hold_for_answer();
        }
        conn.set_full(self.log.is_full());
    }

    /// Whether the last record is one for which this connection was held at once.
    fn waits(&self, conn: ConnId) -> bool {
        let waits = |last: &Record| last.conn() == Some(conn) && self.is_held_at_once_for(last);
        self.log.records.last().is_some_and(waits)
    }

    /// Whether a record's connection waits for its answer: in place only a UDP socket, which could end before. What a write
    /// has come to asks for none.
    fn is_held_for(&self, record: &Record) -> bool {
        match self.holds {
            true => !record.is(Kind::Completed) && !record.is(Kind::About),
            false => record.is(Kind::Datagram),
        }
    }

    /// Whether it is held before the turn has delivered the rest of its input. What is cut is not: held, it would take the long
    /// way for each frame.
    fn is_held_at_once_for(&self, record: &Record) -> bool {
        self.is_held_for(record) && !record.is_cut()
    }

    /// Holds those whose input was cut in this turn.
    fn hold_cut(&mut self, turn: &Turn<'_>) {
        if self.holds {
            let new = &self.log.records[self.held..];
            connections(new.iter().filter(|record| record.is_cut())).for_each(|conn| turn.hold(conn));
        }
        self.held = self.log.records.len();
    }

    /// The connections that wait for the answer of these records, each once for those that stand side by side.
    fn held<'a>(&'a self, records: &'a [Record]) -> impl Iterator<Item = ConnId> + 'a {
        connections(records.iter().filter(|record| self.is_held_for(record)))
    }

    /// Whether something waits, and not for an answer.
    fn waits_alone(&self) -> bool {
        !self.log.records.is_empty() && !self.outstanding
    }

    /// Notes an event of the server's.
    fn note_of_server(&mut self, kind: Kind) {
        self.log.records.push(Record::new(kind, None, [0; 2]));
    }

    /// Does what was answered; then the connections go on.
    fn take_answer(&mut self, turn: &Turn<'_>, answered: Answered) {
        self.outstanding = false;
        for (record, action, kept) in answered.answers() {
            let Some(conn) = record.conn() else {
                // The server's own events can only ask for what concerns it.
                if action == Action::Stop {
                    turn.server().stop();
                }
                continue;
            };
            if !kept.is_empty() {
                turn.keep(conn, kept);
            }
            turn.act(conn, action);
        }
        self.held(&answered.records).for_each(|conn| turn.release(conn));
        self.late.drain(..).for_each(|conn| turn.release(conn));
        // Of some there is more to answer: what happened to them meanwhile.
        self.held(&self.log.records).for_each(|conn| turn.hold(conn));
        self.log.reuse(answered.records, answered.bytes);
    }
}

/// Whose records these are, each once for those that stand side by side.
fn connections<'a>(records: impl Iterator<Item = &'a Record> + 'a) -> impl Iterator<Item = ConnId> + 'a {
    let mut before = None;
    records.filter_map(Record::conn).filter(move |conn| before.replace(*conn) != Some(*conn))
}

impl<R: Reader> Receiver for Logger<R> {
    fn data(&mut self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let (waits, from) = (self.waits(conn.id()), self.log.bytes.len());
        self.log.bytes.extend_from_slice(data);
        self.log.push_raw(conn, from);
        self.gathered(conn, waits);
        Action::None
    }

    fn frame(&mut self, conn: &Conn<'_>, piece: &[u8], frame: Range<usize>) -> Action {
        self.log.push_frame(conn, piece, frame);
        conn.set_full(self.log.is_full());
        Action::None
    }

    fn command(&mut self, conn: &Conn<'_>, piece: &[u8], data: &[u8]) -> Action {
        self.log.push_command(conn, piece, data);
        conn.set_full(self.log.is_full());
        Action::None
    }

    fn awaits_answer(&mut self, conn: ConnId) -> bool {
        let last = self.log.records.last().filter(|last| last.is_cut() && last.conn() == Some(conn));
        // The others are released by their records.
        if last.is_some() && !self.holds {
            self.late.push(conn);
        }
        last.is_some()
    }

    fn lend(&mut self, room: usize) -> Option<&mut Vec<u8>> {
        Some(self.log.make_room(room))
    }

    fn data_lent(&mut self, conn: &Conn<'_>, from: usize) -> Action {
        let waits = self.waits(conn.id());
        self.log.push_raw(conn, from);
        self.gathered(conn, waits);
        Action::None
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        match event {
            Event::Open(conn) => self.note(conn, Kind::Open),
            Event::Drain(conn) => self.note(conn, Kind::Drain),
            Event::Eof(conn) => self.note(conn, Kind::Eof),
            Event::Wake(conn) => self.note(conn, Kind::Wake),
            Event::Timer(conn, timer) => self.note_record(conn, Record::timer(conn.id(), timer)),
            Event::Closed(conn, closed) => {
                if self.reader.takes_about() {
                    self.log.push_about(conn);
                }
                self.note_record(conn, Record::closed(conn.id(), closed));
            }
            Event::Tick(_, next) => {
                *next = self.reader.tick();
                if next.is_some() {
                    self.note_of_server(Kind::Tick);
                }
            }
            Event::Stopping(_) => self.note_of_server(Kind::Stopping),
            // It belongs to who has written, on whatever thread, and not to the reader, unless it asks for that.
            Event::Completed(completion, completed) => {
                self.log.records.extend(completion::call(completion, completed));
            }
            Event::PreWrite(server) => server.has_no_pre_write(),
            Event::Datagram(conn, bytes) => {
                let waits = self.waits(conn.id());
                self.log.push_datagram(conn, bytes);
                self.gathered(conn, waits);
            }
            Event::Detached(conn, detached) => {
                if self.reader.takes_about() {
                    self.log.push_about(conn);
                }
                self.log.records.push(Record::new(Kind::Detached, Some(conn.id()), [0; 2]));
                self.log.detached.push((conn.id(), detached));
            }
            // UDP promises nothing.
            Event::Undelivered(..) => {}
        }
        Action::None
    }

    fn before_flush(&mut self, turn: &Turn<'_>) {
        self.hold_cut(turn);
        let waits = self.outstanding || (!self.log.is_full() && !self.spacing.left().is_zero());
        if self.log.records.is_empty() || (waits && !turn.is_last()) {
            return;
        }
        self.spacing.begin();
        self.held = 0;
        let answer_to = (!turn.is_last()).then(|| Arc::clone(turn.state.mailbox()));
        let hand_over = self.log.take(answer_to);
        turn.set_full(false);
        self.outstanding = true;
        let handled = self.reader.read(turn.server(), hand_over);
        if let Some(hand_over) = handled {
            self.take_answer(turn, hand_over.into_answered());
        }
    }

    fn is_due(&self) -> bool {
        self.waits_alone() && (self.spacing.left().is_zero() || self.log.is_full())
    }

    fn due_in(&self) -> Option<Duration> {
        self.waits_alone().then(|| self.spacing.left())
    }

    fn answered(&mut self, turn: &Turn<'_>, answer: Box<dyn Any + Send>) {
        if let Ok(answered) = answer.downcast::<Answered>() {
            self.take_answer(turn, *answered);
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

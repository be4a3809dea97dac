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
use std::time::Duration;

use super::event::Event;
use super::handler::BoxError;
use super::receiver::{Delivery, Receiver, Turn};
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::contract::action::Action;
use crate::contract::carries::Carries;
use crate::shared::handle::Handle;

mod about;
mod completion;
mod envelope;
mod gathered;
mod hand_over;
mod reader;
mod record;
mod spacing;

pub use about::About;
pub use completion::completion;
pub use envelope::Envelope;
use gathered::Log;
use hand_over::Answered;
pub use hand_over::HandOver;
pub use reader::Reader;
pub use record::{Kind, Record};
use spacing::Spacing;

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
        let spacing = Spacing::new(self.0.interval());
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

    /// A connection ends: how it was, if the reader wants to know.
    fn note_about(&mut self, conn: &Conn<'_>) {
        if self.reader.takes_about() {
            self.log.push_about(conn);
        }
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
                self.note_about(conn);
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
                self.note_about(conn);
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

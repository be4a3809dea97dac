//! Batched delivery: an inline handler that gathers a turn's events and bytes and hands them over together.
//!
//! For languages where entering user code is dear. While a batch is unanswered its connections are held: they
//! are not read, and not closed at EOF. The loop sends no second batch meanwhile; it gathers for it up to
//! a mebibyte, then stops reading and accepting. So what waits for a slow handler is bounded.

use std::ops::Range;
use std::sync::Arc;

use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::contract::action::{Action, Closed};
use crate::delivery::handler::{BoxError, Handler};
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::Command;
use crate::shared::mailbox::Mailbox;

/// Bytes gathered for one batch before the loop stops reading: the most that one batch holds, but for the
/// last connection's read budget. The size of a common L2 cache.
const GATHER_LIMIT: usize = 1 << 20;
/// Events gathered for one batch before the loop stops reading and accepting: peers that connect and reset
/// give events without bytes.
const EVENT_LIMIT: usize = 16 << 10;
/// Capacity that is kept from batch to batch; what a burst needed beyond it is given back.
const KEPT_BYTES: usize = 128 << 10;
const KEPT_EVENTS: usize = 2048;

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It is open and takes writes.
    Open,
    /// Bytes came in: where they lie in the batch's bytes.
    Data(Range<usize>),
    /// The queue of unsent output has fallen to the low-water mark.
    Drain,
    /// It is gone.
    Close(Closed),
}

/// An event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The connection.
    pub conn: ConnId,
    /// What happened to it.
    pub kind: EventKind,
}

/// The events of a turn, in order, and their bytes. Dropping it is the answer: the loop then goes on reading
/// the connections concerned. It may be moved to another thread, and dropped there.
#[derive(Debug)]
pub struct Batch {
    events: Vec<Event>,
    bytes: Vec<u8>,
    /// `None` for the last batch of a loop, which nobody waits for.
    answer_to: Option<Arc<Mailbox>>,
}

impl Batch {
    /// The events, in the order in which they happened.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The bytes that [`EventKind::Data`] points into.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(mailbox) = self.answer_to.take() else { return };
        let answer =
            Answer { events: std::mem::take(&mut self.events), bytes: std::mem::take(&mut self.bytes) };
        match LoopState::current(&mailbox) {
            Some(state) => state.answered(answer),
            // A loop that has ended waits for no answer.
            None => drop(mailbox.send(Command::Answered(answer))),
        }
    }
}

/// A batch that came back: whose connections are no longer held, and whose memory is used again.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) events: Vec<Event>,
    bytes: Vec<u8>,
}

/// What a loop gathers for its next batch.
#[derive(Default)]
pub(crate) struct Gather {
    events: Vec<Event>,
    bytes: Vec<u8>,
    outstanding: bool,
}

impl Gather {
    fn push(&mut self, conn: ConnId, kind: EventKind) {
        self.events.push(Event { conn, kind });
    }

    /// Appends bytes, to the last event if that is the same connection's.
    fn push_data(&mut self, conn: ConnId, data: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        let end = self.bytes.len();
        match self.events.last_mut() {
            Some(Event { conn: last, kind: EventKind::Data(range) }) if *last == conn => range.end = end,
            _ => self.push(conn, EventKind::Data(start..end)),
        }
    }

    /// Whether so much is gathered that nothing more should be taken in.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= GATHER_LIMIT || self.events.len() >= EVENT_LIMIT
    }

    /// Whether a batch can be handed over.
    pub(crate) fn is_due(&self) -> bool {
        !self.events.is_empty() && !self.outstanding
    }

    /// A batch of everything gathered, unless there is nothing, or the one before is unanswered.
    fn batch(&mut self, mailbox: &Arc<Mailbox>, last: bool) -> Option<Batch> {
        if self.events.is_empty() || (self.outstanding && !last) {
            return None;
        }
        self.outstanding = true;
        let (events, bytes) = (std::mem::take(&mut self.events), std::mem::take(&mut self.bytes));
        Some(Batch { events, bytes, answer_to: (!last).then(|| Arc::clone(mailbox)) })
    }

    /// Takes an answered batch's memory back, if it is the better one.
    pub(crate) fn answered(&mut self, answer: Answer) {
        self.outstanding = false;
        let Answer { mut events, mut bytes } = answer;
        if self.events.is_empty() && events.capacity() <= KEPT_EVENTS {
            events.clear();
            self.events = events;
        }
        if self.bytes.is_empty() && bytes.capacity() <= KEPT_BYTES {
            bytes.clear();
            self.bytes = bytes;
        }
    }
}

/// A turn that ends, for [`Handler::on_turn_end`].
#[doc(hidden)]
pub struct Turn<'a> {
    pub(crate) state: &'a LoopState,
    /// The loop has stopped; this is its last turn.
    pub(crate) last: bool,
}

/// Who receives the batches: what a language binding implements.
pub trait Sink: Send + Sync + 'static {
    /// As [`Handler::on_start`].
    ///
    /// # Errors
    /// Whatever keeps the server from starting.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError>;

    /// Takes a batch, on its loop's thread. Handle it here, or move it to another thread; wherever it is
    /// dropped, its calls by id come before the answer. The batches of one loop come in order.
    fn deliver(&self, server: &Handle, batch: Batch);

    /// As [`Handler::on_stop`]; all batches have been delivered before.
    fn on_stop(&self, server: &Handle);

    /// Runs a loop on the calling thread, for sinks that need something set up around it. Call `run` once.
    fn around_loop(&self, run: &mut dyn FnMut()) {
        run();
    }
}

/// The handler that feeds a [`Sink`].
#[derive(Debug)]
pub struct Batched<S>(pub S);

impl<S: Sink> Handler for Batched<S> {
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        self.0.on_start(server)
    }

    fn on_open(&self, conn: &Conn<'_>) -> Action {
        conn.gather(|gather| gather.push(conn.id(), EventKind::Open));
        conn.hold();
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        conn.gather(|gather| gather.push_data(conn.id(), data));
        conn.hold();
        Action::None
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        conn.gather(|gather| gather.push(conn.id(), EventKind::Drain));
        conn.hold();
        Action::None
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        conn.gather(|gather| gather.push(conn.id(), EventKind::Close(closed)));
    }

    fn on_stop(&self, server: &Handle) {
        self.0.on_stop(server);
    }

    /// A batch has no place for a sender.
    fn takes_datagrams(&self) -> bool {
        false
    }

    fn gathers(&self) -> bool {
        true
    }

    fn around_loop(&self, run: &mut dyn FnMut()) {
        self.0.around_loop(run);
    }

    fn on_turn_end(&self, turn: &Turn<'_>) {
        let batch = turn.state.gather.borrow_mut().batch(turn.state.mailbox(), turn.last);
        if let Some(batch) = batch {
            self.0.deliver(turn.state.server(), batch);
        }
    }
}

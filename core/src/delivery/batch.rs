//! Batched delivery: an inline handler that gathers a turn's events and bytes and hands them over together.
//!
//! For languages where entering user code is dear. While a batch is unanswered its connections are held: they
//! are not read, and not closed at EOF. The loop sends no second batch meanwhile; it gathers for it up to
//! a mebibyte, then stops reading and accepting. So what waits for a slow handler is bounded.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::contract::action::{Action, Closed};
use crate::contract::carries::Carries;
use crate::delivery::event::Event as LoopEvent;
use crate::delivery::handler::BoxError;
use crate::delivery::receiver::{Delivery, Receiver, Turn};
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
        // A loop that has ended waits for no answer.
        mailbox.send(Command::Answer(Box::new(answer)));
    }
}

/// A batch that came back: whose connections are no longer held, and whose memory is used again.
#[derive(Debug)]
struct Answer {
    events: Vec<Event>,
    bytes: Vec<u8>,
}

/// What a loop gathers for its next batch.
#[derive(Default)]
struct Gather {
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
    fn is_full(&self) -> bool {
        self.bytes.len() >= GATHER_LIMIT || self.events.len() >= EVENT_LIMIT
    }

    /// Whether a batch can be handed over.
    fn is_due(&self) -> bool {
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
    fn answered(&mut self, answer: Answer) {
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

/// Who receives the batches: what a language binding implements.
pub trait Sink: Send + Sync + 'static {
    /// As [`Handler::on_start`](crate::Handler::on_start).
    ///
    /// # Errors
    /// Whatever keeps the server from starting.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError>;

    /// Takes a batch, on its loop's thread. Handle it here, or move it to another thread; wherever it is
    /// dropped, its calls by id come before the answer. The batches of one loop come in order.
    fn deliver(&self, server: &Handle, batch: Batch);

    /// As [`Handler::on_stop`](crate::Handler::on_stop); all batches have been delivered before.
    fn on_stop(&self, server: &Handle);

    /// Runs a loop on the calling thread, for sinks that need something set up around it. Call `run` once.
    fn around_loop(&self, run: &mut dyn FnMut()) {
        run();
    }
}

/// The delivery that feeds a [`Sink`].
#[derive(Debug)]
pub struct Batched<S>(Arc<S>);

impl<S: Sink> Batched<S> {
    /// Delivers to `sink`.
    pub fn new(sink: S) -> Self {
        Batched(Arc::new(sink))
    }
}

impl<S: Sink> Delivery for Batched<S> {
    fn receiver(&self) -> Box<dyn Receiver> {
        Box::new(BatchReceiver { sink: Arc::clone(&self.0), gather: Gather::default() })
    }

    fn carries(&self) -> Carries {
        Carries { datagrams: false, detach: false, turns: true }
    }

    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        self.0.on_start(server)
    }

    fn on_stop(&self, server: &Handle) {
        self.0.on_stop(server);
    }

    fn around_loop(&self, run: &mut dyn FnMut()) {
        self.0.around_loop(run);
    }
}

struct BatchReceiver<S> {
    sink: Arc<S>,
    gather: Gather,
}

impl<S> BatchReceiver<S> {
    fn gather(&mut self, conn: &Conn<'_>, kind: EventKind) {
        self.gather.push(conn.id(), kind);
        self.gathered(conn);
    }

    fn gathered(&mut self, conn: &Conn<'_>) {
        conn.hold();
        conn.set_full(self.gather.is_full());
    }
}

impl<S: Sink> Receiver for BatchReceiver<S> {
    fn data(&mut self, conn: &Conn<'_>, data: &[u8]) -> Action {
        self.gather.push_data(conn.id(), data);
        self.gathered(conn);
        Action::None
    }

    fn event(&mut self, event: LoopEvent<'_>) -> Action {
        match event {
            LoopEvent::Open(conn) => self.gather(conn, EventKind::Open),
            LoopEvent::Drain(conn) => self.gather(conn, EventKind::Drain),
            LoopEvent::Closed(conn, closed) => self.gather(conn, EventKind::Close(closed)),
            LoopEvent::Completed(completion, completed) => completion.call(completed),
            LoopEvent::PreWrite(server) => server.has_no_pre_write(),
            // Nobody who receives batches can end one side, so the connection is over.
            LoopEvent::Eof(_) => return Action::Close,
            LoopEvent::Datagram(..) | LoopEvent::Detached(..) => {}
            LoopEvent::Wake(_) | LoopEvent::Timer(..) => {}
            LoopEvent::Tick(..) | LoopEvent::Stopping(_) => {}
        }
        Action::None
    }

    fn before_flush(&mut self, turn: &Turn<'_>) {
        if let Some(batch) = self.gather.batch(turn.state.mailbox(), turn.last) {
            turn.set_full(false);
            self.sink.deliver(turn.server(), batch);
        }
    }

    fn is_due(&self) -> bool {
        self.gather.is_due()
    }

    fn answered(&mut self, turn: &Turn<'_>, answer: Box<dyn Any + Send>) {
        let Ok(answer) = answer.downcast::<Answer>() else { return };
        answer.events.iter().for_each(|event| turn.release(event.conn));
        self.gather.answered(*answer);
    }
}

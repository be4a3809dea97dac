//! What crosses to the reader of a log, and what comes back.

use std::sync::Arc;

use super::record::Record;
use crate::base::conn_id::ConnId;
use crate::contract::action::Action;
use crate::delivery::handler::Detached;
use crate::shared::mailbox::command::Command;
use crate::shared::mailbox::Mailbox;

/// What a loop has gathered, in order. Until it is answered its connections are held: neither read, nor closed at the
/// end of file. Dropping it is the answer, on whatever thread; what was called by id before comes before.
#[derive(Debug)]
pub struct HandOver {
    records: Vec<Record>,
    bytes: Arc<Vec<u8>>,
    /// Those that were detached, in the order of their records.
    detached: Vec<(ConnId, Detached)>,
    answers: Vec<Answer>,
    /// `None`: nobody waits for the answer, or it is given in place.
    answer_to: Option<Arc<Mailbox>>,
}

impl HandOver {
    pub(super) fn new(
        records: Vec<Record>,
        bytes: Vec<u8>,
        detached: Vec<(ConnId, Detached)>,
        answer_to: Option<Arc<Mailbox>>,
    ) -> Self {
        HandOver { records, bytes: Arc::new(bytes), detached, answers: Vec::new(), answer_to }
    }

    /// The events, in the order in which they happened.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The bytes that records point into.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, to keep beyond the answer. The loop takes other memory meanwhile: it never writes to these again.
    #[must_use]
    pub fn share_bytes(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes)
    }

    /// What the connections that were detached hand out, in the order of their records, whoever takes it. Otherwise their
    /// descriptors are closed with this.
    #[must_use]
    pub fn take_detached(&mut self) -> Vec<(ConnId, Detached)> {
        std::mem::take(&mut self.detached)
    }

    /// Answers a record: what is to be done with its connection, and how many of its bytes, the last ones, are not
    /// consumed and come again. A record that is not answered asks for nothing. Answers count in their order, and before
    /// their connections go on. Of a frame, and of what is no data, nothing can be kept.
    pub fn answer(&mut self, record: usize, action: Action, kept: usize) {
        self.answers.push(Answer { record, action, kept });
    }

    /// It was handled in place: nobody is to be told by another way.
    pub(super) fn into_answered(mut self) -> Answered {
        self.answer_to = None;
        self.take()
    }

    fn take(&mut self) -> Answered {
        Answered {
            records: std::mem::take(&mut self.records),
            bytes: std::mem::take(&mut self.bytes),
            answers: std::mem::take(&mut self.answers),
        }
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        let Some(mailbox) = self.answer_to.take() else { return };
        // A loop that has ended waits for no answer.
        mailbox.send(Command::Answer(Box::new(self.take())));
    }
}

/// The answer to a record.
#[derive(Debug)]
struct Answer {
    record: usize,
    action: Action,
    kept: usize,
}

/// A hand-over that came back: whose connections are no longer held, and whose memory is used again.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) records: Vec<Record>,
    pub(super) bytes: Arc<Vec<u8>>,
    answers: Vec<Answer>,
}

impl Answered {
    /// The answers, each with its record, and the bytes that are kept.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&Record, Action, &[u8])> {
        self.answers.iter().filter_map(|answer| {
            let record = self.records.get(answer.record)?;
            Some((record, answer.action, self.kept(record, answer.kept)))
        })
    }

    fn kept(&self, record: &Record, kept: usize) -> &[u8] {
        let range = record.range().filter(|_| record.flags() & Record::FRAME == 0);
        let bytes = range.and_then(|range| self.bytes.get(range)).unwrap_or_default();
        &bytes[bytes.len() - kept.min(bytes.len())..]
    }
}

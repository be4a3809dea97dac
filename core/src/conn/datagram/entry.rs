//! A UDP socket as its loop holds it.

use std::convert::Infallible;
use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::conn::datagram::endpoint::Endpoint;
use crate::conn::datagram::waiting::Backlog;
use crate::conn::request::Request;
use crate::conn::shared::ConnShared;
use crate::conn::stream::machine::Due;
use crate::contract::action::{CloseReason, Closed};
use crate::contract::options::{Context, ListenerId};
use crate::listen::claim::Claim;

/// The end of a socket for which datagrams wait.
#[derive(Clone, Copy)]
pub(crate) struct Last {
    /// How many batches are received yet. What comes meanwhile is not waited for: that could take for ever.
    batches: usize,
    pub(crate) closed: Closed,
}

/// A UDP socket as its loop holds it.
pub(crate) struct UdpEntry {
    pub(crate) endpoint: Endpoint,
    pub(crate) shared: Arc<ConnShared>,
    pub(crate) listener: Option<ListenerId>,
    pub(crate) paused: bool,
    /// Something was handed over of it, and is not answered: it does not end before.
    pub(crate) awaits_answer: bool,
    /// Less than a batch: up to 2 MiB of bytes, and a record for each datagram.
    pub(crate) waiting: Backlog,
    /// The poller reports room: only while output waits for it.
    pub(crate) polls_writable: bool,
    /// It ends when the handler was given what waits for it.
    pub(crate) last: Option<Last>,
    /// The last error of sending, which the carrier is to be told.
    pub(crate) undelivered: Option<i32>,
    /// To be closed once its queue is sent.
    pub(crate) closing: Option<Closed>,
    pub(crate) context: Option<Context>,
    /// Of a listener's socket, as long as it lives.
    pub(crate) _claim: Option<Claim>,
    /// Dropped behind the socket: who closed the listener may wait for that.
    pub(crate) released: Option<Sender<Infallible>>,
    pub(crate) in_ready: bool,
    pub(crate) in_dirty: bool,
}

impl UdpEntry {
    pub(crate) fn new(endpoint: Endpoint, shared: Arc<ConnShared>, listener: Option<ListenerId>) -> Self {
        UdpEntry {
            endpoint,
            shared,
            listener,
            paused: false,
            awaits_answer: false,
            waiting: Backlog::default(),
            polls_writable: false,
            last: None,
            undelivered: None,
            closing: None,
            context: None,
            _claim: None,
            released: None,
            in_ready: false,
            in_dirty: false,
        }
    }

    /// Does something with it, after which it may hold more memory or less: that is added to `change`.
    pub(crate) fn counted<T>(&mut self, change: &mut isize, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.held();
        let done = act(self);
        self.shared.note_completions(self.endpoint.completions_memory());
        *change += self.held() as isize - before as isize;
        done
    }

    /// Bytes of memory: unsent output, completions, and datagrams that wait for the handler.
    pub(crate) fn held(&self) -> usize {
        self.endpoint.held() + self.waiting.memory()
    }

    /// Whether there are datagrams for the handler, or a callback is due.
    pub(crate) fn wants_service(&self) -> bool {
        let input = self.endpoint.is_readable() || !self.waiting.is_empty();
        let ends = self.given_last().is_some();
        self.closing.is_none() && (self.shared.is_woken() || ends || (input && self.takes_input()))
    }

    /// Takes the callback that is owed apart from datagrams: only `on_wake` can be.
    pub(crate) fn take_due(&mut self) -> Option<Due> {
        (self.closing.is_none() && self.shared.take_woken()).then_some(Due::Wake)
    }

    /// Whether the handler may be given datagrams.
    pub(crate) fn takes_input(&self) -> bool {
        self.closing.is_none() && !self.paused && !self.shared.owes_drain()
    }

    pub(crate) fn carry_out(&mut self, request: &Request) {
        match request {
            Request::Close(reason) => self.close(Closed::by(*reason)),
            Request::Abort => self.close(Closed::by(CloseReason::Abort)),
            Request::Pause => self.paused = true,
            Request::Resume => self.paused = false,
            _ => {}
        }
    }

    /// It ends when the handler was given what waits for it: what is held for it here, and in the kernel. The first reason
    /// counts.
    pub(crate) fn begin_last(&mut self, closed: Closed) {
        // The poller was not asked lately.
        self.endpoint.ready(true, false);
        self.last.get_or_insert(Last { batches: self.endpoint.batches_held(), closed });
    }

    /// Whether one of the last batches is to be received.
    pub(crate) fn takes_last_batch(&mut self) -> bool {
        let takes = self.takes_input() && self.waiting.is_empty();
        let left = self.last.as_mut().map_or(0, |last| {
            let left = last.batches;
            last.batches -= usize::from(takes && left > 0);
            left
        });
        takes && left > 0
    }

    /// How it ends, if the handler was given all that it takes, and has answered what was handed over.
    pub(crate) fn given_last(&self) -> Option<Closed> {
        let answered = self.closing.is_none() && !self.awaits_answer;
        self.last.filter(|_| answered && self.has_given_all()).map(|last| last.closed)
    }

    /// Whether the handler of a socket that ends was given all that it takes: one that has paused it takes no more.
    pub(crate) fn has_given_all(&self) -> bool {
        let left = self.last.is_some_and(|last| last.batches > 0);
        let waits = !self.waiting.is_empty() || (left && self.endpoint.is_readable());
        self.paused || !waits
    }

    /// It ends once its queue is sent; the first reason counts.
    pub(crate) fn close(&mut self, closed: Closed) {
        self.shared.close();
        self.closing.get_or_insert(closed);
    }
}

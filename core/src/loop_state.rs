//! The part of a loop that calls from within callbacks may reach: its connections, and what is to be done
//! with them. The `RefCell`s are never borrowed while user code runs (callbacks, destructors, loggers), so
//! such a call always finds them free.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::action::{CloseReason, Pressure};
use crate::batch::{Answer, Gather};
use crate::buffer::BlockPool;
use crate::config::Config;
use crate::conn::{Machine, Reading, Refused};
use crate::error::Result;
use crate::handle::Handle;
use crate::mailbox::{closed_error, full_error, Mailbox};
use crate::slab::Slab;
use crate::token::ConnId;

/// A connection and its socket.
pub(crate) struct Entry {
    pub(crate) socket: OwnedFd,
    pub(crate) machine: Machine,
    /// Stands in the list of connections to serve, to drain of input, to settle.
    pub(crate) in_ready: bool,
    pub(crate) in_discard: bool,
    pub(crate) in_dirty: bool,
}

impl Entry {
    pub(crate) fn new(socket: OwnedFd, machine: Machine) -> Self {
        Entry { socket, machine, in_ready: false, in_discard: false, in_dirty: false }
    }
}

/// The connections and what is to be done with them.
pub(crate) struct Conns {
    pub(crate) slab: Slab<Entry>,
    pub(crate) pool: BlockPool,
    /// Connections with input for the handler, or with `on_drain` to call; served in turn.
    pub(crate) ready: VecDeque<ConnId>,
    /// Connections with input that nobody wants any more. It goes on when the handler takes no more.
    pub(crate) discard: VecDeque<ConnId>,
    /// Connections that changed: to flush, half-close, close or resume at the end of the turn.
    pub(crate) dirty: Vec<ConnId>,
    /// Connections that linger, in the order in which their time is over. May name some that are gone.
    pub(crate) lingering: VecDeque<(Instant, ConnId)>,
}

impl Conns {
    fn new(slab: Slab<Entry>) -> Self {
        Conns {
            slab,
            pool: BlockPool::default(),
            ready: VecDeque::new(),
            discard: VecDeque::new(),
            dirty: Vec::new(),
            lingering: VecDeque::new(),
        }
    }

    pub(crate) fn mark_dirty(&mut self, id: ConnId) {
        if let Some(entry) = self.slab.get_mut(id).filter(|entry| !entry.in_dirty) {
            entry.in_dirty = true;
            self.dirty.push(id);
        }
    }

    /// Puts a connection in line if it has something to be served.
    pub(crate) fn line_up(&mut self, id: ConnId) {
        let Some(entry) = self.slab.get_mut(id).filter(|entry| entry.machine.wants_service()) else { return };
        let (stands, line) = match entry.machine.reading() {
            Reading::Discard => (&mut entry.in_discard, &mut self.discard),
            _ => (&mut entry.in_ready, &mut self.ready),
        };
        if !std::mem::replace(stands, true) {
            line.push_back(id);
        }
    }
}

/// What a loop shares with the calls from its callbacks.
pub(crate) struct LoopState {
    server: Handle,
    mailbox: Arc<Mailbox>,
    pub(crate) conns: RefCell<Conns>,
    pub(crate) gather: RefCell<Gather>,
}

thread_local! {
    /// The loop whose turn runs on this thread.
    static CURRENT: RefCell<Option<Rc<LoopState>>> = const { RefCell::new(None) };
}

impl LoopState {
    /// The state of a loop without connections.
    pub(crate) fn new(server: Handle, mailbox: Arc<Mailbox>, slab: Slab<Entry>) -> Rc<Self> {
        let (conns, gather) = (RefCell::new(Conns::new(slab)), RefCell::default());
        Rc::new(LoopState { server, mailbox, conns, gather })
    }

    /// Makes this the loop of the calling thread, while `run` runs; `run` does not unwind.
    pub(crate) fn enter(self: &Rc<Self>, run: impl FnOnce()) {
        CURRENT.set(Some(Rc::clone(self)));
        run();
        CURRENT.set(None);
    }

    /// The loop with this mailbox, if it runs on this thread.
    pub(crate) fn current(mailbox: &Arc<Mailbox>) -> Option<Rc<LoopState>> {
        // No access means that the thread is ending, and so runs no loop.
        let current = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
        current.filter(|state| Arc::ptr_eq(&state.mailbox, mailbox))
    }

    pub(crate) fn server(&self) -> &Handle {
        &self.server
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn config(&self) -> &Config {
        &self.server.shared.config
    }

    pub(crate) fn write(&self, id: ConnId, bytes: &[u8]) -> Result<Pressure> {
        let conns = &mut *self.conns.borrow_mut();
        let entry = conns.slab.get_mut(id).ok_or_else(|| closed_error(id))?;
        let result = entry.machine.write(bytes, self.config(), &mut conns.pool);
        if result != Err(Refused::Closed) {
            conns.mark_dirty(id);
        }
        result.map_err(|refused| match refused {
            Refused::Closed => closed_error(id),
            Refused::Overflow => full_error(id, bytes.len(), self.config().hard_limit),
        })
    }

    pub(crate) fn close(&self, id: ConnId, reason: CloseReason) -> Result<()> {
        let conns = &mut *self.conns.borrow_mut();
        let live = |entry: &&mut Entry| entry.machine.shared.is_live();
        let entry = conns.slab.get_mut(id).filter(live).ok_or_else(|| closed_error(id))?;
        entry.machine.close(reason);
        conns.mark_dirty(id);
        Ok(())
    }

    pub(crate) fn hold(&self, id: ConnId) {
        if let Some(entry) = self.conns.borrow_mut().slab.get_mut(id) {
            entry.machine.hold();
        }
    }

    /// A batch came back: its connections go on.
    pub(crate) fn answered(&self, answer: Answer) {
        let conns = &mut *self.conns.borrow_mut();
        for event in &answer.events {
            if let Some(entry) = conns.slab.get_mut(event.conn) {
                entry.machine.release();
                conns.mark_dirty(event.conn);
            }
        }
        self.gather.borrow_mut().answered(answer);
    }

    /// Whether events may be gathered, or too much waits for its batch.
    pub(crate) fn takes_input(&self) -> bool {
        !self.gather.borrow().is_full()
    }
}

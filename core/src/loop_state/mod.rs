//! The part of a loop that calls from within callbacks may reach: its connections, its timers, and what is to
//! be done with them. The `RefCell`s are never borrowed while user code runs (callbacks, completions,
//! destructors, loggers), so such a call always finds them free.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::base::conn_id::ConnId;
use crate::base::datagram::Envelope;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::notice::{tell, Kind};
use crate::base::timer::Wheel;
use crate::conn::entry::Entry;
use crate::conn::shared::ConnShared;
use crate::contract::config::Config;
use crate::contract::metrics::LoopMetrics;
use crate::contract::options::{ConnInfo, Context, ListenerId};
use crate::framing::Place;
use crate::loop_state::conns::Conns;
use crate::shared::handle::Handle;
use crate::shared::mailbox::{closed_error, Mailbox};
use crate::shared::seed::Seed;
use crate::sys::cancel::guarded;
use crate::sys::fork;
use crate::sys::poller::Poller;

mod alarms;
mod arguments;
pub(crate) mod conns;
mod endpoints;
mod handing_over;
mod holding;
mod requests;
mod sending;
mod writing;

use arguments::ArgumentTable;

pub(crate) use alarms::{Alarm, LoopTimer};

/// Bytes of the stack that a loop takes before it calls user code, and more.
const FRAMES: usize = 64 << 10;

thread_local! {
    /// The loops that this thread is the host of.
    static HOSTED: RefCell<Vec<Weak<LoopState>>> = const { RefCell::new(Vec::new()) };
}

/// The input that `on_data` is being given.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    pub(crate) id: ConnId,
    pub(crate) len: usize,
    /// It was not cut by a framing.
    pub(crate) raw: bool,
}

/// What a loop shares with the calls from its callbacks.
pub(crate) struct LoopState {
    pub(crate) index: usize,
    pub(crate) poller: Poller,
    pub(crate) conns: RefCell<Conns>,
    /// The receiver takes no more: too much waits for the handler.
    pub(crate) delivery_is_full: Cell<bool>,
    pub(crate) timers: RefCell<Wheel<Alarm>>,
    /// The turn's time, in milliseconds of the server's clock.
    pub(crate) now: Cell<u64>,
    pub(crate) input: Cell<Option<Input>>,
    /// How many of its bytes the handler keeps; [`fork::IN_CHILD`] in a child that was forked meanwhile.
    pub(crate) kept: Cell<usize>,
    /// If it is a command: its arguments.
    pub(crate) arguments: ArgumentTable,
    /// If it is a datagram: what came with it.
    pub(crate) datagram: Cell<Option<Envelope>>,
    /// Dropped last: the lease of the timers' ids goes back with it.
    mailbox: Arc<Mailbox>,
    /// The process whose loop it is, as [`fork::process`] numbers it.
    process: u32,
    /// Its host's thread turns it, and not one of ours.
    hosted: bool,
    server: Handle,
}

impl LoopState {
    /// The state of a loop without connections.
    pub(crate) fn new(server: Handle, seed: Seed, index: usize, hosted: bool) -> Rc<Self> {
        let Seed { poller, mailbox } = seed;
        let now = Cell::new(server.shared.clock.now());
        let conns = Conns::new(server.shared.budget.limit());
        Rc::new(LoopState {
            timers: RefCell::new(Wheel::new(mailbox.lease())),
            server,
            process: fork::process(),
            hosted,
            mailbox,
            index,
            poller,
            conns: RefCell::new(conns),
            delivery_is_full: Cell::new(false),
            now,
            input: Cell::new(None),
            kept: Cell::new(0),
            arguments: ArgumentTable::default(),
            datagram: Cell::new(None),
        })
    }

    /// Makes this a loop of the calling thread, while `run` runs: a host may turn one loop inside a callback of
    /// another, and then both are.
    pub(crate) fn enter<T>(self: &Rc<Self>, run: impl FnOnce() -> T) -> T {
        fork::marked(&self.kept, || self.mailbox.here.lend(self, run))
    }

    /// Runs a part of the loop. If a callback there ends the calling thread, by pthread_exit(3), it goes on here, and the answer
    /// is `false`: what the part had on the stack is lost. Does not unwind.
    pub(crate) fn survives(self: &Rc<Self>, part: impl FnOnce()) -> bool {
        let marks = fork::marks();
        let survived = guarded(FRAMES, || self.enter(part));
        if !survived {
            self.mailbox.here.take_back();
            fork::go_back_to(marks);
            tell(Kind::Engine, format_args!("a callback ended the thread of its loop; the server stops"));
            let server = &self.server().shared;
            server.stop();
            // The loop may have had them in hand.
            server.close_placed_listeners();
        }
        survived
    }

    /// The loop with this mailbox, if it runs on this thread.
    pub(crate) fn current(mailbox: &Mailbox) -> Option<Rc<LoopState>> {
        mailbox.here.with(Rc::clone)
    }

    /// The calling thread is the loop's host: it may call between two turns, too.
    pub(crate) fn set_hosted_here(self: &Rc<Self>) {
        HOSTED.with_borrow_mut(|hosted| {
            hosted.retain(|state| state.strong_count() > 0);
            hosted.push(Rc::downgrade(self));
        });
    }

    /// The loop with this mailbox, if the calling thread is its host.
    pub(crate) fn hosted_here(mailbox: &Mailbox) -> Option<Rc<LoopState>> {
        let find = |hosted: &RefCell<Vec<Weak<LoopState>>>| {
            let hosted = hosted.borrow();
            hosted.iter().filter_map(Weak::upgrade).find(|state| std::ptr::eq(&*state.mailbox, mailbox))
        };
        // A thread that is ending hosts none.
        HOSTED.try_with(find).ok().flatten()
    }

    /// Whether this is the process whose loop it is, and not a child that was forked inside a callback.
    pub(crate) fn is_of_this_process(&self) -> bool {
        fork::is_still(self.process)
    }

    pub(crate) fn is_hosted(&self) -> bool {
        self.hosted
    }

    /// Refuses calls in such a child: what it did would be done to the parent's sockets.
    fn expect_own_process(&self) -> Result<()> {
        match self.is_of_this_process() {
            true => Ok(()),
            false => self.server.shared.expect_own_process(),
        }
    }

    /// The clock, read anew: what begins now does not count from when the turn began, which a slow callback may have
    /// made long ago.
    pub(crate) fn moment(&self) -> u64 {
        self.server.shared.clock.now()
    }

    pub(crate) fn server(&self) -> &Handle {
        &self.server
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn metrics(&self) -> &LoopMetrics {
        &self.mailbox.metrics
    }

    pub(crate) fn config(&self) -> &Config {
        &self.server.shared.config
    }

    // ---- what callbacks ask ----

    fn shared(&self, id: ConnId) -> Result<Arc<ConnShared>> {
        let conns = &mut *self.conns.borrow_mut();
        let entry = conns.slab.find_mut(id).ok_or_else(|| closed_error(id))?;
        Ok(Arc::clone(entry.shared()))
    }

    pub(crate) fn keep(&self, id: ConnId, n: usize) -> Result<()> {
        self.expect_own_process()?;
        let wrong = |kind, message: String| Err(Error::new(kind, format!("connection {id}: {message}")));
        let Some(input) = self.input.get().filter(|input| input.id == id && self.datagram.get().is_none())
        else {
            return wrong(ErrorKind::WrongState, "keep is for the on_data of a stream".into());
        };
        if !input.raw {
            return wrong(
                ErrorKind::WrongState,
                "a framing has cut this input: there is nothing to keep".into(),
            );
        }
        if n > input.len {
            return wrong(ErrorKind::InvalidArgument, format!("cannot keep {n} of {} bytes", input.len));
        }
        self.kept.set(n);
        Ok(())
    }

    /// Where the arguments of the command stand that the handler is being given; none if it is none of this connection's.
    #[inline]
    pub(crate) fn arguments_of(&self, id: ConnId) -> Rc<Vec<Place>> {
        match self.input.get() {
            Some(input) if input.id == id => self.arguments.get(),
            _ => Rc::default(),
        }
    }

    /// What came with the datagram that the handler is being given.
    pub(crate) fn envelope(&self, id: ConnId) -> Option<Envelope> {
        self.input.get().filter(|input| input.id == id)?;
        self.datagram.get()
    }

    pub(crate) fn set_context(&self, id: ConnId, context: Option<Context>) -> Option<Context> {
        let conns = &mut *self.conns.borrow_mut();
        match conns.peek_or_leaving(id) {
            Some(entry) => entry.set_context(context),
            // There is nothing to keep it with: back to the caller.
            None => context,
        }
    }

    pub(crate) fn info(&self, id: ConnId) -> Result<ConnInfo> {
        let conns = &mut *self.conns.borrow_mut();
        let entry = conns.peek_or_leaving(id).ok_or_else(|| closed_error(id))?;
        Ok(conn_info(entry.shared(), self.index, self.now.get()))
    }

    /// The peer's address, as far as it is known here, in the last callback too, when the socket is closed.
    pub(crate) fn peer(&self, id: ConnId) -> Option<Address> {
        let conns = &mut *self.conns.borrow_mut();
        let known = conns.peek_or_leaving(id)?.shared().known_peer();
        known.or_else(|| conns.ends_left(id)?.remote.clone())
    }

    /// The address of this side; in the last callback what it was.
    pub(crate) fn local(&self, id: ConnId) -> Option<Address> {
        let conns = &mut *self.conns.borrow_mut();
        if let Some(ends) = conns.ends_left(id) {
            return ends.local.clone();
        }
        match conns.slab.find_mut(id)? {
            Entry::Stream(stream) => stream.wire.local(),
            Entry::Udp(udp) => udp.endpoint.local(),
        }
    }

    /// Whether input may be read: not while too much waits for the handler.
    pub(crate) fn takes_input(&self) -> bool {
        !self.delivery_is_full.get()
    }
}

/// What can be read of a connection whose shared part this is.
pub(crate) fn conn_info(shared: &ConnShared, on_loop: usize, now: u64) -> ConnInfo {
    ConnInfo {
        listener: ListenerId::from_u32(shared.listener),
        on_loop,
        age: Duration::from_millis(now.saturating_sub(shared.opened_at())),
        received: shared.received(),
        sent: shared.sent(),
        queued: shared.unsent(),
    }
}

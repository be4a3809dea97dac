//! The part of a loop that calls from within callbacks may reach: its connections, its timers, and what is to
//! be done with them. The `RefCell`s are never borrowed while user code runs (callbacks, completions,
//! destructors, loggers), so such a call always finds them free.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::action::{CloseReason, Closed, Completion, Pressure};
use crate::addr::Address;
use crate::batch::{Answer, Gather};
use crate::clock::deadline;
use crate::codec::Framer;
use crate::command::Request;
use crate::config::{Config, Timeouts};
use crate::conn::Refused;
use crate::conn_shared::ConnShared;
use crate::conns::Conns;
use crate::entry::{Entry, Timing};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::mailbox::{closed_error, full_error, no_endpoint_error, no_sender_error, note_request, Mailbox};
use crate::metrics::LoopMetrics;
use crate::options::{ConnInfo, Context, ListenerId};
use crate::sys::poller::Poller;
use crate::timer::{TimerId, Wheel};
use crate::token::ConnId;
use crate::udp::cost;
use crate::udp_entry::UdpEntry;

/// What a timer of the loop's does.
pub(crate) enum Alarm {
    /// `on_tick`.
    Tick,
    /// A function of the user's, and the milliseconds of its repeat; `None` while it runs.
    Loop(Option<LoopTimer>, u64),
    /// `on_timer` of a connection, and the milliseconds of its repeat.
    Conn(ConnId, u64),
    /// Look after a connection's time-outs.
    Timeouts(ConnId),
    /// Connecting or lingering took too long.
    Deadline(ConnId),
}

/// What a loop's timer calls.
pub(crate) type LoopTimer = Box<dyn FnMut(&Handle)>;

/// The input that `on_data` is being given.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    pub(crate) id: ConnId,
    pub(crate) len: usize,
    /// It was not cut by a framing.
    pub(crate) raw: bool,
    /// A datagram's sender, and whether it was truncated.
    pub(crate) datagram: Option<(SocketAddr, bool)>,
    /// Bytes that the handler keeps.
    pub(crate) keep: usize,
}

/// What a loop shares with the calls from its callbacks.
pub(crate) struct LoopState {
    pub(crate) index: usize,
    pub(crate) poller: Poller,
    pub(crate) conns: RefCell<Conns>,
    pub(crate) gather: RefCell<Gather>,
    pub(crate) timers: RefCell<Wheel<Alarm>>,
    /// The turn's time, in milliseconds of the server's clock.
    pub(crate) now: Cell<u64>,
    pub(crate) input: Cell<Option<Input>>,
    /// Dropped last: the lease of the timers' ids goes back with it.
    mailbox: Arc<Mailbox>,
    server: Handle,
}

thread_local! {
    /// The loop whose turn runs on this thread.
    static CURRENT: RefCell<Option<Rc<LoopState>>> = const { RefCell::new(None) };
}

impl LoopState {
    /// The state of a loop without connections.
    pub(crate) fn new(server: Handle, mailbox: Arc<Mailbox>, index: usize, poller: Poller) -> Rc<Self> {
        let now = Cell::new(server.shared.clock.now());
        Rc::new(LoopState {
            timers: RefCell::new(Wheel::new(mailbox.lease())),
            server,
            mailbox,
            index,
            poller,
            conns: RefCell::new(Conns::new()),
            gather: RefCell::default(),
            now,
            input: Cell::new(None),
        })
    }

    /// Makes this the loop of the calling thread, while `run` runs; `run` does not unwind.
    pub(crate) fn enter<T>(self: &Rc<Self>, run: impl FnOnce() -> T) -> T {
        // A host may turn one loop inside a callback of another.
        let before = CURRENT.replace(Some(Rc::clone(self)));
        let result = run();
        CURRENT.set(before);
        result
    }

    /// The loop with this mailbox, if it runs on this thread.
    pub(crate) fn current(mailbox: &Arc<Mailbox>) -> Option<Rc<LoopState>> {
        // No access means that the thread is ending, and so runs no loop.
        let find = |current: &RefCell<Option<Rc<LoopState>>>| {
            current.borrow().as_ref().filter(|state| Arc::ptr_eq(&state.mailbox, mailbox)).cloned()
        };
        CURRENT.try_with(find).ok().flatten()
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

    // ---- writing ----

    pub(crate) fn write(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        mut completion: Option<Completion>,
    ) -> Result<Pressure> {
        // One that is refused is dropped here, when nothing is borrowed: it is the user's.
        self.write_borrowing(id, slices, &mut completion)
    }

    fn write_borrowing(
        &self,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
    ) -> Result<Pressure> {
        let conns = &mut *self.conns.borrow_mut();
        let Some(entry) = conns.slab.get_mut(id) else {
            return self.write_datagram(conns, id, slices, completion);
        };
        let was_stuck = entry.machine.is_stuck();
        let result = entry.machine.write(slices, self.config(), &mut conns.pool);
        if result == Err(Refused::Closed) {
            return Err(closed_error(id));
        }
        if !std::mem::replace(&mut entry.in_dirty, true) {
            conns.dirty.push(id);
        }
        if result.is_ok() {
            self.metrics().messages_written.add(1);
            completion.take().into_iter().for_each(|completion| entry.machine.complete_with(completion));
            if let Some(timing) = entry.timing().filter(|_| !was_stuck) {
                timing.went(self.now.get());
            }
        }
        result.map_err(|_| {
            let len = slices.iter().map(|slice| slice.len()).sum();
            full_error(id, len, self.config().hard_limit)
        })
    }

    /// A write to a UDP socket: answers the sender, or goes to the peer.
    fn write_datagram(
        &self,
        conns: &mut Conns,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
    ) -> Result<Pressure> {
        let endpoint = conns.endpoints.get(&id).ok_or_else(|| closed_error(id))?;
        let to = match endpoint.listener {
            None => None,
            Some(_) => Some(self.sender(id).ok_or_else(|| no_sender_error(id))?),
        };
        let pressure = self.queue_datagram(conns, id, to, slices)?;
        // Called when the queue has been sent: datagrams are not told apart there.
        let pending = conns.endpoints.get_mut(&id).map(|entry| &mut entry.pending);
        pending.into_iter().for_each(|pending| pending.extend(completion.take()));
        Ok(pressure)
    }

    pub(crate) fn send_to(&self, id: ConnId, to: SocketAddr, bytes: &[u8]) -> Result<Pressure> {
        let conns = &mut *self.conns.borrow_mut();
        match conns.endpoints.get(&id) {
            Some(UdpEntry { listener: Some(_), .. }) => self.queue_datagram(conns, id, Some(to), &[bytes]),
            None if conns.slab.get_mut(id).is_none() => Err(closed_error(id)),
            _ => Err(no_endpoint_error(id)),
        }
    }

    fn queue_datagram(
        &self,
        conns: &mut Conns,
        id: ConnId,
        to: Option<SocketAddr>,
        slices: &[&[u8]],
    ) -> Result<Pressure> {
        let UdpEntry { endpoint, shared, .. } =
            conns.endpoints.get_mut(&id).ok_or_else(|| closed_error(id))?;
        if !shared.takes_writes() {
            return Err(closed_error(id));
        }
        let len = cost(slices.iter().map(|slice| slice.len()).sum());
        let full = || full_error(id, len, self.config().hard_limit);
        let pressure = shared.reserve(len, self.config()).ok_or_else(full)?;
        if let Err(error) = endpoint.queue(to, slices) {
            shared.settle(len);
            return Err(error);
        }
        conns.pool.change += len as isize;
        self.metrics().messages_written.add(1);
        conns.mark_dirty(id);
        Ok(pressure)
    }

    // ---- calls on connections ----

    pub(crate) fn request(&self, id: ConnId, request: Request) -> Result<()> {
        let shared = self.shared(id)?;
        if note_request(id, &shared, &request)? {
            drop(self.carry_out(id, request));
        }
        Ok(())
    }

    /// A callback of the connection's failed, whatever it had asked for before. A UDP endpoint stays as it is.
    pub(crate) fn fail(&self, id: ConnId) {
        let conns = &mut *self.conns.borrow_mut();
        if let Some(entry) = conns.slab.get_mut(id) {
            entry.machine.fail(&mut conns.pool);
        } else if let Some(endpoint) = conns.endpoints.get_mut(&id).filter(|entry| entry.listener.is_none()) {
            endpoint.close(Closed::by(CloseReason::HandlerError));
        }
        conns.mark_dirty(id);
    }

    fn shared(&self, id: ConnId) -> Result<Arc<ConnShared>> {
        let conns = &mut *self.conns.borrow_mut();
        let stream = conns.slab.get_mut(id).map(|entry| Arc::clone(&entry.machine.shared));
        let found = stream.or_else(|| conns.endpoints.get(&id).map(|endpoint| Arc::clone(&endpoint.shared)));
        found.ok_or_else(|| closed_error(id))
    }

    /// Does what was asked for, and noted on the shared part before. Returns a framing that is replaced: a
    /// function of the user's may go with it, which must not run while anything is borrowed.
    #[must_use]
    pub(crate) fn carry_out(&self, id: ConnId, request: Request) -> Option<Box<Framer>> {
        let mut replaced = None;
        let conns = &mut *self.conns.borrow_mut();
        let Conns { slab, pool, .. } = conns;
        let Some(entry) = slab.get_mut(id) else {
            if let Some(endpoint) = conns.endpoints.get_mut(&id) {
                endpoint.carry_out(&request);
            }
            conns.line_up(id);
            conns.mark_dirty(id);
            return None;
        };
        match request {
            Request::Close(reason) => entry.machine.close(reason, pool),
            Request::Abort => entry.end_now(Closed::by(CloseReason::Abort), pool),
            Request::End => entry.machine.end(),
            Request::Detach => {
                if !entry.machine.detach() {
                    // Not made yet, or broken: there is nothing to hand out.
                    entry.machine.close(CloseReason::LocalClose, pool);
                }
            }
            Request::Wake => {}
            Request::Pause => entry.machine.pause(true),
            Request::Resume => {
                entry.machine.pause(false);
                entry.timing().into_iter().for_each(|timing| timing.reads_again(self.now.get()));
            }
            Request::Timeouts(timeouts) => self.set_timeouts(id, entry, timeouts),
            Request::Framing(_) => {
                // The one that was noted last, so that cutting and `write_frame` agree whoever came first.
                let framer = entry.machine.shared.framing().map(Framer::new).map(Box::new);
                replaced = std::mem::replace(&mut entry.framer, framer);
                entry.reframed = true;
                // What is carried is looked at with new eyes.
                entry.backlog = !entry.carry().is_empty();
            }
        }
        conns.mark_dirty(id);
        conns.line_up(id);
        replaced
    }

    pub(crate) fn set_timeouts(&self, id: ConnId, entry: &mut Entry, timeouts: Timeouts) {
        let mut timers = self.timers.borrow_mut();
        let before = entry.timing().and_then(|timing| timing.timer);
        before.into_iter().for_each(|timer| drop(timers.cancel(timer)));
        let shortest =
            [timeouts.idle, timeouts.read, timeouts.write].into_iter().filter(|time| !time.is_zero());
        let Some(shortest) = shortest.min() else {
            entry.extra.iter_mut().for_each(|extra| extra.timing = None);
            return;
        };
        let now = self.now.get();
        let mut timing = Timing::new(timeouts, now);
        // Without an id for a timer there are 16 million of them: nothing to do but to go on without.
        timing.timer = timers.insert(deadline(now, shortest), Alarm::Timeouts(id)).ok();
        entry.extra().timing = Some(timing);
    }

    pub(crate) fn keep(&self, id: ConnId, n: usize) -> Result<()> {
        let wrong = |kind, message: String| Err(Error::new(kind, format!("connection {id}: {message}")));
        let Some(mut input) = self.input.get().filter(|input| input.id == id && input.datagram.is_none())
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
        input.keep = n;
        self.input.set(Some(input));
        Ok(())
    }

    pub(crate) fn sender(&self, id: ConnId) -> Option<SocketAddr> {
        self.datagram(id).map(|(sender, _)| sender)
    }

    pub(crate) fn is_truncated(&self, id: ConnId) -> bool {
        self.datagram(id).is_some_and(|(_, truncated)| truncated)
    }

    fn datagram(&self, id: ConnId) -> Option<(SocketAddr, bool)> {
        self.input.get().filter(|input| input.id == id)?.datagram
    }

    pub(crate) fn set_context(&self, id: ConnId, context: Option<Context>) -> Option<Context> {
        let conns = &mut *self.conns.borrow_mut();
        if let Some(endpoint) = conns.endpoints.get_mut(&id) {
            return std::mem::replace(&mut endpoint.context, context);
        }
        match conns.entry_or_leaving(id) {
            Some(entry) => std::mem::replace(&mut entry.context, context),
            // There is nothing to keep it with: back to the caller.
            None => context,
        }
    }

    pub(crate) fn info(&self, id: ConnId) -> Result<ConnInfo> {
        let leaving =
            self.conns.borrow_mut().entry_or_leaving(id).map(|entry| Arc::clone(&entry.machine.shared));
        let shared = leaving.map_or_else(|| self.shared(id), Ok)?;
        Ok(conn_info(&shared, self.index, self.now.get()))
    }

    /// The peer's address, as far as it is remembered; what it is in the last callback, when the socket is closed.
    pub(crate) fn peer(&self, id: ConnId) -> Option<Address> {
        let conns = &mut *self.conns.borrow_mut();
        if let Some(endpoint) = conns.endpoints.get(&id) {
            return endpoint.shared.peer().map(Address::Inet);
        }
        let entry = conns.entry_or_leaving(id)?;
        let left = entry.socket.is_none() && !entry.machine.is_connecting();
        let inet = entry.machine.shared.peer().map(Address::Inet);
        inet.or_else(|| (left && entry.machine.is_unix()).then_some(Address::Unnamed))
    }

    // ---- timers ----

    pub(crate) fn start_conn_timer(&self, id: ConnId, delay: Duration, repeat: Duration) -> Result<TimerId> {
        if !self.shared(id)?.is_live() {
            return Err(closed_error(id));
        }
        if self.conns.borrow_mut().slab.get_mut(id).is_some_and(|entry| entry.machine.is_connecting()) {
            let message = format!("connection {id} is not made yet: start its timers in on_open");
            return Err(Error::new(ErrorKind::WrongState, message));
        }
        let timer = self.insert_timer(delay, Alarm::Conn(id, crate::clock::millis_up(repeat)))?;
        if let Some(entry) = self.conns.borrow_mut().slab.get_mut(id) {
            let timers = &mut entry.extra().timers;
            // Those that are over are forgotten before the list grows.
            if timers.len() == timers.capacity() {
                let mut wheel = self.timers.borrow_mut();
                timers.retain(|timer| wheel.get_mut(*timer).is_some());
            }
            timers.push(timer);
        }
        Ok(timer)
    }

    pub(crate) fn start_loop_timer(
        &self,
        delay: Duration,
        repeat: Duration,
        call: LoopTimer,
    ) -> Result<TimerId> {
        self.insert_timer(delay, Alarm::Loop(Some(call), crate::clock::millis_up(repeat)))
    }

    fn insert_timer(&self, delay: Duration, alarm: Alarm) -> Result<TimerId> {
        let inserted = self.timers.borrow_mut().insert(deadline(self.now.get(), delay), alarm);
        inserted.map_err(|refused| {
            drop(refused);
            Error::new(ErrorKind::InvalidArgument, "the loop has as many timers as there are ids")
        })
    }

    pub(crate) fn cancel_timer(&self, timer: TimerId) -> bool {
        let is_users = |alarm: &mut Alarm| matches!(alarm, Alarm::Loop(..) | Alarm::Conn(..));
        let users = self.timers.borrow_mut().get_mut(timer).is_some_and(is_users);
        // The function is dropped without a borrow: what it owns is the user's.
        let cancelled = if users { self.timers.borrow_mut().cancel(timer) } else { None };
        cancelled.is_some()
    }

    // ---- batched delivery ----

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
                entry.timing().into_iter().for_each(|timing| timing.reads_again(self.now.get()));
                conns.mark_dirty(event.conn);
            }
        }
        self.gather.borrow_mut().answered(answer);
    }

    /// Whether events may be gathered and input be read: not while too much waits for its batch, or the server
    /// holds more bytes than its budget allows.
    pub(crate) fn takes_input(&self) -> bool {
        !self.gather.borrow().is_full() && !self.server.shared.budget.is_exceeded()
    }
}

/// What can be read of a connection whose shared part this is.
pub(crate) fn conn_info(shared: &ConnShared, on_loop: usize, now: u64) -> ConnInfo {
    ConnInfo {
        listener: ListenerId::from_u32(shared.listener),
        on_loop,
        age: Duration::from_millis(now.saturating_sub(shared.opened_at)),
        received: shared.received(),
        sent: shared.sent(),
        queued: shared.unsent(),
    }
}

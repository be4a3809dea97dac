//! One event loop: a poller, the connections it owns, and the turn.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::base::notice::{tell, Kind};
use crate::base::panics::{catch, catch_payload, caught, report};
use crate::contract::action::{Action, CloseReason};
use crate::delivery::receiver::{Delivery, Receiver, Turn};
use crate::shared::seed::{Seed, WAKER};

use crate::conn::request::Request;
use crate::listen::arrival::Accepted;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::Command;
use crate::sys::clock::Clock;
use crate::sys::datagram::RecvBatch;
use crate::sys::poller::Events;
use acceptor::{Acceptor, Door};

pub(crate) mod acceptor;
mod arrive;
mod calling;
mod commands;
mod datagrams;
mod deliver;
mod dialling;
mod draining;
mod last_datagrams;
mod obeying;
mod opening;
mod serve;
mod settle;
mod timers;
mod waiting;

use waiting::Pace;

/// The buffer that all input of a loop goes through, as large as uvloop's: a quarter of it takes a fifth more processor
/// time for messages of 1 MiB, and none of it is touched by short ones. A server whose read budget is less has less.
const READ_BUFFER: usize = 256 << 10;
/// As much is read at once into memory that a receiver lends, of which it then keeps what is not filled.
const LENT: usize = 64 << 10;
/// Room in front of it, for what a connection carries from the input before.
const HEADROOM: usize = 64 << 10;
/// One turn in so many is sampled: time in callbacks, and delay from ready to handled.
const SAMPLED: u64 = 64;

/// An event loop on its thread.
pub(crate) struct EventLoop {
    state: Rc<LoopState>,
    /// Who is told what happens here.
    receiver: Box<dyn Receiver>,
    events: Events,
    /// Headroom and read buffer.
    buffer: Box<[u8]>,
    commands: Vec<Command>,
    /// Commands that were taken from the mailbox and wait for the next turn.
    put_off: IntoIter<Command>,
    /// Connections dealt to this loop and not yet taken in.
    arrivals: Vec<Accepted>,
    /// Outgoing connections of which the poller reported something.
    dialled: Vec<ConnId>,
    /// New connections are refused, and that was reported.
    refusing: bool,
    /// The listeners that this loop accepts from itself.
    acceptor: Acceptor,
    /// Made with the first UDP socket.
    datagrams: Option<Box<RecvBatch>>,
    /// The graceful stop has begun here.
    draining: bool,
    /// Bound UDP sockets that it has not ended yet.
    last_endpoints: Vec<ConnId>,
    /// What `on_tick` asked for last.
    tick: Duration,
    /// The receiver is told when a turn flushes and when it ends.
    tells_turns: bool,
    /// The receiver lends memory that input is read into, and may become full within a turn.
    lends: bool,
    /// The receiver gathers frames, and is told when those of a read were delivered.
    gathers: bool,
    /// When the poller returned, in a turn that is sampled.
    sampled: Option<Instant>,
    turns: u64,
    /// Whether it looks before it sleeps.
    pace: Pace,
}

impl EventLoop {
    /// `hosted`: the thread that turns it is not ours.
    pub(crate) fn new(
        seed: Seed,
        index: usize,
        server: Handle,
        delivery: &dyn Delivery,
        hosted: bool,
    ) -> Self {
        let server_clock = server.shared.clock;
        let read_buffer = READ_BUFFER.min(server.shared.config.read_budget);
        let carries = delivery.carries();
        EventLoop {
            state: LoopState::new(server, seed, index, hosted),
            receiver: delivery.receiver(),
            tells_turns: carries.turns,
            lends: carries.lends,
            gathers: carries.gathers,
            events: Events::new(),
            buffer: vec![0; HEADROOM + read_buffer].into_boxed_slice(),
            commands: Vec::new(),
            put_off: Vec::new().into_iter(),
            arrivals: Vec::new(),
            dialled: Vec::new(),
            refusing: false,
            acceptor: Acceptor::default(),
            datagrams: None,
            draining: false,
            last_endpoints: Vec::new(),
            tick: Duration::from_secs(1),
            sampled: None,
            turns: 0,
            pace: Pace::new(server_clock.nanos()),
        }
    }

    pub(crate) fn state(&self) -> &Rc<LoopState> {
        &self.state
    }

    /// Turns until the server stops, then closes every connection. A callback that ends its thread is on it still: then the
    /// server stops, too. Does not unwind.
    pub(crate) fn run_to_the_end(&mut self) {
        // Here, and not below, where it would be lost.
        let state = Rc::clone(&self.state);
        // What is not done when it happens again stays undone.
        let _ = state.survives(|| self.run(&state)) || state.survives(|| self.run(&state));
    }

    fn run(&mut self, state: &LoopState) {
        if self.turns == 0 {
            self.start_ticking();
        }
        while !state.server().shared.is_ending() {
            self.turn_or_stop(None);
        }
        self.finish_or_report();
    }

    /// Reads the clock and carries out what was asked for before the first turn.
    pub(crate) fn prepare(&mut self) {
        self.or_stop(|event_loop| {
            event_loop.state.now.set(event_loop.state.server().shared.clock.now());
            event_loop.obey_all();
            Ok(())
        });
    }

    /// One turn; if the poller or the engine fails, the server stops.
    pub(crate) fn turn_or_stop(&mut self, longest: Option<Duration>) {
        self.or_stop(|event_loop| event_loop.turn(longest));
    }

    /// Brings to rest what a host has changed between two turns.
    pub(crate) fn settle_or_stop(&mut self) {
        self.or_stop(|event_loop| {
            event_loop.state.now.set(event_loop.state.moment());
            event_loop.settle();
            event_loop.state.publish();
            Ok(())
        });
    }

    #[inline(always)]
    fn or_stop(&mut self, part: impl FnOnce(&mut Self) -> io::Result<()>) {
        let trouble = match catch(|| part(self)) {
            Ok(Ok(())) => return,
            // It was left.
            Err(_) if !self.state.is_of_this_process() => return,
            Ok(Err(error)) => format!("polling failed: {error}"),
            Err(panic) => format!("a loop panicked: {panic}"),
        };
        tell(Kind::Engine, format_args!("{trouble}; the server stops"));
        self.state.server().stop();
    }

    pub(crate) fn finish_or_report(&mut self) {
        match catch(|| self.finish()) {
            Err(panic) if self.state.is_of_this_process() => {
                tell(Kind::Engine, format_args!("a loop panicked at its end: {panic}"));
            }
            _ => {}
        }
    }

    fn turn(&mut self, longest: Option<Duration>) -> io::Result<()> {
        let timeout = match (self.timeout(), longest) {
            (Some(due), Some(longest)) => Some(due.min(longest)),
            (due, longest) => due.or(longest),
        };
        let polled = self.wait(timeout);
        let now = self.state.server().shared.clock.nanos();
        self.state.mailbox().is_awake();
        self.begin_turn(now);
        polled?;
        // Before timers: what a host has written between turns leaves before what they write. Before input: what
        // another thread has paused before a peer sent is not read.
        self.obey_mailbox();
        self.expire_timers();
        self.drain_if_asked();
        self.serve_reported();
        self.accept();
        self.finish_dialling();
        self.serve_lines();
        self.tell_turn(false, |receiver, turn| receiver.before_flush(turn));
        self.end_sample();
        self.settle();
        self.note_last_endpoints();
        self.state.publish();
        self.tell_turn(false, |receiver, turn| receiver.turn_ends(turn));
        Ok(())
    }

    /// It is `now`, by the clock that is read once a turn, but for what is sampled.
    fn begin_turn(&mut self, now: u64) {
        self.pace.end_wait(now);
        self.state.now.set(Clock::millis(now));
        self.state.metrics().turns.add(1);
        self.sampled = self.turns.is_multiple_of(SAMPLED).then(Instant::now);
        self.turns += 1;
    }

    fn end_sample(&mut self) {
        let Some(began) = self.sampled.take() else { return };
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.state.metrics().callback_nanos_sampled.add(nanos);
        self.state.metrics().turns_sampled.add(1);
    }

    /// Whether the poller may have more to report than it did: it had no room for more.
    pub(crate) fn has_more_events(&self) -> bool {
        self.events.is_full()
    }

    /// How long the poller may wait: not at all while there is work, for ever if nothing is due.
    pub(crate) fn timeout(&mut self) -> Option<Duration> {
        let shared = &self.state.server().shared;
        let may_sleep =
            self.state.mailbox().may_sleep() && !shared.wants_attention(self.state.index, self.draining);
        if !may_sleep || self.has_work() {
            return Some(Duration::ZERO);
        }
        let timer = self.state.timers.borrow().next_due();
        let drained = if self.draining { shared.drain_deadline() } else { None };
        let due = timer.into_iter().chain(drained).min().map(|at| shared.clock.until(at));
        // Otherwise it is the handler's answer that it waits for, which wakes it.
        let other = if self.state.takes_input() { self.acceptor.next_due() } else { None };
        let spaced = if self.tells_turns { self.receiver.due_in() } else { None };
        due.into_iter().chain(other).chain(spaced).min()
    }

    /// Whether there is something to do before the next event.
    fn has_work(&self) -> bool {
        let conns = self.state.conns.borrow();
        let accepting = !self.arrivals.is_empty() || self.acceptor.is_busy();
        let input = self.state.takes_input() && (accepting || !conns.ready.is_empty());
        let idle = conns.discard.is_empty() && conns.dirty.is_empty() && conns.done.is_empty();
        let asked = self.puts_off() || !self.dialled.is_empty();
        input || !idle || asked || (self.tells_turns && self.receiver.is_due())
    }

    /// Remembers what the poller reported of the waker or a listener.
    fn note_wake(&mut self, token: u64) {
        if token == WAKER {
            self.state.metrics().wakeups.add(1);
            self.state.mailbox().drain_waker();
        } else {
            self.acceptor.ready(token);
        }
    }

    /// Takes in the connections that were dealt to this loop, and those that it accepts itself; unless too
    /// much waits for the handler, so that peers that come and go cannot pile up events: their sockets wait
    /// then.
    #[inline]
    fn accept(&mut self) {
        if !self.arrivals.is_empty() || self.acceptor.is_due() {
            self.take_arrivals();
        }
    }

    #[inline(never)]
    fn take_arrivals(&mut self) {
        if self.state.server().shared.is_ending() {
            // In the middle of a turn: nobody has a first callback any more.
            return;
        }
        if !self.state.takes_input() {
            return;
        }
        for accepted in std::mem::take(&mut self.arrivals) {
            self.open(accepted, |event_loop| event_loop.state.mailbox().took_in());
        }
        let mut acceptor = std::mem::take(&mut self.acceptor);
        let state = Rc::clone(&self.state);
        let admissions = &state.server().shared.admissions;
        let door = Door { admissions, metrics: state.metrics(), poller: &state.poller };
        acceptor.accept(&door, |accepted| self.open(accepted, |_| {}));
        self.acceptor = acceptor;
    }

    /// Tells the receiver what happened to a connection, and does what it answers. A panic closes the connection.
    #[inline(always)]
    fn tell(&mut self, id: ConnId, event: impl FnOnce(&mut dyn Receiver, &Conn<'_>) -> Action) {
        Self::tell_of(&self.state, &mut *self.receiver, id, event);
        Self::leave_if_forked(&self.state, &mut *self.receiver);
    }

    /// The same for a loop of which other parts are lent out. Whether to leave is for the caller to see.
    #[inline(always)]
    fn tell_of(
        state: &LoopState,
        receiver: &mut dyn Receiver,
        id: ConnId,
        event: impl FnOnce(&mut dyn Receiver, &Conn<'_>) -> Action,
    ) {
        let conn = Conn::new(id, state);
        match catch_payload(|| event(receiver, &conn)) {
            Ok(Action::None) => {}
            Ok(action) => Self::answer(state, id, Ok(action)),
            Err(payload) => Self::answer(state, id, Err(caught(payload))),
        }
    }

    /// Does what a callback has answered.
    #[inline(never)]
    fn answer(state: &LoopState, id: ConnId, answer: Result<Action, String>) {
        let closed = match answer {
            Ok(Action::None) => return,
            Ok(Action::Close) => state.request(id, Request::Close(CloseReason::LocalClose)),
            Ok(Action::Detach) => state.request(id, Request::Detach),
            Ok(Action::Stop) => return state.server().stop(),
            Err(panic) => {
                report(format_args!("a callback of connection {id} panicked: {panic}"));
                return state.fail(id);
            }
        };
        // It may have closed the connection itself before; and a UDP endpoint stays as it is.
        drop(closed);
    }

    /// Tells the receiver about the turn, if it wants to know.
    #[inline(always)]
    fn tell_turn(&mut self, last: bool, tell: impl FnOnce(&mut dyn Receiver, &Turn<'_>)) {
        if self.tells_turns {
            if let Err(panic) = self.call(|state, receiver| tell(receiver, &Turn { state, last })) {
                report(format_args!("handing a turn's events over panicked: {panic}"));
            }
        }
    }
}

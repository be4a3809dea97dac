//! One event loop: a poller, the connections it owns, and the turn.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::acceptor::{Acceptor, WAKER};
use crate::action::{Action, CloseReason};
use crate::batch::Turn;
use crate::conn::{Machine, Reading};
use crate::error::{Error, Result};
use crate::handle::{Conn, Handle};
use crate::handler::Handler;
use crate::loop_state::{Entry, LoopState};
use crate::mailbox::{Accepted, Command, Mailbox};
use crate::panics::{catch, report};
use crate::slab::Slab;
use crate::sys::poller::{Event, Events, Poller};
use crate::sys::socket;
use crate::token::ConnId;

mod settle;

/// The buffer that all input of a loop goes through: what libuv and Go's net use for a stream.
const READ_BUFFER: usize = 64 << 10;

/// What a loop is made of before it has a thread.
pub(crate) struct Seed {
    pub(crate) poller: Poller,
    pub(crate) mailbox: Arc<Mailbox>,
    slab: Slab<Entry>,
}

impl Seed {
    pub(crate) fn new() -> Result<Self> {
        let slab = Slab::new()?;
        let resources = || -> io::Result<(Poller, Mailbox)> {
            let (poller, mailbox) = (Poller::new()?, Mailbox::new(slab.lease())?);
            poller.add_level(mailbox.waker(), WAKER)?;
            Ok((poller, mailbox))
        };
        let (poller, mailbox) = resources().map_err(|error| Error::system("open an event loop", &error))?;
        Ok(Seed { poller, mailbox: Arc::new(mailbox), slab })
    }
}

/// An event loop on its thread.
pub(crate) struct EventLoop {
    state: Rc<LoopState>,
    handler: Arc<dyn Handler>,
    poller: Poller,
    events: Events,
    buffer: Box<[u8]>,
    commands: Vec<Command>,
    /// Connections dealt to this loop and not yet taken in.
    arrivals: Vec<Accepted>,
    /// New connections are refused, and that was reported.
    refusing: bool,
    /// The listeners, if this is the server's only loop.
    acceptor: Option<Acceptor>,
}

impl EventLoop {
    pub(crate) fn new(
        seed: Seed,
        server: Handle,
        handler: Arc<dyn Handler>,
        acceptor: Option<Acceptor>,
    ) -> Self {
        EventLoop {
            state: LoopState::new(server, seed.mailbox, seed.slab),
            handler,
            poller: seed.poller,
            events: Events::new(),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            commands: Vec::new(),
            arrivals: Vec::new(),
            refusing: false,
            acceptor,
        }
    }

    /// Turns until the server stops, then closes every connection. Does not unwind.
    pub(crate) fn run(&mut self) {
        let state = Rc::clone(&self.state);
        state.enter(|| {
            while !state.server().is_stopping() {
                let trouble = match catch(|| self.turn()) {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => format!("polling failed: {error}"),
                    Err(panic) => format!("a loop panicked: {panic}"),
                };
                report(format_args!("{trouble}; the server stops"));
                state.server().stop();
            }
            if let Err(panic) = catch(|| self.finish()) {
                report(format_args!("a loop panicked at its end: {panic}"));
            }
        });
    }

    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        let polled = self.poller.poll(&mut self.events, timeout);
        self.state.mailbox().is_awake();
        polled?;
        self.note_events();
        self.obey_mailbox();
        self.accept();
        self.serve();
        self.end_turn(false);
        self.expire_lingering();
        self.settle();
        Ok(())
    }

    /// How long the poller may wait: not at all while there is work, for ever if nothing is due.
    fn timeout(&mut self) -> Option<Duration> {
        let may_sleep = self.state.mailbox().may_sleep() && !self.state.server().is_stopping();
        if !may_sleep || self.has_work() {
            return Some(Duration::ZERO);
        }
        let conns = &mut *self.state.conns.borrow_mut();
        while conns.lingering.front().is_some_and(|&(_, id)| conns.slab.get_mut(id).is_none()) {
            conns.lingering.pop_front();
        }
        let linger = conns.lingering.front().map(|&(at, _)| at);
        let accepting = self.acceptor.as_ref().filter(|_| self.state.takes_input());
        let due = linger.into_iter().chain(accepting.and_then(Acceptor::next_due)).min();
        due.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether there is something to do before the next event.
    fn has_work(&self) -> bool {
        let conns = self.state.conns.borrow();
        let accepting = !self.arrivals.is_empty() || self.acceptor.as_ref().is_some_and(Acceptor::is_busy);
        let input = self.state.takes_input() && (accepting || !conns.ready.is_empty());
        input || !conns.discard.is_empty() || !conns.dirty.is_empty() || self.state.gather.borrow().is_due()
    }

    /// Remembers what the poller reported.
    fn note_events(&mut self) {
        let conns = &mut *self.state.conns.borrow_mut();
        for Event { token, readable, writable, read_on } in self.events.iter() {
            match ConnId::from_u64(token) {
                Some(id) => {
                    // A stale event finds no entry.
                    if let Some(entry) = conns.slab.get_mut(id) {
                        entry.machine.ready(readable, writable, read_on);
                        conns.line_up(id);
                        conns.mark_dirty(id);
                    }
                }
                None if token == WAKER => self.state.mailbox().drain_waker(),
                None => self.acceptor.iter_mut().for_each(|acceptor| acceptor.ready(token)),
            }
        }
    }

    /// Carries out what other threads asked for.
    fn obey_mailbox(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.state.mailbox().take(&mut commands);
        self.obey(&mut commands);
        // A burst's memory is given back; the usual few commands keep theirs.
        if commands.capacity() <= 1024 {
            self.commands = commands;
        }
    }

    fn obey(&mut self, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            match command {
                Command::Open(accepted) => self.arrivals.push(accepted),
                Command::Write(id, bytes) => {
                    let conns = &mut *self.state.conns.borrow_mut();
                    if let Some(entry) = conns.slab.get_mut(id) {
                        entry.machine.write_handed_in(bytes, self.state.config(), &mut conns.pool);
                        conns.mark_dirty(id);
                    }
                }
                Command::Close(id, reason) => {
                    let conns = &mut *self.state.conns.borrow_mut();
                    if let Some(entry) = conns.slab.get_mut(id) {
                        entry.machine.close(reason);
                        conns.mark_dirty(id);
                    }
                }
                Command::Answered(answer) => self.state.answered(answer),
            }
        }
    }

    /// Takes in the connections that were dealt to this loop, and those that it accepts itself; unless too
    /// much waits for the handler, so that peers that come and go cannot pile up events: their sockets wait
    /// then.
    fn accept(&mut self) {
        if !self.state.takes_input() {
            return;
        }
        for accepted in std::mem::take(&mut self.arrivals) {
            self.open(accepted);
        }
        let Some(mut acceptor) = self.acceptor.take() else { return };
        acceptor.accept(|accepted| self.open(accepted));
        self.acceptor = Some(acceptor);
    }

    /// Takes a connection in and tells the handler.
    fn open(&mut self, accepted: Accepted) {
        match self.register(accepted) {
            Ok(id) => {
                self.refusing = false;
                self.call(id, |handler, conn| handler.on_open(conn));
            }
            // Peers can repeat this: it is reported once an outage.
            Err(error) if !std::mem::replace(&mut self.refusing, true) => {
                report(format_args!("new connections are refused: {error}"));
            }
            Err(_) => {}
        }
    }

    fn register(&mut self, Accepted { socket, unix }: Accepted) -> io::Result<ConnId> {
        let machine = Machine::new(unix);
        let shared = Arc::clone(&machine.shared);
        let conns = &mut *self.state.conns.borrow_mut();
        let id = conns.slab.insert(Entry::new(socket, machine));
        let id = id.ok_or_else(|| io::Error::other("the loop's ids are used up"))?;
        let polled = conns.slab.get_mut(id).map(|entry| self.poller.add(entry.socket.as_fd(), id.to_u64()));
        if let Some(Err(error)) = polled {
            conns.slab.remove(id);
            return Err(error);
        }
        self.state.mailbox().register(id, &shared);
        Ok(id)
    }

    /// Calls the handler for a connection and does what it answers. A panic closes the connection.
    fn call(&self, id: ConnId, callback: impl FnOnce(&dyn Handler, &Conn<'_>) -> Action) {
        let conn = Conn::new(id, &self.state);
        let closed = match catch(|| callback(&*self.handler, &conn)) {
            Ok(Action::None) => return,
            Ok(Action::Close) => self.state.close(id, CloseReason::LocalClose),
            Ok(Action::Stop) => return self.state.server().stop(),
            Err(panic) => {
                report(format_args!("a callback of connection {id} panicked: {panic}"));
                self.state.close(id, CloseReason::HandlerError)
            }
        };
        // It may have closed the connection itself before.
        drop(closed);
    }

    /// Serves the connections that were in line when the round began.
    fn serve(&mut self) {
        let round = self.state.conns.borrow().discard.len();
        for _ in 0..round {
            let next = self.state.conns.borrow_mut().discard.pop_front();
            next.into_iter().for_each(|id| self.serve_one(id, |entry| &mut entry.in_discard));
        }
        let round = self.state.conns.borrow().ready.len();
        for _ in 0..round {
            if !self.state.takes_input() {
                return;
            }
            let next = self.state.conns.borrow_mut().ready.pop_front();
            next.into_iter().for_each(|id| self.serve_one(id, |entry| &mut entry.in_ready));
        }
    }

    /// Serves a connection that stood in a line, which `stands` says.
    fn serve_one(&mut self, id: ConnId, stands: fn(&mut Entry) -> &mut bool) {
        let drain = match self.state.conns.borrow_mut().slab.get_mut(id) {
            None => return,
            Some(entry) => {
                *stands(entry) = false;
                if !entry.machine.wants_service() {
                    return;
                }
                entry.machine.take_drain()
            }
        };
        if drain {
            self.call(id, |handler, conn| handler.on_drain(conn));
        }
        let mut budget = self.state.config().read_budget;
        while budget > 0 {
            match self.read(id) {
                None => break,
                Some((Reading::Deliver, read)) => {
                    budget = budget.saturating_sub(read);
                    self.call(id, |handler, conn| handler.on_data(conn, &self.buffer[..read]));
                }
                Some((_, read)) => budget = budget.saturating_sub(read),
            }
        }
        self.state.conns.borrow_mut().mark_dirty(id);
    }

    /// Reads once into the buffer: how the bytes are to be used and how many there are, or `None` if there
    /// are none.
    fn read(&mut self, id: ConnId) -> Option<(Reading, usize)> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Entry { socket, machine, .. } = conns.slab.get_mut(id)?;
        let reading = machine.reading();
        if reading == Reading::No {
            return None;
        }
        match socket::recv(socket.as_fd(), &mut self.buffer) {
            Ok(0) => machine.received_eof(),
            Ok(read) => {
                machine.received(read == self.buffer.len());
                return Some((reading, read));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => machine.read_would_block(),
            // Nothing was read: the socket is still readable, and is tried again in the next turn.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => machine.read_failed(error.raw_os_error().unwrap_or(0)),
        }
        None
    }

    /// Lets a batching handler hand over what the turn gave.
    fn end_turn(&mut self, last: bool) {
        let turn = Turn { state: &self.state, last };
        if let Err(panic) = catch(|| self.handler.on_turn_end(&turn)) {
            report(format_args!("handing a batch over panicked: {panic}"));
        }
    }
}

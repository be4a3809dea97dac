//! What other threads ask a loop for.

use super::EventLoop;
use crate::base::conn_id::ConnId;
use crate::base::panics::report;
use crate::conn::completions;
use crate::contract::action::Completed;
use crate::shared::mailbox::command::{Command, HandedIn, Job};
use crate::shared::mailbox::MUCH;

/// Commands that a loop has room for without asking for memory, and carries out without looking at the clock.
const USUAL_COMMANDS: usize = 64;
/// Milliseconds of a turn in which commands are carried out, after which the rest waits for the next: other threads may ask for
/// more, and faster, than is carried out.
const OBEYING: u64 = 10;

impl EventLoop {
    /// Carries out what other threads asked for.
    #[inline]
    pub(super) fn obey_mailbox(&mut self) {
        if self.puts_off() {
            self.obey_put_off();
        } else if self.state.mailbox().is_pending() {
            self.obey_pending();
        }
    }

    #[inline(never)]
    fn obey_pending(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.state.mailbox().take(&mut commands);
        if commands.len() > USUAL_COMMANDS {
            self.put_off = commands.into_iter();
            return self.obey_put_off();
        }
        commands.drain(..).for_each(|command| self.obey(command));
        // A burst's memory is given back; the usual few commands keep theirs.
        if commands.capacity() <= USUAL_COMMANDS {
            self.commands = commands;
        }
    }

    /// Whether commands were taken from the mailbox and not carried out yet.
    #[inline]
    pub(super) fn puts_off(&self) -> bool {
        !self.put_off.as_slice().is_empty()
    }

    /// Carries out what waits of many commands, in order, as long as a turn may take for that.
    fn obey_put_off(&mut self) {
        let end = self.state.moment() + OBEYING;
        while self.puts_off() {
            for _ in 0..USUAL_COMMANDS {
                self.put_off.next().into_iter().for_each(|command| self.obey(command));
            }
            if self.state.moment() >= end {
                return;
            }
        }
        // A burst's memory is given back.
        self.put_off = Vec::new().into_iter();
    }

    /// Carries out all that was asked for until now.
    #[inline(never)]
    pub(super) fn obey_all(&mut self) {
        self.obey_rest();
        let mut commands = Vec::new();
        self.state.mailbox().take(&mut commands);
        commands.into_iter().for_each(|command| self.obey(command));
    }

    /// Nothing is asked for any more: carries out what was, and these last commands.
    pub(super) fn obey_last(&mut self, last: Vec<Command>) {
        self.obey_rest();
        last.into_iter().for_each(|command| self.obey(command));
    }

    /// Carries out all that was put off.
    fn obey_rest(&mut self) {
        while let Some(command) = self.put_off.next() {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Accepted(accepted) => self.arrivals.push(accepted),
            Command::LetIn(accepted) => self.let_in(accepted),
            Command::Write(id, handed_in) => self.take_bytes(id, handed_in),
            Command::WriteDatagram(id, bytes, completion) => {
                self.take_peer_datagram(id, &bytes, completion);
            }
            Command::SendTo(id, to, from, bytes) => self.take_datagram(id, (to, from), &bytes),
            Command::Request(id, request) => drop(self.state.carry_out(id, request)),
            Command::Run(job) => self.run_job(job),
            Command::Open(id, opening) => self.begin_opening(id, opening),
            Command::Resolved(id, found) => self.resolved(id, found),
            Command::Listen(placement) if !self.draining => {
                self.acceptor.add(placement, &self.state.poller);
            }
            Command::Listen(placement) => placement.listener.stop_listening(),
            Command::Endpoint(id, placement) => self.open_endpoint(id, placement),
            Command::CloseListener(closing) => self.close_listener(&closing),
            Command::Answer(answer) => {
                self.tell_turn(false, |receiver, turn| receiver.answered(turn, answer));
            }
        }
    }

    /// Queues bytes that another thread has handed in.
    fn take_bytes(&mut self, id: ConnId, handed_in: HandedIn) {
        let HandedIn { bytes, counted, writes, completion } = handed_in;
        let conns = &mut *self.state.conns.borrow_mut();
        // The budget counted them when they were handed in; the queue counts its memory now.
        conns.pool.change -= counted as isize;
        let Some(entry) = conns.slab.stream_mut(id) else {
            self.state.mailbox().holders.forget(id, &self.state.server().shared.budget);
            return conns.done.extend(completion.map(|completion| (completion, Completed::Cancelled)));
        };
        self.state.metrics().messages_written.add(writes.into());
        if completion.is_some() {
            entry.machine.shared.completion_arrived(completions::cost(completion.as_ref()));
        }
        // The end of the turn notes what that really is.
        entry.holds |= bytes.len() >= MUCH;
        let was_stuck = entry.machine.is_stuck();
        let queued = entry.machine.write_handed_in(bytes, self.state.config(), &mut conns.pool);
        match completion {
            Some(completion) if queued => entry.machine.complete_with(completion, &mut conns.pool),
            Some(completion) => conns.done.push((completion, Completed::Cancelled)),
            None => {}
        }
        if let Some(timing) = entry.timing().filter(|_| !was_stuck) {
            timing.went(self.state.moment());
        }
        conns.mark_dirty(id);
    }

    /// The timers that it starts count from its beginning, and so come by their delays.
    fn run_job(&mut self, job: Job) {
        self.state.now.set(self.state.moment());
        if let Err(panic) = self.call(|state, _| job(state.server())) {
            report(format_args!("a function that was run on a loop panicked: {panic}"));
        }
    }
}

//! The thread that accepts for several loops and deals the connections out.

use std::time::Duration;

use crate::base::notice::{tell, Kind};
use crate::event_loop::acceptor::{Acceptor, Door, LAST_BATCHES};
use crate::listen::arrival::Accepted;
use crate::listen::balancer::Balancer;
use crate::shared::accept_box::{AcceptBox, AcceptCommand};
use crate::shared::handle::Handle;
use crate::shared::mailbox::command::Command;
use crate::shared::seed::WAKER;
use crate::sys::poller::{Event, Events};

pub(crate) struct AcceptThread {
    server: Handle,
    acceptor: Acceptor,
    balancer: Balancer,
}

impl AcceptThread {
    pub(crate) fn new(server: Handle) -> Self {
        let seed = u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let balancer = Balancer::new(server.shared.config.balance, seed);
        AcceptThread { server, acceptor: Acceptor::default(), balancer }
    }

    /// Accepts until the server stops, or begins to.
    pub(crate) fn run(mut self, accepting: &AcceptBox) {
        let mut events = Events::new();
        while !self.server.shared.listeners_are_closing() {
            let timeout = match self.acceptor.is_busy() {
                true => Some(Duration::ZERO),
                false => self.acceptor.next_due(),
            };
            accepting.metrics.polls.add(1);
            if let Err(error) = accepting.poller.poll(&mut events, timeout) {
                tell(Kind::Engine, format_args!("polling for connections failed: {error}; the server stops"));
                return self.server.stop();
            }
            self.turn(accepting, &events);
        }
        self.end(accepting);
    }

    /// Those who connected before the listeners close are let in, if the server takes its time to stop.
    fn end(mut self, accepting: &AcceptBox) {
        self.obey(accepting.end(), accepting);
        self.acceptor.look_at_all();
        for _ in 0..LAST_BATCHES {
            if self.server.shared.is_ending() || !self.acceptor.is_busy() {
                break;
            }
            self.deal(accepting);
        }
        self.acceptor.clear(&accepting.poller);
        accepting.set_done();
        self.server.shared.connection_ended();
    }

    fn turn(&mut self, accepting: &AcceptBox, events: &Events) {
        for Event { token, .. } in events.iter() {
            match token {
                WAKER => {
                    accepting.metrics.wakeups.add(1);
                    accepting.drain_waker();
                }
                _ => self.acceptor.ready(token),
            }
        }
        self.obey(accepting.take(), accepting);
        self.deal(accepting);
    }

    fn obey(&mut self, commands: Vec<AcceptCommand>, accepting: &AcceptBox) {
        for command in commands {
            match command {
                AcceptCommand::Listen(placement) => self.acceptor.add(placement, &accepting.poller),
                AcceptCommand::Close(listener, released) => {
                    self.acceptor.remove(listener, &accepting.poller);
                    drop(released);
                }
                AcceptCommand::LetIn(waiting) => self.let_in(waiting, accepting),
            }
        }
    }

    fn deal(&mut self, accepting: &AcceptBox) {
        if !self.acceptor.is_busy() && self.acceptor.next_due() != Some(Duration::ZERO) {
            return;
        }
        self.deal_from(accepting, |acceptor, door, take| acceptor.accept(door, take));
    }

    /// Deals out connections that were accepted elsewhere, as far as the limits allow.
    fn let_in(&mut self, waiting: Vec<Accepted>, accepting: &AcceptBox) {
        self.deal_from(accepting, |_, door, take| {
            waiting.into_iter().for_each(|mut accepted| {
                if door.let_in(&mut accepted) {
                    take(accepted);
                }
            });
        });
    }

    /// Deals out what `source` gives.
    fn deal_from(
        &mut self,
        accepting: &AcceptBox,
        source: impl FnOnce(&mut Acceptor, &Door<'_>, &mut dyn FnMut(Accepted)),
    ) {
        let loops = self.server.mailboxes();
        let mut open: Vec<usize> = loops.iter().map(|mailbox| mailbox.load()).collect();
        let mut dealt: Vec<Vec<Command>> = loops.iter().map(|_| Vec::new()).collect();
        let AcceptBox { metrics, poller, .. } = accepting;
        let door = Door { admissions: &self.server.shared.admissions, metrics, poller };
        let balancer = &mut self.balancer;
        source(&mut self.acceptor, &door, &mut |accepted| {
            let index = balancer.pick(accepted.peer.inet().map(|peer| peer.ip()), &open);
            open[index] += 1;
            dealt[index].push(Command::Accepted(accepted));
        });
        for (mailbox, commands) in loops.iter().zip(dealt).filter(|(_, commands)| !commands.is_empty()) {
            mailbox.deal(commands);
        }
    }
}

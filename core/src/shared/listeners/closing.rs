//! Closing a listener: whoever the kernel has connected is let in, and the address is free.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{bounded, Receiver};

use super::{Record, Server};
use crate::address::{Address, SocketKind};
use crate::base::engine_thread;
use crate::base::error::Result;
use crate::contract::options::{ListenerId, Waiting};
use crate::listen::arrival::{Accepted, Unserved};
use crate::listen::listener::Listener;
use crate::shared::accept_box::AcceptCommand;
use crate::shared::mailbox::command::{Closing, Command};
use crate::shared::server::{Phase, ServerState};
use crate::sys::poller::POLLING_HOLDS;

/// How long closing waits for the loops of UDP sockets. One that is in a callback for longer, perhaps waiting for the
/// calling thread, closes its socket later.
const PATIENCE: Duration = Duration::from_secs(5);

impl ServerState {
    /// `host_turns`: a host that turns when it likes is known to do so while this waits.
    pub(crate) fn close_listener(
        &self,
        listener: ListenerId,
        waiting: Waiting,
        host_turns: bool,
    ) -> Result<()> {
        self.expect_own_process()?;
        let record = self.control().listeners.remove(listener)?;
        // Without the lock: removing a path may take its time.
        match record.is_placed {
            true => self.close_placed(&record, waiting, host_turns),
            false => self.close_unplaced(&record, waiting),
        }
        Ok(())
    }

    /// Nobody has taken it over yet: its sockets are closed with the record. Who waits goes on to wait for the start. If other
    /// processes may accept from the socket, who waits is left to them, unless this process is just starting.
    fn close_unplaced(&self, record: &Record, waiting: Waiting) {
        self.forget_endpoints(&record.endpoints);
        let starts = self.phase() != Phase::New;
        for (index, placement) in record.sockets.iter().enumerate() {
            if placement.listener.is_shared() && !starts {
                continue;
            }
            let by = self.server_of(record, index);
            let left = record.waiting_at(&placement.listener, waiting);
            self.control().listeners.left.extend(left.into_iter().map(|accepted| (by, accepted)));
        }
    }

    fn close_placed(&self, record: &Record, waiting: Waiting, host_turns: bool) {
        let here = record.placed.iter().enumerate().filter(|(index, _)| self.is_closed_here(record, *index));
        let open: Vec<_> = here.filter_map(|(index, listener)| Some((index, listener.upgrade()?))).collect();
        // From all of several sockets first: the kernel goes on to connect to those that are still open.
        let mut arrived: Vec<_> =
            open.iter().map(|(_, listener)| record.waiting_at(listener, waiting)).collect();
        for ((_, listener), arrived) in open.iter().zip(&mut arrived) {
            self.close_socket(record, listener, waiting, arrived);
        }
        for ((index, _), arrived) in open.iter().zip(arrived) {
            self.let_in(self.server_of(record, *index), arrived);
        }
        self.tell_closed(record, waiting, host_turns);
    }

    /// Whether the calling thread closes a socket. A loop that is about to take a UDP socket over has to send for it first,
    /// unless it is this very thread's loop.
    fn is_closed_here(&self, record: &Record, index: usize) -> bool {
        let mailboxes = self.mailboxes();
        record.kind != SocketKind::Udp || mailboxes[record.loop_of(index, mailboxes.len())].is_here()
    }

    fn close_socket(
        &self,
        record: &Record,
        listener: &Listener,
        waiting: Waiting,
        arrived: &mut Vec<Accepted>,
    ) {
        // There is one: the listener was placed.
        let Some(mailbox) = self.mailboxes().first() else { return };
        let mut take = |socket, peer| arrived.push(record.accepted(socket, peer));
        match waiting {
            Waiting::Serve => listener.close_now(mailbox.waker(), Some(&mut take)),
            Waiting::Refuse => listener.close_now(mailbox.waker(), None),
        }
    }

    /// Has connections taken in that were accepted on another thread.
    pub(super) fn let_in(&self, by: Server, waiting: Vec<Accepted>) {
        if waiting.is_empty() {
            return;
        }
        match by {
            Server::Loop(index) => {
                self.mailboxes()[index].deal(waiting.into_iter().map(Command::LetIn).collect());
            }
            Server::Acceptor => {
                if let Some(accepting) = self.accepting() {
                    accepting.send(AcceptCommand::LetIn(waiting));
                }
            }
        }
    }

    /// Tells those who had the listener, and waits for them if they still hold the address: UDP sockets are the loops' own,
    /// and over some pollers a thread that polls holds what it polls.
    fn tell_closed(&self, record: &Record, waiting: Waiting, host_turns: bool) {
        let (released, all_released) = bounded(0);
        let is_udp = record.kind == SocketKind::Udp;
        let by_acceptor = !is_udp && matches!(self.server_of(record, 0), Server::Acceptor);
        for mailbox in self.mailboxes() {
            // A loop that is busy does not poll; it looks at what is asked of it first.
            let holds = is_udp || (!by_acceptor && mailbox.is_asleep());
            let released = holds.then(|| released.clone());
            let closing = Closing { listener: record.id, waiting, released };
            match is_udp {
                true => mailbox.close_endpoints(closing, &record.endpoints),
                false => drop(mailbox.send(Command::CloseListener(closing))),
            }
        }
        if let Some(accepting) = self.accepting() {
            let released = by_acceptor.then(|| released.clone());
            accepting.send(AcceptCommand::Close(record.id, released));
        }
        drop(released);
        // The thread that accepts waits for nobody. A loop's callback may, and a host turns when it likes.
        let turns = host_turns || !self.phase().is_hosted();
        let may_wait = by_acceptor || (!engine_thread::is_marked() && turns);
        if may_wait && (is_udp || POLLING_HOLDS) {
            wait(&all_released);
        }
    }
}

/// Waits until nobody has the other end any more.
fn wait(released: &Receiver<Infallible>) {
    // No message can come: it ends with the last of the other end, or with the time.
    let Err(_) = released.recv_timeout(PATIENCE);
}

impl Record {
    /// Accepts whoever the kernel has connected, if they are to be served.
    fn waiting_at(&self, listener: &Listener, waiting: Waiting) -> Vec<Accepted> {
        let mut taken = Vec::new();
        if waiting == Waiting::Serve {
            listener.take_waiting(&mut |socket, peer| taken.push(self.accepted(socket, peer)));
        }
        taken
    }

    fn accepted(&self, socket: OwnedFd, peer: Address) -> Accepted {
        let (socket, origin) = (Unserved::new(socket), Arc::clone(&self.origin));
        Accepted { socket, origin, peer, admission: None }
    }
}

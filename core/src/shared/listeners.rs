//! A server's listeners: made by any thread, placed with the loops or the accepting thread, closed.

mod closing;

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Weak};

use crate::address::{ListenOptions, ListenUrl, SocketKind};
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, ErrorKind, Result};
use crate::conn::shared::{ConnKind, ConnShared};
use crate::contract::config::Balance;
use crate::contract::options::{ConnOptions, ListenerId, Listening};
use crate::listen::arrival::{Accepted, Origin, Placement};
use crate::listen::listener::Listener;
use crate::shared::accept_box::AcceptCommand;
use crate::shared::mailbox::command::Command;
use crate::shared::server::{Phase, ServerState};

/// The listeners of a server, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Records {
    records: Vec<Record>,
    /// The number given last.
    last: u32,
    /// Connections of listeners that were closed before the end of `on_start`: they wait for the start.
    left: Vec<(Server, Accepted)>,
}

/// Who takes a listener's connections in.
#[derive(Clone, Copy, Debug)]
enum Server {
    /// The thread that accepts.
    Acceptor,
    Loop(usize),
}

/// A listener: one socket, or one for each loop.
struct Record {
    id: ListenerId,
    address: String,
    kind: SocketKind,
    /// One for each loop.
    sharded: bool,
    /// Until they are placed.
    sockets: Vec<Placement>,
    is_placed: bool,
    /// From then on: whoever accepts, or a UDP socket's loop until it has taken it over, owns them.
    placed: Vec<Weak<Listener>>,
    origin: Arc<Origin>,
    /// Of a UDP listener, from the start on: an id for each socket.
    endpoints: Vec<ConnId>,
}

impl ServerState {
    pub(crate) fn listen(
        &self,
        url: &str,
        options: &ListenOptions,
        conns: &ConnOptions,
    ) -> Result<Listening> {
        self.try_listen(url, options, conns).inspect_err(|_| self.excuses.unstarted())
    }

    fn try_listen(&self, url: &str, options: &ListenOptions, conns: &ConnOptions) -> Result<Listening> {
        // Looked up and bound without the lock: that may take its time.
        self.expect_listening()?;
        self.expect_framing(conns.framing.as_ref())?;
        let parsed = ListenUrl::parse(url, options, conns)?;
        let conns = parsed.conns.clone();
        // That of the query, too.
        self.expect_framing(conns.framing.as_ref())?;
        let listeners = self.open(url, parsed)?;
        let mut control = self.control();
        self.expect_listening()?;
        let id = control.listeners.add(listeners, conns);
        if !self.mailboxes().is_empty() {
            self.register_record(control.listeners.find(id)?);
        }
        if control.phase.is_running() {
            self.place(control.listeners.find(id)?);
        }
        let record = control.listeners.find(id)?;
        Ok(Listening { id, address: record.address.clone() })
    }

    /// The socket of a listener, or the first of them.
    pub(crate) fn listener_socket(&self, id: ListenerId) -> Result<Arc<Listener>> {
        let mut control = self.control();
        let record = control.listeners.find(id)?;
        let unplaced = record.sockets.first().map(|socket| Arc::clone(&socket.listener));
        unplaced.or_else(|| record.placed.first().and_then(Weak::upgrade)).ok_or_else(|| unknown(id))
    }

    fn expect_listening(&self) -> Result<()> {
        let wrong = |why| Err(Error::new(ErrorKind::WrongState, format!("cannot listen: {why}")));
        if self.is_stopping() {
            return wrong("the server is stopping");
        }
        self.expect_own_process()
    }

    /// Opens the socket, or one for each loop where the kernel is to shard.
    fn open(&self, url: &str, mut parsed: ListenUrl) -> Result<Vec<Listener>> {
        let can_shard = parsed.scheme.is_tcp() || parsed.scheme.is_udp();
        if can_shard && self.config.balance == Balance::ReusePort {
            parsed.options.reuseport.get_or_insert(true);
        }
        let first = Listener::open(url, parsed)?;
        let mut listeners = vec![first];
        if listeners[0].reuseport() {
            for _ in 1..self.config.loops {
                let another = listeners[0].another()?;
                listeners.push(another);
            }
        }
        Ok(listeners)
    }

    /// Gives the endpoints of a UDP listener their ids, so that they are known before anything comes.
    fn register_record(&self, record: &mut Record) {
        if record.kind != SocketKind::Udp || !record.endpoints.is_empty() {
            return;
        }
        for index in 0..record.sockets.len() {
            let shared = ConnShared::new(ConnKind::Endpoint, record.id.to_u32(), self.clock.now(), None);
            // Until its loop has taken it in, and has one of its own.
            let listener = &record.sockets[index].listener;
            shared.set_descriptor(Some(listener.as_fd().as_raw_fd()));
            shared.set_ipv4(listener.is_ipv4());
            let mailbox = &self.mailboxes()[record.loop_of(index, self.mailboxes().len())];
            record.endpoints.extend(mailbox.register(shared));
        }
    }

    /// Does it for the listeners that were made before the loops.
    pub(crate) fn register_endpoints(&self) {
        let mut control = self.control();
        control.listeners.records.iter_mut().for_each(|record| self.register_record(record));
    }

    /// Places the listeners that were made before the start; from then on, `listen` places its listener itself.
    pub(crate) fn place_listeners(&self, phase: Phase) {
        let mut control = self.control();
        control.listeners.records.iter_mut().for_each(|record| self.place(record));
        control.phase = phase;
        // In a child that was forked since, they are its parent's.
        let mut left = std::mem::take(&mut control.listeners.left);
        left.retain(|(_, waiting)| waiting.socket.is_of_this_process());
        left.into_iter().for_each(|(to, waiting)| self.let_in(to, vec![waiting]));
    }

    /// Hands a listener to the threads that will accept from it.
    fn place(&self, record: &mut Record) {
        let mailboxes = self.mailboxes();
        for (index, socket) in std::mem::take(&mut record.sockets).into_iter().enumerate() {
            socket.listener.adopt();
            record.placed.push(Arc::downgrade(&socket.listener));
            record.is_placed = true;
            match (record.kind, self.server_of(record, index)) {
                (SocketKind::Udp, _) => {
                    if let Some(id) = record.endpoints.get(index) {
                        // Before what on_start has asked of it.
                        let mailbox = &mailboxes[record.loop_of(index, mailboxes.len())];
                        mailbox.send_first(Command::Endpoint(*id, socket));
                    }
                }
                (_, Server::Acceptor) => {
                    if let Some(accepting) = self.accepting() {
                        accepting.send(AcceptCommand::Listen(socket));
                    }
                }
                (_, Server::Loop(index)) => drop(mailboxes[index].send(Command::Listen(socket))),
            }
        }
    }

    fn server_of(&self, record: &Record, index: usize) -> Server {
        match record.sharded || self.config.loops == 1 {
            true => Server::Loop(record.loop_of(index, self.config.loops)),
            false => Server::Acceptor,
        }
    }

    /// Stops listening at those that are placed, whoever has them.
    pub(crate) fn close_placed_listeners(&self) {
        let control = self.control();
        let placed = control.listeners.records.iter().flat_map(|record| &record.placed);
        let placed: Vec<_> = placed.filter_map(Weak::upgrade).collect();
        // Without the lock: removing a path may take its time.
        drop(control);
        placed.iter().for_each(|listener| listener.stop_listening());
    }

    /// Closes the listeners that nobody has taken over.
    pub(crate) fn close_unplaced_listeners(&self) {
        let mut control = self.control();
        let left = std::mem::take(&mut control.listeners.left);
        let unplaced: Vec<_> = (control.listeners.records.iter_mut())
            .filter(|record| !record.sockets.is_empty())
            .map(|record| (std::mem::take(&mut record.sockets), std::mem::take(&mut record.endpoints)))
            .collect();
        drop(control);
        // Nobody must reach the sockets by an id once they are closed.
        unplaced.iter().for_each(|(_, endpoints)| self.forget_endpoints(endpoints));
        drop((unplaced, left));
    }

    /// No loop has heard of these endpoints: nobody else will end them.
    fn forget_endpoints(&self, endpoints: &[ConnId]) {
        for id in endpoints {
            self.mailbox_of(id.lease()).into_iter().for_each(|mailbox| mailbox.forget(*id));
        }
    }

    pub(crate) fn listeners(&self) -> Vec<Listening> {
        let control = self.control();
        let records = control.listeners.records.iter();
        records.map(|record| Listening { id: record.id, address: record.address.clone() }).collect()
    }

    pub(crate) fn endpoints(&self, listener: ListenerId) -> Vec<ConnId> {
        let mut control = self.control();
        control.listeners.find(listener).map(|record| record.endpoints.clone()).unwrap_or_default()
    }
}

impl Records {
    fn add(&mut self, listeners: Vec<Listener>, conns: ConnOptions) -> ListenerId {
        self.last += 1;
        let id = ListenerId::new(self.last);
        let first = &listeners[0];
        let (address, kind, sharded) = (first.address().to_owned(), first.kind(), listeners.len() > 1);
        let origin = Arc::new(Origin {
            listener: id,
            unix: kind == SocketKind::Unix,
            framing: conns.framing.clone().map(Arc::new),
            options: conns,
        });
        let sockets = listeners
            .into_iter()
            .map(|listener| Placement { listener: Arc::new(listener), origin: Arc::clone(&origin) })
            .collect();
        let (placed, endpoints) = (Vec::new(), Vec::new());
        self.records.push(Record {
            id,
            address,
            kind,
            sharded,
            sockets,
            is_placed: false,
            placed,
            origin,
            endpoints,
        });
        id
    }

    /// Of the first that there is.
    pub(crate) fn first_address(&self) -> Option<String> {
        self.records.first().map(|record| record.address.clone())
    }

    /// Whether there are listeners, or have been.
    pub(crate) fn were_any(&self) -> bool {
        self.last > 0
    }

    fn find(&mut self, id: ListenerId) -> Result<&mut Record> {
        self.records.iter_mut().find(|record| record.id == id).ok_or_else(|| unknown(id))
    }

    fn remove(&mut self, id: ListenerId) -> Result<Record> {
        let index = self.records.iter().position(|record| record.id == id).ok_or_else(|| unknown(id))?;
        Ok(self.records.remove(index))
    }
}

fn unknown(id: ListenerId) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("there is no listener {}", id.to_u32()))
}

impl Record {
    /// The loop that a socket of this listener's belongs to: each its own, or one after the other.
    fn loop_of(&self, index: usize, loops: usize) -> usize {
        match self.sharded {
            true => index % loops,
            false => (self.id.to_u32() as usize - 1) % loops,
        }
    }
}

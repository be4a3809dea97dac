//! The event loop: one thread, one poll, all connections.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use crate::connection::{Connection, Input};
use crate::Failure;

/// Connections have the numbers of their places in the slab.
const LISTENER: Token = Token(usize::MAX);
/// What one read takes at most.
const BUFFER: usize = 64 << 10;
const BACKLOG: i32 = 4096;
/// How long to wait before accepting again when descriptors have run out.
const RETRY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Echo,
    Frames,
    Broadcast,
}

pub(crate) struct Server {
    poll: Poll,
    listener: TcpListener,
    kind: Kind,
    connections: Slab<Connection>,
    buffer: Vec<u8>,
    /// Accepting failed, and no event will say when it can go on.
    accept_again: bool,
}

impl Server {
    pub(crate) fn new(address: SocketAddr, kind: Kind) -> Result<Server, Failure> {
        let poll = Poll::new()?;
        let mut listener = listen(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("listening on tcp://{}", listener.local_addr()?);
        let buffer = vec![0; BUFFER];
        Ok(Server { poll, listener, kind, connections: Slab::new(), buffer, accept_again: false })
    }

    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.accept_again.then_some(RETRY)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if self.accept_again {
                self.accept_all();
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_all(),
                    Token(key) => self.handle(key, event),
                }
            }
        }
    }

    fn accept_all(&mut self) {
        loop {
            match self.listener.accept() {
                // One that has broken already concerns nobody else.
                Ok((stream, _)) => drop(self.take_in(stream)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.accept_again = error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    fn take_in(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let place = self.connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(place.key()), interest)?;
        place.insert(Connection::new(stream));
        Ok(())
    }

    /// The event may be that of an earlier connection in the same place: then the socket would block.
    fn handle(&mut self, key: usize, event: &Event) {
        if self.serve(key, event).is_err() {
            self.remove(key);
        }
    }

    fn serve(&mut self, key: usize, event: &Event) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(key) else { return Ok(()) };
        if event.is_readable() {
            connection.became_readable();
        }
        if event.is_writable() {
            connection.flush()?;
        }
        while let Some(connection) = self.connections.get_mut(key) {
            match connection.read(&mut self.buffer)? {
                Input::Bytes(len) => self.answer(key, len)?,
                Input::Nothing => break,
                Input::End => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(())
    }

    /// Handles the bytes at the front of the buffer.
    fn answer(&mut self, key: usize, len: usize) -> io::Result<()> {
        let input = &self.buffer[..len];
        match self.kind {
            Kind::Echo => self.connections[key].send(input),
            Kind::Frames => self.connections[key].send_messages(input),
            Kind::Broadcast => {
                self.tell_all(len);
                Ok(())
            }
        }
    }

    fn tell_all(&mut self, len: usize) {
        let message = &self.buffer[..len];
        let told = self.connections.iter_mut().map(|(key, connection)| (key, connection.send(message)));
        let broken: Vec<usize> = told.filter(|(_, result)| result.is_err()).map(|(key, _)| key).collect();
        broken.into_iter().for_each(|key| self.remove(key));
    }

    /// Dropping the socket closes it, and takes it out of the poll.
    fn remove(&mut self, key: usize) {
        self.connections.try_remove(key);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

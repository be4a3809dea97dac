//! The peer of a connection, over TCP or a Unix socket alike, and servers that listen on either.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use reactor_core::{Config, ConnOptions, Handler, ListenOptions, Server};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{loops, PATIENCE};

/// Where a server is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Unix,
}

/// Calls the test with one loop and with three, over TCP and over a Unix socket.
pub(crate) fn everywhere(test: impl Fn(&Config, Over)) {
    for number in [1, 3] {
        test(&loops(number), Over::Tcp);
        test(&loops(number), Over::Unix);
    }
}

/// A started server and its address.
pub(crate) fn serve_over(over: Over, handler: impl Handler, config: &Config) -> (Server, String) {
    serve_conns(over, handler, config, &ConnOptions::default())
}

/// The same, with options for its connections.
pub(crate) fn serve_conns(
    over: Over,
    handler: impl Handler,
    config: &Config,
    conns: &ConnOptions,
) -> (Server, String) {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    let url = match over {
        Over::Tcp => "tcp://127.0.0.1:0".into(),
        Over::Unix => {
            let name = NAMES.fetch_add(1, Ordering::Relaxed);
            format!("unix://@reactor-test-{}-{name}", std::process::id())
        }
    };
    let server = Server::new(handler, config).unwrap();
    let address = server.listen_with(&url, &ListenOptions::default(), conns).unwrap().address;
    server.start().unwrap();
    (server, address)
}

/// Connects to a server's address.
pub(crate) fn peer(address: &str) -> Socket {
    let (domain, to): (_, SockAddr) = match address.strip_prefix("unix://@") {
        Some(name) => (Domain::UNIX, SockAddr::unix(format!("\0{name}")).unwrap()),
        None => {
            let inet: SocketAddr = address.trim_start_matches("tcp://").parse().unwrap();
            (Domain::IPV4, inet.into())
        }
    };
    let socket = Socket::new(domain, Type::STREAM, None).unwrap();
    socket.connect(&to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Closes the socket with a reset (TCP only).
pub(crate) fn reset(socket: Socket) {
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(socket);
}

/// Shuts the writing side down; of a socket that was reset there is none left.
pub(crate) fn finish(socket: &Socket) {
    if let Err(error) = socket.shutdown(Shutdown::Write) {
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    }
}

/// Everything up to EOF.
pub(crate) fn read_all(socket: &mut Socket) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Reads until the connection ends: what came, and whether a reset ended it.
pub(crate) fn read_to_any_end(socket: &mut Socket) -> (Vec<u8>, bool) {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return (bytes, false),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (bytes, true),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends all of it.
pub(crate) fn send(socket: &mut Socket, bytes: &[u8]) {
    socket.write_all(bytes).unwrap();
}

use super::*;
use crate::sys::poller::{Events, Poller};
use socket2::Domain;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};

fn connect(to: SocketAddr, datagram: bool, options: &DialOptions) -> io::Result<(OwnedFd, bool)> {
    connect_start(&to.into(), datagram, options)
}

/// Waits until an attempt to connect has ended, and says how.
fn outcome(socket: &OwnedFd, connected: bool) -> Option<i32> {
    if !connected {
        let (poller, mut events) = (Poller::new().unwrap(), Events::new());
        poller.add(socket.as_fd(), 1).unwrap();
        while events.iter().count() == 0 {
            poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        }
    }
    failure(socket.as_fd())
}

fn inet(address: Address) -> SocketAddr {
    match address {
        Address::Inet(addr) => addr,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tcp_connection_is_started_with_its_options_and_both_addresses_are_known() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = DialOptions {
        recv_buffer: 20_000,
        send_buffer: 30_000,
        bind: Some("127.0.0.9:0".parse().unwrap()),
        device: Some("lo".into()),
        ..DialOptions::default()
    };
    let (socket, connected) = connect(listener.local_addr().unwrap(), false, &options).unwrap();
    assert_eq!(outcome(&socket, connected), None);
    let (accepted, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip().to_string(), "127.0.0.9");
    assert_eq!(inet(local_address(socket.as_fd()).unwrap()), peer);
    assert_eq!(peer_address(socket.as_fd()).unwrap(), Address::Inet(listener.local_addr().unwrap()));
    assert_eq!(peer_address(accepted.as_fd()).unwrap(), Address::Inet(peer));
    let socket = SockRef::from(&socket);
    assert!(socket.tcp_nodelay().unwrap() && socket.nonblocking().unwrap() && !socket.keepalive().unwrap());
    assert_eq!((socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()), (40_000, 60_000));
    assert_eq!(socket.device().unwrap(), Some(b"lo".to_vec()));
}

#[test]
fn a_refused_connection_leaves_its_error_once() {
    // An address of the test's own: nobody else listens there by chance.
    let closed = TcpListener::bind("127.0.77.4:0").unwrap().local_addr().unwrap();
    let (socket, connected) = connect(closed, false, &DialOptions::default()).unwrap();
    assert!(!connected);
    assert_eq!(outcome(&socket, connected), Some(libc::ECONNREFUSED));
    assert_eq!(failure(socket.as_fd()), None);
}

#[test]
fn a_connect_that_meets_itself_has_failed_and_leaves_the_port_free() {
    for datagram in [false, true] {
        let free = TcpListener::bind("127.0.77.6:0").unwrap().local_addr().unwrap();
        let options = DialOptions { bind: Some(free), ..DialOptions::default() };
        let failed = match connect(free, datagram, &options) {
            Ok((socket, connected)) => {
                assert_eq!(outcome(&socket, connected), None);
                connect_state(socket.as_fd()).map(drop)
            }
            Err(error) => Err(error),
        };
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED), "datagram: {datagram}");
        // Without SO_REUSEADDR, as nobody is to need it.
        let listening = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listening.bind(&free.into()).unwrap();
        listening.listen(1).unwrap();
    }
}

#[test]
fn the_local_port_of_a_connection_can_be_chosen_again() {
    let free = TcpListener::bind("127.0.77.5:0").unwrap().local_addr().unwrap();
    let options = DialOptions { bind: Some(free), ..DialOptions::default() };
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (socket, connected) = connect(listener.local_addr().unwrap(), false, &options).unwrap();
        assert_eq!(outcome(&socket, connected), None);
        // Closed by this side first: the port is in TIME_WAIT afterwards.
        drop(socket);
        let (mut accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer, free);
        assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_udp_socket_is_connected_at_once() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (socket, connected) = connect(server.local_addr().unwrap(), true, &DialOptions::default()).unwrap();
    assert!(connected);
    send(socket.as_fd(), b"hello").unwrap();
    let mut buffer = [0; 10];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"hello");
    assert_eq!(local_address(socket.as_fd()).unwrap(), Address::Inet(from));
}

#[test]
fn a_unix_connection_is_made_at_once_or_not_at_all() {
    let path = std::env::temp_dir().join(format!("reactor-{}-connect", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let address = SockAddr::unix(&path).unwrap();
    let options = DialOptions { send_buffer: 30_000, ..DialOptions::default() };
    let (socket, connected) = connect_start(&address, false, &options).unwrap();
    assert!(connected);
    assert_eq!(SockRef::from(&socket).send_buffer_size().unwrap(), 60_000);
    assert_eq!(peer_address(socket.as_fd()).unwrap(), Address::Path(path.clone()));
    assert_eq!(local_address(socket.as_fd()).unwrap(), Address::Unnamed);
    SockRef::from(&listener).listen(0).unwrap();
    let full = connect_start(&address, false, &options).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::EAGAIN));
    drop(listener);
    let dead = connect_start(&address, false, &options).unwrap_err();
    assert_eq!(dead.raw_os_error(), Some(libc::ECONNREFUSED));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn an_ipv4_peer_of_a_dual_stack_socket_is_shown_as_ipv4() {
    let listener = TcpListener::bind("[::]:0").unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let (socket, _) = connect(to, false, &DialOptions::default()).unwrap();
    let (accepted, peer) = listener.accept().unwrap();
    assert!(peer.is_ipv6());
    assert_eq!(peer_address(accepted.as_fd()).unwrap(), local_address(socket.as_fd()).unwrap());
    assert_eq!(local_address(accepted.as_fd()).unwrap(), Address::Inet(to));
}

#[test]
fn unix_names_are_told_apart() {
    let name = format!("reactor-{}-name", std::process::id());
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    assert_eq!(local_address(socket.as_fd()).unwrap(), Address::Unnamed);
    socket.bind(&SockAddr::unix(format!("\0{name}")).unwrap()).unwrap();
    assert_eq!(local_address(socket.as_fd()).unwrap(), Address::Abstract(name.into_bytes()));
}

#[test]
fn credentials_are_those_of_connected_unix_sockets_only() {
    let (one, _other) = UnixStream::pair().unwrap();
    let credentials = peer_credentials(one.as_fd()).unwrap();
    assert_eq!(credentials.pid, i32::try_from(std::process::id()).ok());
    let errno = |socket: Socket| peer_credentials(socket.as_fd()).unwrap_err().raw_os_error();
    assert_eq!(errno(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()), Some(libc::EOPNOTSUPP));
    assert_eq!(errno(Socket::new(Domain::UNIX, Type::STREAM, None).unwrap()), Some(libc::ENOTCONN));
}

#[test]
fn interfaces_have_numbers() {
    assert_eq!(interface_index("lo").unwrap(), 1);
    for name in ["reactor-none", "", "l\0o"] {
        assert_eq!(interface_index(name).unwrap_err().raw_os_error(), Some(libc::ENODEV), "{name:?}");
    }
}

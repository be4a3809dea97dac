use super::inet::bind_failed;
use super::*;
use crate::address::{KeepAlive, Multicast};
use crate::sys::socket;
use crate::sys::waker::Waker;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process;
use std::time::{Duration, Instant};

fn open(url: &str) -> Result<Listener> {
    Listener::open_with(url, &ListenOptions::default())
}

/// The port of a listener.
fn port(listener: &Listener) -> u16 {
    listener.address().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Tries until it does not have to wait any more.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> T {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < give_up => {
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn accept(listener: &Listener) -> Socket {
    patiently(|| socket::accept(listener.as_fd())).0.into()
}

fn receive(listener: &Listener) -> Vec<u8> {
    let mut buffer = [0; 100];
    let length = patiently(|| socket::recv(listener.as_fd(), &mut buffer));
    buffer[..length].to_vec()
}

#[test]
fn port_zero_becomes_the_real_port() {
    let listener = open("tcp4://127.0.0.1:0").unwrap();
    let address = listener.address().strip_prefix("tcp4://").unwrap();
    assert!(TcpStream::connect(address).is_ok());
    assert_eq!(listener.kind(), SocketKind::Tcp);
}

#[test]
fn no_host_listens_on_both_families() {
    let listener = open("tcp://:0").unwrap();
    let port: u16 = listener.address().strip_prefix("tcp://[::]:").unwrap().parse().unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
}

#[test]
fn ipv6_only_decides_about_ipv4() {
    for (url, both) in [
        ("tcp://[::]:0", false),
        ("tcp6://:0", false),
        ("tcp://:0?ipv6only=true", false),
        ("tcp://[::]:0?ipv6only=false", true),
    ] {
        let listener = open(url).unwrap();
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port(&listener))).is_ok(), "{url}");
        // An address of the test's own: nobody else listens there by chance.
        let v4 = Ipv4Addr::new(127, 0, 77, 1);
        assert_eq!(TcpStream::connect((v4, port(&listener))).is_ok(), both, "{url}");
    }
    let error = open("tcp4://localhost:0?ipv6only=true").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
}

#[test]
fn options_that_a_names_address_contradicts_are_refused() {
    let error = open("udp4://localhost:0?join=ff02::1").unwrap_err();
    assert!(error.message().contains("ff02::1 does not fit"), "{}", error.message());
    let error = open("tcp://localhost:0?ipv6only=true").unwrap_err();
    assert!(error.message().contains("ipv6_only: the address is of IPv4"), "{}", error.message());
}

#[test]
fn a_port_in_use_is_named() {
    let first = open("tcp://127.0.0.1:0").unwrap();
    let error = open(first.address()).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::AddressInUse, Some(libc::EADDRINUSE)));
    assert!(error.message().contains(first.address()), "{}", error.message());
}

#[test]
fn reuseport_lets_two_listen() {
    let first = open("tcp://127.0.0.1:0?reuseport=true").unwrap();
    assert!(open(&format!("{}?reuseport=true", first.address())).is_ok());
}

#[test]
fn another_has_the_same_address_and_options() {
    for url in ["tcp://127.0.0.1:0?reuseport=true&nodelay=false", "tcp://:0?reuseport=true&nodelay=false"] {
        let first = open(url).unwrap();
        let second = first.another().unwrap();
        assert!(first.reuseport() && second.reuseport());
        assert_eq!((second.address(), second.kind()), (first.address(), SocketKind::Tcp));
        assert_ne!(second.as_fd().as_raw_fd(), first.as_fd().as_raw_fd());
        assert!(!second.socket.tcp_nodelay().unwrap());
        drop(first);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port(&second))).is_ok());
        assert_eq!(second.another().unwrap().address(), second.address());
    }
    let first = open("udp4://127.0.0.1:0?reuseport=true").unwrap();
    assert_eq!(first.another().unwrap().address(), first.address());
    let alone = open("tcp://127.0.0.1:0").unwrap();
    assert!(!alone.reuseport());
    assert_eq!(alone.another().unwrap_err().kind(), ErrorKind::WrongState);
}

#[test]
fn accepted_tcp_sockets_inherit_the_options() {
    let options = ListenOptions {
        nodelay: Some(true),
        keepalive: Some(KeepAlive {
            idle: Duration::from_secs(61),
            interval: Duration::from_millis(10_500),
            count: 4,
        }),
        recv_buffer: 20_000,
        send_buffer: 30_000,
        ..ListenOptions::default()
    };
    let listener = Listener::open_with("tcp://127.0.0.1:0", &options).unwrap();
    let _client = TcpStream::connect(("127.0.0.1", port(&listener))).unwrap();
    let socket = accept(&listener);
    listener.prepare_accepted(socket.as_fd()).unwrap();
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(61));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(11), "rounded up");
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    // The kernel doubles them.
    assert_eq!(socket.recv_buffer_size().unwrap(), 40_000);
    assert_eq!(socket.send_buffer_size().unwrap(), 60_000);
}

#[test]
fn without_options_a_tcp_socket_has_nodelay_and_no_keepalive() {
    let listener = open("tcp://127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(("127.0.0.1", port(&listener))).unwrap();
    let socket = accept(&listener);
    assert!(socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap());
    let listener = open("tcp://127.0.0.1:0?nodelay=false&keepalive=true").unwrap();
    let _client = TcpStream::connect(("127.0.0.1", port(&listener))).unwrap();
    let socket = accept(&listener);
    assert!(!socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
}

#[test]
fn accepted_unix_sockets_get_the_send_buffer() {
    let name = format!("reactor-{}-sndbuf", process::id());
    let listener = open(&format!("unix://@{name}?sndbuf=30000")).unwrap();
    let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    client.connect(&SockAddr::unix(format!("\0{name}")).unwrap()).unwrap();
    let socket = accept(&listener);
    listener.prepare_accepted(socket.as_fd()).unwrap();
    assert_eq!(socket.send_buffer_size().unwrap(), 60_000);
}

#[test]
fn a_device_is_bound_and_one_that_is_none_is_named() {
    let listener = open("tcp://127.0.0.1:0?device=lo").unwrap();
    assert_eq!(listener.socket.device().unwrap(), Some(b"lo".to_vec()));
    let error = open("udp://127.0.0.1:0?device=reactor-none").unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENODEV));
    assert!(error.message().contains("device \"reactor-none\""), "{}", error.message());
}

#[test]
fn a_udp_port_takes_datagrams_and_is_not_shared() {
    let listener = open("udp://127.0.0.1:0").unwrap();
    assert_eq!(listener.kind(), SocketKind::Udp);
    assert_eq!(listener.address(), format!("udp://127.0.0.1:{}", port(&listener)));
    let error = open(listener.address()).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::AddressInUse, Some(libc::EADDRINUSE)));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"hello", ("127.0.0.1", port(&listener))).unwrap();
    assert_eq!(receive(&listener), b"hello");
    let dual = open("udp://:0").unwrap();
    client.send_to(b"both", ("127.0.0.1", port(&dual))).unwrap();
    assert_eq!(receive(&dual), b"both");
}

#[test]
fn a_reused_udp_port_is_shared_only_with_those_who_ask_too() {
    let first = open("udp://127.0.0.1:0?reuseport=true").unwrap();
    assert_eq!(open(first.address()).unwrap_err().kind(), ErrorKind::AddressInUse);
    assert!(open(&format!("{}?reuseport=true", first.address())).is_ok());
    assert!(!first.socket.reuse_address().unwrap());
}

#[test]
fn several_receive_what_is_sent_to_a_group() {
    let group = Ipv4Addr::new(239, 255, 76, 1);
    let options = ListenOptions {
        multicast: vec![Multicast { group: group.into(), interface: Some("127.0.0.1".into()) }],
        ..ListenOptions::default()
    };
    let first = Listener::open_with("udp://:0", &options).unwrap();
    let second = open(&format!("udp://:{}?join={group}@lo", port(&first))).unwrap();
    let client = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    client.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    client.send_to(b"to all", &SocketAddr::from((group, port(&first))).into()).unwrap();
    assert_eq!((receive(&first), receive(&second)), (b"to all".to_vec(), b"to all".to_vec()));
}

#[test]
fn a_group_that_cannot_be_joined_is_named() {
    for url in ["udp://:0?join=224.0.0.77@reactor-none", "udp://[::]:0?join=ff02::77@reactor-none"] {
        let error = open(url).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::System, Some(libc::ENODEV)));
        assert!(error.message().contains("@reactor-none: "), "{}", error.message());
    }
    let error = open("udp6://:0?join=224.0.0.77").unwrap_err();
    assert!(error.message().contains("224.0.0.77 does not fit"), "{}", error.message());
    let error = open("udp://:0?ipv6only=true&join=224.0.0.77").unwrap_err();
    assert_eq!(error.errno(), Some(libc::EAFNOSUPPORT));
}

/// Closes a listener, and says who had connected.
pub(super) fn close(listener: &Listener) -> Vec<Socket> {
    let (mut taken, waker) = (Vec::new(), Waker::new().unwrap());
    listener.close_now(waker.as_fd(), Some(&mut |socket, _| taken.push(socket.into())));
    taken
}

#[test]
fn a_closed_listener_refuses_though_another_holds_the_socket() {
    let listener = open("tcp://127.0.77.2:0").unwrap();
    let held = listener.socket.try_clone().unwrap();
    let waiting = TcpStream::connect(("127.0.77.2", port(&listener))).unwrap();
    let taken = close(&listener);
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].peer_addr().unwrap().as_socket(), waiting.local_addr().ok());
    let refused = TcpStream::connect(("127.0.77.2", port(&listener))).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(socket::accept(held.as_fd()).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert!(listener.while_open(|_| ()).is_none());
    assert!(close(&listener).is_empty());
}

#[test]
fn who_is_not_taken_is_reset() {
    let listener = open("tcp://127.0.77.3:0").unwrap();
    let mut waiting = TcpStream::connect(("127.0.77.3", port(&listener))).unwrap();
    listener.close_now(Waker::new().unwrap().as_fd(), None);
    assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn the_address_of_a_closed_listener_is_free() {
    let name = format!("unix://@reactor-{}-free", process::id());
    for url in ["tcp://127.0.77.4:0", "udp://127.0.77.4:0", &name] {
        let listener = open(url).unwrap();
        close(&listener);
        assert_eq!(open(listener.address()).unwrap().address(), listener.address());
        assert!(listener.into_udp().is_none());
    }
}

#[test]
fn a_closed_listener_refuses_on_unix_sockets() {
    let name = format!("reactor-{}-closed", process::id());
    let listener = open(&format!("unix://@{name}")).unwrap();
    let held = listener.socket.try_clone().unwrap();
    let address = SockAddr::unix(format!("\0{name}")).unwrap();
    let connect = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap().connect(&address);
    connect().unwrap();
    assert_eq!(close(&listener).len(), 1);
    // Also while another holds the socket, and so the name.
    assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    drop(held);
}

#[test]
fn closing_leaves_a_socket_from_another_process_to_it() {
    let mut listener = open("tcp://127.0.0.1:0").unwrap();
    Arc::get_mut(&mut listener.sharing).unwrap().opened_elsewhere();
    let theirs = listener.socket.try_clone().unwrap();
    close(&listener);
    assert!(TcpStream::connect(("127.0.0.1", port(&listener))).is_ok());
    drop(theirs);
}

#[test]
fn what_was_forked_before_it_is_placed_may_accept_too_and_later_only_has_copies() {
    let listens = |query: &str, prepare: &dyn Fn(&mut Listener)| {
        let mut listener = open(&format!("tcp://127.0.0.1:0{query}")).unwrap();
        prepare(&mut listener);
        let _copy = listener.socket.try_clone().unwrap();
        close(&listener);
        TcpStream::connect(("127.0.0.1", port(&listener))).is_ok()
    };
    let fork = |listener: &mut Listener| Arc::get_mut(&mut listener.sharing).unwrap().forked();
    let before = |listener: &mut Listener| {
        fork(listener);
        listener.adopt();
    };
    let after = |listener: &mut Listener| {
        listener.adopt();
        fork(listener);
    };
    for (query, shared) in [("", None), ("?shared=true", Some(true)), ("?shared=false", Some(false))] {
        assert_eq!(listens(query, &|_| ()), shared.unwrap_or(false), "{query}");
        assert_eq!(listens(query, &before), shared.unwrap_or(true), "{query}");
        assert_eq!(listens(query, &after), shared.unwrap_or(false), "{query}");
    }
}

#[test]
fn an_unknown_name_is_an_error_that_quotes_it() {
    let error = open("tcp://no-such-host.invalid:1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    assert!(error.message().contains("no-such-host.invalid"), "{}", error.message());
}

#[test]
fn an_abstract_name_leaves_no_file() {
    let name = format!("reactor-{}", process::id());
    let listener = open(&format!("unix://@{name}")).unwrap();
    assert_eq!(listener.address(), format!("unix://@{name}"));
    assert_eq!(listener.kind(), SocketKind::Unix);
    assert!(!Path::new(&format!("@{name}")).exists());
}

#[test]
fn the_peer_of_a_unix_socket_is_known() {
    let name = format!("reactor-{}-peer", process::id());
    let listener = open(&format!("unix://@{name}")).unwrap();
    let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    client.connect(&SockAddr::unix(format!("\0{name}")).unwrap()).unwrap();
    let accepted = accept(&listener);
    let credentials = socket::peer_credentials(accepted.as_fd()).unwrap();
    let meta = std::fs::metadata("/proc/self").unwrap();
    assert_eq!(credentials.pid, Some(i32::try_from(process::id()).unwrap()));
    assert_eq!((credentials.uid, credentials.gid), (meta.uid(), meta.gid()));
}

#[test]
fn a_port_that_needs_a_right_says_which_do_not() {
    let refused = io::Error::from_raw_os_error(libc::EACCES);
    let of_port = |port, error| bind_failed("tcp://:0", port, error);
    let error = of_port(80, &refused);
    assert_eq!((error.kind(), error.errno()), (ErrorKind::System, Some(libc::EACCES)));
    assert!(
        error.message().starts_with("listen on \"tcp://:0\": a port below 1024 needs"),
        "{}",
        error.message()
    );
    assert!(!of_port(1024, &refused).message().contains("1024 needs"));
    let taken = io::Error::from_raw_os_error(libc::EADDRINUSE);
    assert!(!of_port(80, &taken).message().contains("needs"));
}

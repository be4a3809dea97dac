use super::*;
use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use crate::address::SocketKind;
use crate::listen::listener::tests::close;

fn open(number: RawFd, query: &str) -> Result<Listener> {
    Listener::open_with(&format!("fd://{number}{query}"), &ListenOptions::default())
}

/// The flags of an open descriptor, from the kernel: O_NONBLOCK and O_CLOEXEC among them.
fn flags(number: RawFd) -> i32 {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let octal = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    i32::from_str_radix(octal, 8).unwrap()
}

#[test]
fn a_listening_tcp_socket_is_adopted_with_its_options() {
    let given = TcpListener::bind("127.0.77.3:0").unwrap();
    let real = given.local_addr().unwrap();
    let number = given.into_raw_fd();
    let listener = open(number, "?nodelay=false&keepalive=50&rcvbuf=20000&sndbuf=30000").unwrap();
    assert_eq!((listener.address(), listener.kind()), (&*format!("tcp://{real}"), SocketKind::Tcp));
    assert_eq!(flags(number) & (libc::O_NONBLOCK | libc::O_CLOEXEC), libc::O_NONBLOCK | libc::O_CLOEXEC);
    let socket = SockRef::from(&listener);
    assert!(!socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 50);
    assert_eq!((socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()), (40_000, 60_000));
    assert!(TcpStream::connect(real).is_ok());
    assert!(!listener.reuseport() && listener.another().is_err());
    drop(listener);
    assert!(TcpStream::connect(real).is_err(), "it was ours, and is closed");
}

#[test]
fn it_becomes_close_on_exec_and_goes_on_listening_elsewhere() {
    let given = TcpListener::bind("[::1]:0").unwrap();
    let elsewhere = given.try_clone().unwrap();
    SockRef::from(&given).set_cloexec(false).unwrap();
    let number = given.into_raw_fd();
    assert_eq!(flags(number) & libc::O_CLOEXEC, 0);
    let listener = open(number, "").unwrap();
    assert_eq!(flags(number) & libc::O_CLOEXEC, libc::O_CLOEXEC);
    close(&listener);
    drop(listener);
    assert!(TcpStream::connect(elsewhere.local_addr().unwrap()).is_ok());
}

#[test]
fn unix_and_udp_sockets_are_adopted_and_a_path_stays() {
    let path = env::temp_dir().join(format!("reactor-{}-inherited", process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = open(UnixListener::bind(&path).unwrap().into_raw_fd(), "?sndbuf=30000").unwrap();
    assert_eq!(listener.address(), format!("unix://{}", path.display()));
    assert!(listener.kind() == SocketKind::Unix && UnixStream::connect(&path).is_ok());
    close(&listener);
    drop(listener);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();

    let given = UdpSocket::bind("127.0.0.1:0").unwrap();
    let real = given.local_addr().unwrap();
    let listener = open(given.into_raw_fd(), "?rcvbuf=20000&join=239.255.76.2@127.0.0.1").unwrap();
    assert_eq!((listener.address(), listener.kind()), (&*format!("udp://{real}"), SocketKind::Udp));
    assert_eq!(SockRef::from(&listener).recv_buffer_size().unwrap(), 40_000);
    let membership = std::fs::read_to_string("/proc/net/igmp").unwrap();
    assert!(membership.contains("024CFFEF"), "{membership}");
}

#[test]
fn anything_else_is_refused_and_left_as_it_was() {
    let unbound = || Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let deaf = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listening = || TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = "neither a TCP, UDP nor Unix stream socket";
    let cases: [(OwnedFd, &str, &str); 11] = [
        (File::open("/dev/null").unwrap().into(), "", "os error 88"),
        (UnixStream::pair().unwrap().0.into(), "", "is a unix socket that does not listen"),
        (deaf().into(), "", "is a tcp socket that does not listen"),
        (unbound().into(), "", "a UDP socket that is not bound"),
        (UnixDatagram::unbound().unwrap().into(), "", stranger),
        (Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap().into(), "", stranger),
        (listening().into(), "?join=224.0.0.1", "multicast does not apply to the scheme tcp"),
        (listening().into(), "?backlog=1", "unknown option \"backlog=1\""),
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "?nodelay=true", "nodelay does not apply"),
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "?idle=5", "a time-out is for streams"),
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "?join=224.0.0.1@reactor-none", "reactor-none"),
    ];
    // A kernel may be without it.
    let lite = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDPLITE)).ok();
    let lite = lite.map(|socket| (OwnedFd::from(socket), "", stranger));
    for (fd, query, what) in cases.into_iter().chain(lite) {
        let before = flags(fd.as_raw_fd());
        let error = open(fd.as_raw_fd(), query).expect_err(what);
        assert!(error.message().contains(what), "{}", error.message());
        assert!(error.message().contains(&format!("\"fd://{}", fd.as_raw_fd())), "{}", error.message());
        assert_eq!(flags(fd.as_raw_fd()), before);
    }
    let error = open(1_999_999_999, "").unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::System, Some(libc::EBADF)));
}

#[test]
fn a_descriptor_is_adopted_once() {
    let number = TcpListener::bind("127.0.0.1:0").unwrap().into_raw_fd();
    let first = open(number, "").unwrap();
    let error = open(number, "").unwrap_err();
    assert!(error.message().contains("has the descriptor already"), "{}", error.message());
    drop(first);
    let own = Listener::open_with("tcp://127.0.0.1:0", &ListenOptions::default()).unwrap();
    assert!(open(own.as_fd().as_raw_fd(), "").is_err(), "it is a listener's that was not inherited");
    assert!(TcpStream::connect(own.address().strip_prefix("tcp://").unwrap()).is_ok());
}

#[test]
fn after_the_first_has_gone_or_failed_the_number_is_free() {
    let given = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(open(given.as_raw_fd(), "?join=224.0.0.1").is_err());
    assert!(open(given.into_raw_fd(), "").is_ok());
}

#[test]
fn the_variables_of_the_convention_are_read() {
    let count = |pid: Option<&str>, count: Option<&str>| {
        inherited_count(pid.map(OsStr::new), count.map(OsStr::new), 42)
    };
    assert_eq!(count(None, None), Ok(0));
    assert_eq!(count(Some("42"), None), Ok(0));
    assert_eq!(count(None, Some("2")), Ok(0));
    assert_eq!(count(Some("41"), Some("2")), Ok(0), "for another process");
    assert_eq!(count(Some("42"), Some("2")), Ok(2));
    for (pid, fds, what) in [
        ("me", "2", "LISTEN_PID is \"me\""),
        ("", "2", "LISTEN_PID is \"\""),
        ("42", "two", "LISTEN_FDS is \"two\""),
        ("42", "-1", "LISTEN_FDS is \"-1\""),
        ("42", "", "LISTEN_FDS is \"\""),
    ] {
        let error = count(Some(pid), Some(fds)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(what), "{}", error.message());
    }
}

use super::*;
use socket2::Socket;
use std::net::SocketAddr;
use std::os::fd::AsFd;

fn socket(domain: Domain, kind: Type) -> Socket {
    Socket::new(domain, kind, None).unwrap()
}

fn group(group: &str, interface: Option<&str>) -> Multicast {
    Multicast { group: group.parse().unwrap(), interface: interface.map(str::to_owned) }
}

#[test]
fn options_of_a_tcp_socket() {
    let socket = socket(Domain::IPV4, Type::STREAM);
    let apply = |option| apply(socket.as_fd(), &option).unwrap();
    apply(SocketOption::NoDelay(true));
    assert!(socket.tcp_nodelay().unwrap());
    apply(SocketOption::NoDelay(false));
    assert!(!socket.tcp_nodelay().unwrap());
    let (idle, interval) = (Duration::from_millis(1500), Duration::from_secs(3));
    let default = socket.tcp_keepalive_retries().unwrap();
    apply(SocketOption::KeepAlive(KeepAlive { idle, interval, count: 0 }));
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(2));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), default);
    apply(SocketOption::KeepAlive(KeepAlive::OFF));
    assert!(!socket.keepalive().unwrap());
    apply(SocketOption::KeepAlive(KeepAlive::ON));
    assert!(socket.keepalive().unwrap());
    apply(SocketOption::RecvBuffer(20_000));
    apply(SocketOption::SendBuffer(30_000));
    assert_eq!((socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap()), (40_000, 60_000));
    apply(SocketOption::Ttl(7));
    assert_eq!(socket.ttl_v4().unwrap(), 7);
}

#[test]
fn options_of_udp_sockets_reach_every_family_they_speak() {
    let v4 = socket(Domain::IPV4, Type::DGRAM);
    let dual = socket(Domain::IPV6, Type::DGRAM);
    dual.set_only_v6(false).unwrap();
    let v6 = socket(Domain::IPV6, Type::DGRAM);
    v6.set_only_v6(true).unwrap();
    let before = (v6.ttl_v4().unwrap(), v6.multicast_ttl_v4().unwrap());
    for socket in [&v4, &dual, &v6] {
        let apply = |option| apply(socket.as_fd(), &option).unwrap();
        apply(SocketOption::Broadcast(true));
        apply(SocketOption::Ttl(9));
        apply(SocketOption::MulticastTtl(8));
        apply(SocketOption::MulticastLoop(false));
        assert!(socket.broadcast().unwrap());
    }
    for socket in [&v4, &dual] {
        assert_eq!((socket.ttl_v4().unwrap(), socket.multicast_ttl_v4().unwrap()), (9, 8));
        assert!(!socket.multicast_loop_v4().unwrap());
    }
    for socket in [&v6, &dual] {
        assert_eq!((socket.unicast_hops_v6().unwrap(), socket.multicast_hops_v6().unwrap()), (9, 8));
        assert!(!socket.multicast_loop_v6().unwrap());
    }
    assert_eq!((v6.ttl_v4().unwrap(), v6.multicast_ttl_v4().unwrap()), before);
}

#[test]
fn groups_are_joined_and_left() {
    for (address, group) in [
        ("0.0.0.0:0", group("239.255.76.3", Some("127.0.0.1"))),
        ("0.0.0.0:0", group("239.255.76.3", Some("lo"))),
        ("[::]:0", group("239.255.76.3", Some("lo"))),
        ("[::]:0", group("ff02::4c:3", Some("lo"))),
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let socket = socket(Domain::for_address(address), Type::DGRAM);
        if address.is_ipv6() {
            socket.set_only_v6(false).unwrap();
        }
        let (join, leave) = (SocketOption::JoinMulticast(group.clone()), SocketOption::LeaveMulticast(group));
        apply(socket.as_fd(), &join).unwrap();
        assert_eq!(apply(socket.as_fd(), &join).unwrap_err().errno(), Some(libc::EADDRINUSE), "{join}");
        apply(socket.as_fd(), &leave).unwrap();
        assert_eq!(apply(socket.as_fd(), &leave).unwrap_err().errno(), Some(libc::EADDRNOTAVAIL), "{leave}");
    }
}

#[test]
fn a_group_of_a_family_that_the_socket_does_not_speak_is_refused() {
    let v4 = socket(Domain::IPV4, Type::DGRAM);
    let v6 = socket(Domain::IPV6, Type::DGRAM);
    v6.set_only_v6(true).unwrap();
    for (socket, group) in [(v4, group("ff02::1", None)), (v6, group("224.0.0.1", None))] {
        let error = apply(socket.as_fd(), &SocketOption::JoinMulticast(group)).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EAFNOSUPPORT));
    }
}

#[test]
fn options_that_a_socket_does_not_have_are_errors_that_name_them() {
    let (tcp, udp) = (socket(Domain::IPV4, Type::STREAM), socket(Domain::IPV4, Type::DGRAM));
    let unix = socket(Domain::UNIX, Type::STREAM);
    for (socket, option, name) in [
        (&unix, SocketOption::NoDelay(true), "nodelay"),
        (&unix, SocketOption::KeepAlive(KeepAlive::ON), "keepalive"),
        (&unix, SocketOption::Ttl(1), "TTL"),
        (&udp, SocketOption::NoDelay(true), "nodelay"),
        (&udp, SocketOption::KeepAlive(KeepAlive::ON), "keepalive"),
        (&tcp, SocketOption::Broadcast(true), "broadcast"),
        (&tcp, SocketOption::MulticastTtl(1), "multicast TTL"),
        (&tcp, SocketOption::MulticastLoop(true), "multicast loop"),
        (&tcp, SocketOption::JoinMulticast(group("224.0.0.1", None)), "join 224.0.0.1"),
        (&tcp, SocketOption::LeaveMulticast(group("224.0.0.1", Some("lo"))), "leave 224.0.0.1@lo"),
    ] {
        let error = apply(socket.as_fd(), &option).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::System, Some(libc::EOPNOTSUPP)), "{option:?}");
        assert!(
            error.message().starts_with(&format!("set a socket option: {name}: ")),
            "{}",
            error.message()
        );
    }
}

#[test]
fn values_out_of_range_are_errors_that_name_them() {
    let udp = socket(Domain::IPV4, Type::DGRAM);
    let keepalive = KeepAlive { idle: Duration::from_secs(40_000), ..KeepAlive::ON };
    for (option, what) in [
        (SocketOption::RecvBuffer(0), "receive buffer: 0 bytes"),
        (SocketOption::SendBuffer(1 << 31), "send buffer: 2147483648 bytes are above 2147483647"),
        (SocketOption::Ttl(0), "TTL: 0 hops are not between 1 and 255"),
        (SocketOption::Ttl(256), "TTL: 256 hops"),
        (SocketOption::MulticastTtl(256), "multicast TTL: 256 hops are above 255"),
        (SocketOption::KeepAlive(keepalive), "keepalive: 40000 s is above 32767 s"),
        (SocketOption::JoinMulticast(group("10.0.0.1", None)), "join 10.0.0.1: 10.0.0.1 is not a multicast"),
    ] {
        let error = apply(udp.as_fd(), &option).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(what), "{}", error.message());
    }
}

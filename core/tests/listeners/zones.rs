//! IPv6 addresses that hold on one interface only (A1).

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV6, TcpStream, UdpSocket};

use crate::common::hooks::Hooks;
use crate::common::net::{opened, Probe};
use crate::common::{eventually, loops, Echo, PATIENCE};
use reactor_core::{Action, ConnectOptions, ErrorKind, Server};

/// What the system's call takes, netdevice(7).
#[repr(C)]
struct AddressRequest {
    address: [u8; 16],
    prefix: u32,
    interface: libc::c_int,
}

/// Gives the calling thread, and those that it starts, a network of its own in which `lo` has the address `fe80::1`. Says
/// whether it may: that takes the rights of an administrator, and nothing is proved without.
fn enter_network() -> bool {
    // SAFETY: the call takes no pointer.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return false;
    }
    // SAFETY: zeroes are valid for the request, and the name is shorter than its room.
    let mut up: libc::ifreq = unsafe { std::mem::zeroed() };
    up.ifr_name[0] = b'l' as libc::c_char;
    up.ifr_name[1] = b'o' as libc::c_char;
    up.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    let mut address = [0; 16];
    (address[0], address[1], address[15]) = (0xfe, 0x80, 1);
    let mut add = AddressRequest { address, prefix: 64, interface: 1 };
    // SAFETY: the requests take these structures, which outlive the calls.
    unsafe {
        let socket = libc::socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        assert!(socket >= 0);
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw mut up), 0);
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFADDR as _, &raw mut add), 0);
        libc::close(socket);
    }
    // The kernel takes a moment to find nobody else there.
    eventually("the address is there", || UdpSocket::bind(local(0)).is_ok());
    true
}

/// The port of a URL.
fn port(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn local(port: u16) -> SocketAddr {
    SocketAddrV6::new("fe80::1".parse().unwrap(), port, 0, 1).into()
}

#[test]
fn zones_are_taken_by_name_and_by_number_and_told_by_number() {
    if !enter_network() {
        return;
    }
    let server = Server::new(Echo, &loops(1)).unwrap();
    server.start().unwrap();
    for url in ["tcp://[fe80::1%lo]:0", "tcp6://[fe80::1%1]:0"] {
        let told = server.listen(url).unwrap();
        assert!(told.contains("[fe80::1%1]:"), "{told}");
        let mut stream = TcpStream::connect(local(port(&told))).unwrap();
        stream.write_all(b"there?").unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"there?");
        // What is told is taken.
        let listener = server.handle().listeners().last().unwrap().id;
        server.handle().close_listener(listener).unwrap();
        assert_eq!(server.listen(&told).unwrap(), told);
    }
    let error = server.handle().connect("udp://[fe80::1%none]:7", ConnectOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    assert!(error.message().starts_with("connect address \"udp://[fe80::1%none]:7\": the zone \"none\""));
    let error = server.listen("tcp://[fe80::1%none]:0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAddress);
    assert!(error.message().contains("the zone \"none\""), "{error}");
}

#[test]
fn a_peers_address_is_one_to_connect_to() {
    if !enter_network() {
        return;
    }
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    let url = server.listen("tcp://:0").unwrap();
    server.start().unwrap();
    let listening = std::net::TcpListener::bind(local(0)).unwrap();
    let stream = TcpStream::connect(local(port(&url))).unwrap();
    let remote = server.handle().remote_address(opened(&seen)).unwrap();
    assert_eq!(remote.to_string(), stream.local_addr().unwrap().to_string());
    for zone in ["1", "lo"] {
        let port = listening.local_addr().unwrap().port();
        for bind in ["", "?bind=fe80::1%1", "?bind=[fe80::1%lo]:0"] {
            let url = format!("tcp://[fe80::1%{zone}]:{port}{bind}");
            let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
            assert_eq!(opened(&seen), id, "{url}");
            let remote = server.handle().remote_address(id).unwrap().to_string();
            assert_eq!(remote, listening.local_addr().unwrap().to_string());
        }
    }
}

#[test]
fn datagrams_are_answered_over_a_zone() {
    if !enter_network() {
        return;
    }
    let hooks = Hooks::new().data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let server = Server::new(hooks, &loops(1)).unwrap();
    server.start().unwrap();
    for url in ["udp://:0", "udp://[fe80::1%lo]:0"] {
        let url = server.listen(url).unwrap();
        let socket = UdpSocket::bind(local(0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(local(port(&url))).unwrap();
        socket.send(b"there?").unwrap();
        let mut answer = [0; 10];
        assert_eq!(socket.recv(&mut answer).unwrap(), 6, "{url}");
    }
}

//! The address that a datagram was sent to: it is told, answers leave from there, and only groups that were joined are
//! among them (D6).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::{loops, next, PATIENCE};
use reactor_core::{Action, ConnOptions, Destination, ListenOptions, Server};
use socket2::{InterfaceIndexOrAddress, SockRef};

/// A datagram and where it came.
type Came = (Vec<u8>, Option<Destination>);

/// A server that answers, and tells what has come; and its port.
fn serve(url: &str) -> (Server, u16, Receiver<Came>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let hooks = Hooks::new().data(move |conn, data| {
        tell.lock().unwrap().send((data.to_vec(), conn.destination())).unwrap();
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let server = Server::new(hooks, &loops(1)).unwrap();
    let url = server.listen_with(url, &ListenOptions::default(), &ConnOptions::default()).unwrap().address;
    server.start().unwrap();
    let port = url.rsplit_once(':').unwrap().1.parse().unwrap();
    (server, port, told)
}

/// A client as resolvers are: it hears of the address alone that it asked.
fn client(own: &str, asked: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((own, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(asked).unwrap();
    socket
}

fn loopback() -> u32 {
    // SAFETY: the name ends with a zero and outlives the call.
    unsafe { libc::if_nametoindex(c"lo".as_ptr()) }
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    for url in ["udp://:0", "udp4://:0", "udp4://*:0", "udp6://:0", "udp://127.0.0.2:0", "udp://[::1]:0"] {
        let (_server, port, told) = serve(url);
        let asked: &[(&str, &str)] = match url {
            "udp6://:0" | "udp://[::1]:0" => &[("::1", "::1")],
            "udp://127.0.0.2:0" => &[("127.0.0.1", "127.0.0.2")],
            "udp://:0" => &[("127.0.0.1", "127.0.0.2"), ("127.0.0.4", "127.3.2.1"), ("::1", "::1")],
            _ => &[("127.0.0.1", "127.0.0.2"), ("127.0.0.4", "127.3.2.1")],
        };
        for (own, asked) in asked {
            let asked: IpAddr = asked.parse().unwrap();
            let socket = client(own, (asked, port).into());
            // Several of one length may leave as one message.
            for _ in 0..3 {
                socket.send(b"question").unwrap();
            }
            for _ in 0..3 {
                let mut answer = [0; 20];
                assert_eq!(socket.recv(&mut answer).ok(), Some(8), "{url}: {asked} asked by {own}");
                let (_, destination) = next(&told);
                let destination = destination.unwrap();
                assert_eq!((destination.address, destination.interface), (asked, loopback()), "{url}");
            }
        }
    }
}

#[test]
fn an_answer_to_everybody_leaves_from_an_address_of_its_own() {
    for url in ["udp://:0", "udp4://:0"] {
        let (_server, port, told) = serve(url);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_broadcast(true).unwrap();
        let all = Ipv4Addr::new(127, 255, 255, 255);
        socket.send_to(b"anybody?", (all, port)).unwrap();
        let mut answer = [0; 20];
        let (len, from) = socket.recv_from(&mut answer).unwrap();
        assert_eq!((len, from), (8, ([127, 0, 0, 1], port).into()), "{url}");
        assert_eq!(next(&told).1.unwrap().address, IpAddr::from(all));
    }
}

#[test]
fn a_socket_hears_of_the_groups_that_it_has_joined_alone() {
    let (own, foreign) = (Ipv4Addr::new(239, 9, 9, 9), Ipv4Addr::new(239, 1, 2, 3));
    for url in ["udp://0.0.0.0:0?join=239.9.9.9@lo", "udp://:0?join=239.9.9.9@lo"] {
        let (_server, port, told) = serve(url);
        // Somebody else on the machine has joined another.
        let other = UdpSocket::bind("0.0.0.0:0").unwrap();
        let on_loopback = InterfaceIndexOrAddress::Index(loopback());
        SockRef::from(&other).join_multicast_v4_n(&foreign, &on_loopback).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        SockRef::from(&socket).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        socket.send_to(b"foreign", (foreign, port)).unwrap();
        socket.send_to(b"own", (own, port)).unwrap();
        let (data, destination) = next(&told);
        assert_eq!((&data[..], destination.unwrap().address), (&b"own"[..], IpAddr::from(own)), "{url}");
        // The answer does not leave from the group.
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 20];
        let (len, from) = socket.recv_from(&mut answer).unwrap();
        assert_eq!((len, from.ip().is_multicast()), (3, false));
    }
}

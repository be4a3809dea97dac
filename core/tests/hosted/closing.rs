//! Listeners that a host closes (A2, B3).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::common::hooks::Hooks;
use crate::common::net::address;
use crate::common::{loops, PATIENCE};
use reactor_core::{Action, ConnOptions, Handle, ListenOptions, Server};

fn turn(hosted: &mut reactor_core::Hosted) {
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
}

fn listen(server: &Handle, url: &str) -> reactor_core::Listening {
    server.listen(url, &ListenOptions::default(), &ConnOptions::default()).unwrap()
}

#[test]
fn the_address_is_free_when_a_call_between_two_turns_returns() {
    let server = Server::new(Hooks::new(), &loops(1)).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    turn(&mut hosted);
    let name = format!("unix://@reactor-hosted-{}", std::process::id());
    for url in ["tcp://127.0.0.1:0", &name, "udp://127.0.0.1:0"] {
        let mut listening = listen(server.handle(), url);
        for round in 0..4 {
            // It may not have been taken over yet.
            (round..2).for_each(|_| turn(&mut hosted));
            server.handle().close_listener(listening.id).unwrap();
            listening = listen(server.handle(), &listening.address);
        }
    }
}

#[test]
fn whoever_had_connected_before_a_call_between_two_turns_is_served() {
    let hooks = Hooks::new().open(|conn| {
        let _ = conn.write(b"hello").unwrap();
        Action::None
    });
    let server = Server::new(hooks, &loops(1)).unwrap();
    let listening = listen(server.handle(), "tcp://127.0.0.1:0");
    let mut hosted = server.start_hosted().unwrap();
    turn(&mut hosted);
    let mut clients: Vec<_> =
        (0..20).map(|_| TcpStream::connect(address(&listening.address)).unwrap()).collect();
    server.handle().close_listener(listening.id).unwrap();
    let limit = Instant::now() + PATIENCE;
    while server.handle().metrics().accepted < 20 {
        assert!(Instant::now() < limit);
        turn(&mut hosted);
    }
    for client in &mut clients {
        let mut bytes = [0; 5];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
    }
}

#[test]
fn an_endpoint_is_gone_when_a_call_between_two_turns_returns() {
    let server = Server::new(Hooks::new(), &loops(1)).unwrap();
    let listening = listen(server.handle(), "udp://127.0.0.1:0");
    let mut hosted = server.start_hosted().unwrap();
    turn(&mut hosted);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let id = server.handle().endpoints(listening.id)[0];
    server.handle().close_listener(listening.id).unwrap();
    let error = server.handle().send_to(id, socket.local_addr().unwrap(), b"x").unwrap_err();
    assert_eq!(error.kind(), reactor_core::ErrorKind::Closed);
    assert!(UdpSocket::bind(address(&listening.address)).is_ok());
    turn(&mut hosted);
}

//! A UDP endpoint whose start was refused for good: its id reaches nothing, whoever has its descriptor now (L3, D6).

use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::sync::Mutex;

use crate::common::net::Probe;
use crate::common::{loops, next};
use reactor_core::{Action, ErrorKind, Server, SocketOption};

#[test]
fn the_id_of_an_endpoint_that_never_started_is_closed() {
    let (told, ids) = channel();
    let told = Mutex::new(told);
    let (probe, _seen) = Probe::new();
    let probe = probe.start(move |server| {
        let endpoints = server.endpoints(server.listeners()[0].id);
        told.lock().unwrap().send(endpoints[0]).unwrap();
        Ok(Action::Stop)
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    server.listen("udp://127.0.0.1:0").unwrap();
    let handle = server.handle().clone();
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::Stopped);
    let id = next(&ids);
    drop(server);
    // One of these has the descriptor's number.
    let others: Vec<UdpSocket> = (0..40).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    assert!(!handle.is_open(id));
    assert_eq!(handle.local_address(id).unwrap_err().kind(), ErrorKind::Closed);
    let set = handle.set_option(id, &SocketOption::Broadcast(true));
    assert_eq!(set.unwrap_err().kind(), ErrorKind::Closed);
    let to = others[0].local_addr().unwrap();
    assert_eq!(handle.send_to(id, to, b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert!(others.iter().all(|other| !other.broadcast().unwrap()));
}

//! Datagrams that can never be sent are refused on every thread alike (R5, D6).

use std::net::UdpSocket;
use std::sync::mpsc::channel;

use crate::common::net::{opened, Probe};
use crate::common::{loops, next};
use reactor_core::{ConnId, ConnOptions, ConnectOptions, ErrorKind, Handle, ListenOptions, Server};

/// What becomes of a datagram that is too long, and of one to an IPv6 address from a socket of IPv4.
fn refusals(handle: &Handle, connected: ConnId, endpoint: ConnId) -> [ErrorKind; 2] {
    let long = handle.write(connected, &[0; 70_000]).unwrap_err();
    let family = handle.send_to(endpoint, "[::1]:9".parse().unwrap(), b"x").unwrap_err();
    [long.kind(), family.kind()]
}

/// A server, its connected UDP socket and its bound one.
fn serve_both() -> (Server, ConnId, ConnId) {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    let handle = server.handle();
    let (listen, conns) = (ListenOptions::default(), ConnOptions::default());
    let listening = handle.listen("udp4://127.0.0.1:0", &listen, &conns).unwrap();
    server.start().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", peer.local_addr().unwrap());
    let connected = handle.connect(&url, ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), connected);
    let endpoint = handle.endpoints(listening.id)[0];
    (server, connected, endpoint)
}

#[test]
fn too_long_and_the_wrong_family_are_refused_from_any_thread() {
    let (server, connected, endpoint) = serve_both();
    let handle = server.handle();
    let (told, on_loop) = channel();
    let run = move |handle: &Handle| told.send(refusals(handle, connected, endpoint)).unwrap();
    handle.run_on(0, run).unwrap();
    assert_eq!(next(&on_loop), [ErrorKind::InvalidArgument; 2]);
    assert_eq!(refusals(handle, connected, endpoint), [ErrorKind::InvalidArgument; 2]);
    assert_eq!(handle.queued_bytes(), 0);
}

#[test]
fn what_has_no_input_to_wait_cannot_be_held() {
    let (server, connected, endpoint) = serve_both();
    let handle = server.handle();
    for id in [connected, endpoint] {
        for refused in [handle.hold(id), handle.release(id)] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains("cannot be held"), "{error}");
        }
    }
}

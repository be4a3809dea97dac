//! What on_start asks of a UDP endpoint is carried out once there is a loop (D6, S1).

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;

use crate::common::net::{address, next, nothing, Probe, Seen};
use crate::common::{eventually, loops, PATIENCE};
use reactor_core::{Action, ConnId, Handle, Server};

fn endpoint(server: &Handle) -> ConnId {
    server.endpoints(server.listeners()[0].id)[0]
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

/// A started server whose on_start does this with its endpoint.
fn serve(on_start: impl Fn(&Handle, ConnId) + Send + Sync + 'static) -> (Server, SocketAddr, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let probe = probe.start(move |server| {
        on_start(server, endpoint(server));
        Ok(Action::None)
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    let url = server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    (server, address(&url), seen)
}

#[test]
fn datagrams_beyond_the_high_water_mark_leave_and_the_endpoint_reads_on() {
    const LEN: usize = 60_000;
    let peer = peer();
    let to = peer.local_addr().unwrap();
    let (server, from, seen) = serve(move |server, endpoint| {
        for index in 0..20_u8 {
            let _ = server.send_to(endpoint, to, &[index; LEN]).unwrap();
        }
    });
    // How many the receive buffer holds is the kernel's business; the first fits.
    let mut buffer = vec![0; LEN + 1];
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (LEN, from));
    assert!(buffer[..LEN].iter().all(|byte| *byte == 0));
    eventually("all have left", || server.handle().queued_bytes() == 0);
    peer.send_to(b"hello", from).unwrap();
    let id = endpoint(server.handle());
    let data = std::iter::from_fn(|| Some(next(&seen))).find(|what| !matches!(what, Seen::Drain(_)));
    assert_eq!(data, Some(Seen::Data(id, b"hello".to_vec(), Some(to))));
}

#[test]
fn a_wake_comes_and_a_pause_holds() {
    let (server, to, seen) = serve(|server, endpoint| {
        server.wake(endpoint).unwrap();
        server.pause(endpoint).unwrap();
    });
    let id = endpoint(server.handle());
    assert_eq!(next(&seen), Seen::Wake(id));
    let peer = peer();
    peer.send_to(b"later", to).unwrap();
    nothing(&seen);
    server.handle().resume(id).unwrap();
    let from = Some(peer.local_addr().unwrap());
    assert_eq!(next(&seen), Seen::Data(id, b"later".to_vec(), from));
}

// Over poll(2) there is nothing for a host to poll.
#[cfg(not(reactor_poller = "poll"))]
#[test]
fn a_host_may_use_its_endpoint_in_on_start() {
    let peer = peer();
    let to = peer.local_addr().unwrap();
    let (probe, _seen) = Probe::new();
    let probe = probe.start(move |server| {
        let _ = server.send_to(endpoint(server), to, b"hosted")?;
        Ok(Action::None)
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    let url = server.listen("udp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    assert!(hosted.turn(Some(std::time::Duration::ZERO)).unwrap());
    let mut buffer = [0; 10];
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (6, address(&url)));
    assert_eq!(&buffer[..6], b"hosted");
}

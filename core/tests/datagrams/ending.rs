//! Datagrams that wait in the kernel when their socket is to end: the handler is given them, and its answers leave, though they
//! are more than the high-water mark (D6, A2).

use std::net::UdpSocket;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::common::net::address;
use crate::common::{hooks::Hooks, next, PATIENCE};
use reactor_core::{Action, Config, ConnOptions, Handle, ListenOptions, Listening, Server};

/// More than a batch; the kernel has room for them and for their answers.
const WAITING: u8 = 80;
const ANSWER: usize = 600;

/// A server of one loop that answers each datagram with many times that, and the socket of a client. With `gate`, it says so
/// and waits until it may go on.
struct Gated {
    server: Server,
    listening: Listening,
    client: UdpSocket,
    open_gate: Sender<()>,
    drains: Receiver<()>,
}

impl Gated {
    fn new() -> Gated {
        let ((busy, is_busy), (open_gate, gate), (drained, drains)) = (channel(), channel(), channel());
        let gate = Mutex::new(gate);
        let hooks = Hooks::new()
            .data(move |conn, data| {
                if data == b"gate" {
                    busy.send(()).unwrap();
                    next(&gate.lock().unwrap());
                    return Action::None;
                }
                let _ = conn.write(&[data[0]; ANSWER]).unwrap();
                Action::None
            })
            .drain(move |_| {
                drained.send(()).unwrap();
                Action::None
            });
        let config = Config { loops: 1, high_water: 4096, low_water: 1024, ..Config::default() };
        let server = Server::new(hooks, &config).unwrap();
        let (options, conns) = (ListenOptions::default(), ConnOptions::default());
        let listening = server.listen_with("udp://127.0.0.1:0", &options, &conns).unwrap();
        server.start().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(address(&listening.address)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send(b"gate").unwrap();
        next(&is_busy);
        (0..WAITING).for_each(|number| assert_eq!(client.send(&[number]).unwrap(), 1));
        Gated { server, listening, client, open_gate, drains }
    }

    fn expect_answers(&self) {
        for number in 0..WAITING {
            let mut answer = [0; ANSWER + 1];
            assert_eq!(self.client.recv(&mut answer).unwrap(), ANSWER);
            assert_eq!(answer[..ANSWER], [number; ANSWER]);
        }
        next(&self.drains);
    }
}

#[test]
fn a_graceful_stop_answers_all_of_them() {
    let gated = Gated::new();
    gated.server.handle().stop_gracefully(Duration::from_secs(3600));
    gated.open_gate.send(()).unwrap();
    gated.expect_answers();
    gated.server.wait().unwrap();
    assert_eq!(gated.server.handle().metrics().datagrams_written, WAITING.into());
}

#[test]
fn closing_the_listener_answers_all_of_them() {
    let gated = Gated::new();
    let (server, id): (Handle, _) = (gated.server.handle().clone(), gated.listening.id);
    let closing = thread::spawn(move || server.close_listener(id));
    // The loop knows of it when it goes on, or soon after.
    gated.open_gate.send(()).unwrap();
    gated.expect_answers();
    closing.join().unwrap().unwrap();
    assert!(UdpSocket::bind(gated.listening.address.trim_start_matches("udp://")).is_ok());
}

#[test]
fn whoever_stops_the_server_meanwhile_ends_it() {
    let gated = Gated::new();
    gated.server.handle().stop_gracefully(Duration::from_secs(3600));
    gated.server.handle().stop();
    gated.open_gate.send(()).unwrap();
    gated.server.wait().unwrap();
    assert_eq!(gated.server.handle().metrics().datagrams_read, 1);
}

//! What happens to a connection between the moment when the poller reports it and the moment when it is read, or between two
//! turns, is not overlooked (L5, D1, B3). The host turns only when its descriptor is readable.

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::hooks::Hooks;
use crate::common::{loops, tcp, PATIENCE};
use reactor_core::{Action, CloseReason, ConnId, Hosted, Server};
use socket2::SockRef;

/// What is seen of connections, in order.
#[derive(Default)]
struct Log {
    opened: Vec<ConnId>,
    data: Vec<(ConnId, Vec<u8>)>,
    closed: Vec<(ConnId, CloseReason)>,
}

impl Log {
    fn input_of(&self, id: ConnId) -> Vec<u8> {
        self.data.iter().filter(|(of, _)| *of == id).flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

type Shared<T> = Arc<Mutex<T>>;

fn readable(hosted: &Hosted, millis: i32) -> bool {
    let mut poll = libc::pollfd { fd: hosted.poll_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    let ready = unsafe { libc::poll(&mut poll, 1, millis) };
    assert!(ready >= 0);
    ready == 1
}

fn drive(hosted: &mut Hosted, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "the descriptor is not readable, and there is more to do");
        if readable(hosted, 20) {
            assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
        }
    }
}

/// Two connections at rest; `between` is called in the first one's callback, with the second one's client, when both are reported.
fn run(
    between: impl Fn(TcpStream) + Send + Sync + 'static,
    done: impl Fn(&Log, ConnId) -> bool,
) -> (Shared<Log>, ConnId) {
    let (log, second): (Shared<Log>, Shared<Option<TcpStream>>) = Default::default();
    let (seen, closes, opens, client) =
        (Arc::clone(&log), Arc::clone(&log), Arc::clone(&log), Arc::clone(&second));
    let hooks = Hooks::new()
        .open(move |conn| {
            opens.lock().unwrap().opened.push(conn.id());
            Action::None
        })
        .data(move |conn, data| {
            seen.lock().unwrap().data.push((conn.id(), data.to_vec()));
            if data == b"now" {
                between(client.lock().unwrap().take().unwrap());
                std::thread::sleep(Duration::from_millis(20));
            }
            Action::None
        })
        .close(move |conn, closed| closes.lock().unwrap().closed.push((conn.id(), closed.reason)));
    let server = Server::new(hooks, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let mut clients = Vec::new();
    for count in 1..=2 {
        clients.push(tcp(&url));
        drive(&mut hosted, || log.lock().unwrap().opened.len() == count);
    }
    for round in 1..=3 {
        clients.iter_mut().for_each(|client| client.write_all(b"ping").unwrap());
        drive(&mut hosted, || log.lock().unwrap().data.len() >= 2 * round);
    }
    log.lock().unwrap().data.clear();
    let id = log.lock().unwrap().opened[1];
    *second.lock().unwrap() = clients.pop();
    clients[0].write_all(b"now").unwrap();
    second.lock().unwrap().as_mut().unwrap().write_all(b"abc").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    drive(&mut hosted, || done(&log.lock().unwrap(), id));
    (log, id)
}

#[test]
fn more_input_comes_between() {
    let kept: Shared<Vec<TcpStream>> = Arc::default();
    let keep = Arc::clone(&kept);
    let between = move |client: TcpStream| {
        (&client).write_all(&vec![b'd'; 200_000]).unwrap();
        keep.lock().unwrap().push(client);
    };
    let (log, id) = run(between, |log, id| log.input_of(id).len() == 200_003);
    assert!(log.lock().unwrap().input_of(id).starts_with(b"abcd"));
}

#[test]
fn urgent_data_comes_between() {
    let kept: Shared<Vec<TcpStream>> = Arc::default();
    let keep = Arc::clone(&kept);
    let between = move |client: TcpStream| {
        SockRef::from(&client).send_out_of_band(b"!").unwrap();
        (&client).write_all(b"def").unwrap();
        keep.lock().unwrap().push(client);
    };
    let (log, id) = run(between, |log, id| log.input_of(id).len() >= 6);
    assert_eq!(log.lock().unwrap().input_of(id), b"abcdef");
}

#[test]
fn the_end_comes_between() {
    let kept: Shared<Vec<TcpStream>> = Arc::default();
    let keep = Arc::clone(&kept);
    let between = move |client: TcpStream| {
        (&client).write_all(b"def").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        keep.lock().unwrap().push(client);
    };
    let (log, id) = run(between, |log, _| !log.closed.is_empty());
    assert_eq!(log.lock().unwrap().input_of(id), b"abcdef");
    assert_eq!(log.lock().unwrap().closed[0], (id, CloseReason::Eof));
}

#[test]
fn a_reset_comes_between() {
    let between = |client: TcpStream| {
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
    };
    let (log, id) = run(between, |log, _| !log.closed.is_empty());
    assert_eq!(log.lock().unwrap().closed[0], (id, CloseReason::Reset));
}

#[test]
fn what_last_callbacks_and_completions_write_to_others_makes_the_descriptor_readable() {
    let log: Shared<Log> = Arc::default();
    let (opens, log_of_data) = (Arc::clone(&log), Arc::clone(&log));
    let others = Arc::clone(&log);
    let hooks = Hooks::new()
        .open(move |conn| {
            opens.lock().unwrap().opened.push(conn.id());
            Action::None
        })
        .data(move |conn, data| {
            log_of_data.lock().unwrap().data.push((conn.id(), data.to_vec()));
            if data == b"complete" {
                let server = conn.server().clone();
                let first = log_of_data.lock().unwrap().opened[0];
                let _ = conn.write_then(&[b"written"], move |_| {
                    let _ = server.write(first, b"completed").unwrap();
                });
            }
            Action::None
        })
        .close(move |conn, _| {
            let first = others.lock().unwrap().opened[0];
            let _ = conn.server().write(first, b", closed").unwrap();
        });
    let server = Server::new(hooks, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let mut clients = Vec::new();
    for count in 1..=2 {
        clients.push(tcp(&url));
        drive(&mut hosted, || log.lock().unwrap().opened.len() == count);
    }
    for round in 1..=3 {
        clients.iter_mut().for_each(|client| client.write_all(b"ping").unwrap());
        drive(&mut hosted, || log.lock().unwrap().data.len() >= 2 * round);
    }
    let mut second = clients.pop().unwrap();
    let mut first = clients.pop().unwrap();
    first.set_nonblocking(true).unwrap();
    second.write_all(b"complete").unwrap();
    let mut came = Vec::new();
    let mut read = |came: &mut Vec<u8>| {
        let mut buffer = [0; 100];
        if let Ok(len) = first.read(&mut buffer) {
            came.extend_from_slice(&buffer[..len]);
        }
        came.len()
    };
    drive(&mut hosted, || read(&mut came) == 9);
    drop(second);
    drive(&mut hosted, || read(&mut came) == 17);
    assert_eq!(came, b"completed, closed");
}

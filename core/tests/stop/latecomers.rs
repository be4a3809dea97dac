//! Who has connected when a graceful stop closes the listeners is let in and answered, in whichever queue it waits (S3).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex, OnceLock};

use crate::common::hooks::Hooks;
use crate::common::{eventually, loops, next, serve, tcp, PATIENCE};
use reactor_core::{Action, Balance, Server};

/// Answers once, and closes.
fn answer() -> Hooks {
    Hooks::new().data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::Close
    })
}

/// What a client gets that asks now; then it leaves.
fn ask(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.write_all(b"hello").unwrap();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn those_who_connect_while_on_stopping_runs() {
    for count in [1, 2] {
        let url = Arc::new(OnceLock::<String>::new());
        let (late, latecomers) = channel();
        let (to, late) = (Arc::clone(&url), Mutex::new(late));
        let hooks = answer().stopping(move |_| late.lock().unwrap().send(tcp(to.get().unwrap())).unwrap());
        let (server, address) = serve(hooks, &loops(count));
        url.set(address).unwrap();
        let first = tcp(url.get().unwrap());
        eventually("it is open", || server.handle().connections() == 1);
        server.handle().stop_gracefully(PATIENCE);
        assert_eq!(ask(next(&latecomers)), b"hello");
        assert_eq!(ask(first), b"hello");
        server.wait().unwrap();
        assert_eq!(server.handle().metrics().accepted, 2);
    }
}

#[test]
fn a_burst_of_clients_right_before_the_stop() {
    for round in 0..50 {
        let (server, url) = serve(answer(), &loops(2));
        let clients: Vec<TcpStream> = (0..12).map(|_| tcp(&url)).collect();
        server.handle().stop_gracefully(PATIENCE);
        for (index, client) in clients.into_iter().enumerate() {
            assert_eq!(ask(client), b"hello", "round {round}, client {index}");
        }
        server.wait().unwrap();
        assert_eq!(server.handle().metrics().accepted, 12);
    }
}

/// A server with a socket for each of two loops, the second of which is held up until the sender is dropped.
fn sharded(hooks: Hooks) -> (Server, String, Sender<()>) {
    let mut config = loops(2);
    config.balance = Balance::ReusePort;
    let (server, url) = serve(hooks, &config);
    let (go_on, wait) = channel::<()>();
    let (told, held) = channel();
    let hold = move |_: &reactor_core::Handle| {
        told.send(()).unwrap();
        let _ = wait.recv();
    };
    server.handle().run_on(1, hold).unwrap();
    next(&held);
    (server, url, go_on)
}

/// Connects until loop 0, which is free, has taken `count` in; those that it has not wait for loop 1.
fn connect_to_both(server: &Server, url: &str) -> Vec<TcpStream> {
    // Which of the two sockets a client comes to is the kernel's choice: all of 40 to one is as good as impossible.
    let clients = (0..40).map(|_| tcp(url)).collect();
    eventually("loop 0 has taken some in", || server.handle().connections() > 0);
    clients
}

#[test]
fn those_in_the_queue_of_a_loop_that_is_busy() {
    let (told, stopping) = channel();
    let told = Mutex::new(told);
    let hooks = answer().stopping(move |_| told.lock().unwrap().send(()).unwrap());
    let (server, url, go_on) = sharded(hooks);
    let mut clients = connect_to_both(&server, &url);
    let writes = clients.iter_mut().map(|client| client.write_all(b"hello"));
    writes.for_each(|written| written.unwrap());
    // Whoever loop 0 serves is answered and gone; the others wait.
    let answered = |client: &mut TcpStream| {
        client.set_nonblocking(true).unwrap();
        let read = client.read(&mut [0; 5]).is_ok_and(|read| read == 5);
        client.set_nonblocking(false).unwrap();
        read
    };
    let mut served = 0;
    eventually("loop 0 has answered its clients", || {
        clients.retain_mut(|client| {
            let gone = answered(client);
            served += u64::from(gone);
            !gone
        });
        served > 0 && server.handle().metrics().accepted == served && server.handle().connections() == 0
    });
    assert!(!clients.is_empty());
    server.handle().stop_gracefully(PATIENCE);
    next(&stopping);
    for _ in 0..2 {
        // Behind the turn in which loop 0 closed its listener.
        let (ran, done) = channel();
        server.handle().run_on(0, move |_| ran.send(()).unwrap()).unwrap();
        next(&done);
    }
    drop(go_on);
    for mut client in clients {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"hello");
    }
    server.wait().unwrap();
    assert_eq!(server.handle().metrics().accepted, 40);
}

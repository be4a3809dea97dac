//! Callbacks that fail and calls that are wrong: an error each, and nobody else is hurt (R4, R5, S1, S2).

use std::io::{Read, Write};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, OnceLock};

use crate::common;
use crate::common::{loops, read_exactly, serve, tcp};
use reactor_core::{
    Action, BoxError, CloseReason, Closed, Config, Conn, ConnId, ErrorKind, Handle, Handler, Server,
};

/// Panics where it is told to, by the first byte; reports closes.
struct Panics(Mutex<Sender<(ConnId, Closed)>>);

impl Handler for Panics {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let _ = conn.write(data);
        match data[0] {
            b'p' => panic!("told to panic"),
            b'f' => conn.fail().map_or(Action::Close, |()| Action::None),
            _ => Action::None,
        }
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        self.0.lock().unwrap().send((conn.id(), closed)).unwrap();
        panic!("on_close, too");
    }
}

#[test]
fn a_panic_closes_its_own_connection_and_no_other() {
    let (sender, closes) = channel();
    let (server, url) = serve(Panics(Mutex::new(sender)), &loops(1));
    let mut bystander = tcp(&url);
    for first in [b"p", b"f"] {
        let mut stream = tcp(&url);
        stream.write_all(first).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, first, "what was written before the failure is sent");
        drop(stream);
        assert_eq!(closes.recv().unwrap().1.reason, CloseReason::HandlerError);
    }
    bystander.write_all(b"still here").unwrap();
    assert_eq!(read_exactly(&mut bystander, 10), b"still here");
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(closes.recv().unwrap().1.reason, CloseReason::Shutdown);
}

/// Answers `on_start` as it is told; the other callbacks must never come.
struct Starts(fn(&Handle) -> Result<Action, BoxError>);

impl Handler for Starts {
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        (self.0)(server)
    }

    fn on_stop(&self, _: &Handle) {
        panic!("a server that did not start does not stop");
    }
}

#[test]
fn a_start_can_be_refused_and_can_fail() {
    type OnStart = fn(&Handle) -> Result<Action, BoxError>;
    let cases: [(OnStart, ErrorKind, &str); 4] = [
        (|_| Ok(Action::Stop), ErrorKind::Stopped, "returned stop"),
        (|_| Err("no licence".into()), ErrorKind::HandlerFailed, "no licence"),
        (|_| panic!("no luck"), ErrorKind::HandlerFailed, "no luck"),
        (
            |server| {
                server.stop();
                Ok(Action::None)
            },
            ErrorKind::Stopped,
            "stop was called",
        ),
    ];
    for (on_start, kind, text) in cases {
        let server = Server::new(Starts(on_start), &loops(2)).unwrap();
        let url = server.listen("tcp://127.0.0.1:0").unwrap();
        let error = server.start().unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(text), "{}", error.message());
        assert_eq!(server.wait().unwrap_err().kind(), ErrorKind::WrongState);
        // As before the call, unless stop was called: still listening.
        let address = url.trim_start_matches("tcp://");
        assert_eq!(std::net::TcpStream::connect(address).is_ok(), !server.handle().is_stopping());
    }
}

/// Tries what is forbidden in callbacks.
struct Waits {
    server: OnceLock<&'static Server>,
    results: Mutex<Sender<ErrorKind>>,
}

impl Waits {
    fn wait(&self) {
        let other = Server::new(common::Echo, &loops(1)).unwrap();
        assert_eq!(other.run().unwrap_err().kind(), ErrorKind::WrongThread);
        assert_eq!(other.handle().loops(), 0, "it was not started");
        let error = self.server.get().unwrap().wait().unwrap_err();
        self.results.lock().unwrap().send(error.kind()).unwrap();
    }
}

impl Handler for &'static Waits {
    fn on_data(&self, _: &Conn<'_>, _: &[u8]) -> Action {
        self.wait();
        Action::Stop
    }

    fn on_stop(&self, _: &Handle) {
        self.wait();
    }
}

#[test]
fn waiting_in_a_callback_is_an_error() {
    for count in [1, 2] {
        let (sender, results) = channel();
        let handler: &'static Waits =
            Box::leak(Box::new(Waits { server: OnceLock::new(), results: Mutex::new(sender) }));
        let server: &'static Server = Box::leak(Box::new(Server::new(handler, &loops(count)).unwrap()));
        handler.server.set(server).unwrap();
        let url = server.listen("tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        tcp(&url).write_all(b"x").unwrap();
        server.wait().unwrap();
        assert_eq!(results.recv().unwrap(), ErrorKind::WrongThread);
        assert_eq!(results.recv().unwrap(), ErrorKind::WrongThread);
    }
}

#[test]
fn calls_that_do_not_fit_the_state_say_so() {
    let server = Server::new(common::Echo, &Config::default()).unwrap();
    assert_eq!(server.wait().unwrap_err().kind(), ErrorKind::WrongState);
    server.start().unwrap();
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::WrongState);
    server.handle().stop();
    server.handle().stop();
    assert_eq!(server.listen("tcp://127.0.0.1:0").unwrap_err().kind(), ErrorKind::WrongState);
    server.wait().unwrap();
    server.wait().unwrap();
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::WrongState);
}

#[test]
fn stop_before_the_start_refuses_it_without_a_callback() {
    let server = Server::new(Starts(|_| panic!("on_start was called")), &loops(1)).unwrap();
    server.handle().stop();
    assert_eq!(server.run().unwrap_err().kind(), ErrorKind::Stopped);
}

#[test]
fn a_server_that_never_runs_gives_its_listeners_back() {
    let path = std::env::temp_dir().join(format!("reactor-unused-{}", std::process::id()));
    for stop in [false, true] {
        let server = Server::new(common::Echo, &loops(2)).unwrap();
        let handle = server.handle().clone();
        server.listen(&format!("unix://{}", path.display())).unwrap();
        assert!(path.exists());
        if stop {
            handle.stop();
            assert_eq!(server.start().unwrap_err().kind(), ErrorKind::Stopped);
        } else {
            drop(server);
        }
        assert!(!path.exists());
    }
}

#[test]
fn a_failed_listen_leaves_nothing_and_the_server_can_listen_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", taken.local_addr().unwrap());
    let server = Server::new(common::Echo, &loops(1)).unwrap();
    let error = server.listen(&url).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::AddressInUse, Some(98)));
    assert!(error.message().contains(&url), "{}", error.message());
    assert!(server.handle().addresses().is_empty());
    drop(taken);
    assert_eq!(server.listen(&url).unwrap(), url);
    server.start().unwrap();
    let mut stream = tcp(&url);
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_exactly(&mut stream, 5), b"hello");
}

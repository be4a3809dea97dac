//! Stops that meet starts, listeners and connections on their way (S2, S3, S4). A program of its own, because it counts
//! the process's descriptors, listening sockets and threads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::net::{next, opened, Probe, Seen};
use common::{descriptors, eventually, loops, read_exactly, serve, tcp, threads, Echo, PATIENCE};
use reactor_core::{
    Action, BoxError, CloseReason, ConnOptions, ConnectOptions, ErrorKind, Handle, Handler, ListenOptions,
    Server,
};

/// One after the other: they count the process's descriptors.
#[test]
fn stops() {
    // First, as it counts threads: the kernel may list one for a moment after it was joined.
    a_listener_that_is_added_during_the_stop_is_not_left_open();
    connections_made_during_the_stop_are_closed_or_refused();
    many_threads_may_wait_and_stop();
    what_on_start_dials_is_forgotten_when_the_start_is_refused();
    those_who_have_connected_and_written_are_answered_by_a_graceful_stop();
}

fn a_listener_that_is_added_during_the_stop_is_not_left_open() {
    let tasks = threads();
    for round in 0..200 {
        let before = descriptors();
        let (server, _url) = serve(Echo, &loops(1 + round % 2 * 2));
        let handle = server.handle().clone();
        let add = |handle: &Handle| {
            let (listen, conns) = (ListenOptions::default(), ConnOptions::default());
            let refused = std::iter::repeat_with(|| handle.listen("tcp://127.0.0.1:0", &listen, &conns))
                .find_map(Result::err)
                .unwrap();
            assert_eq!(refused.kind(), ErrorKind::WrongState);
        };
        thread::scope(|scope| {
            (0..2).for_each(|_| drop(scope.spawn(|| add(&handle))));
            eventually("some are there", || handle.listeners().len() > 3);
            handle.stop();
        });
        server.wait().unwrap();
        drop(server);
        eventually("the threads are gone", || threads() == tasks);
        // The handle is still there: the wakers and pollers of the mailboxes are its own, listeners are not.
        let sockets = open_listeners();
        assert_eq!(sockets, 0, "round {round}: listeners are left open");
        drop(handle);
        assert_eq!(descriptors(), before, "round {round}");
    }
}

/// Listening sockets that this process has.
fn open_listeners() -> usize {
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<i32> =
        numbers.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let listens = |fd: &&i32| {
        let (mut value, mut length) = (0_i32, size_of::<i32>() as libc::socklen_t);
        let place = std::ptr::from_mut(&mut value).cast();
        // SAFETY: value and length describe an integer, which is borrowed exclusively.
        let got =
            unsafe { libc::getsockopt(**fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, place, &mut length) };
        got == 0 && value == 1
    };
    numbers.iter().filter(listens).count()
}

fn those_who_have_connected_and_written_are_answered_by_a_graceful_stop() {
    for count in [1, 2, 3] {
        for round in 0..30 {
            let (server, url) = serve(Echo, &loops(count));
            let mut streams: Vec<TcpStream> = (0..10).map(|_| tcp(&url)).collect();
            streams.iter_mut().for_each(|stream| stream.write_all(b"request").unwrap());
            server.handle().stop_gracefully(PATIENCE);
            for (index, stream) in streams.iter_mut().enumerate() {
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                let read = stream.read_to_end(&mut answer);
                assert!(
                    read.is_ok() && answer == b"request",
                    "{count} loops, round {round}, client {index}: {read:?}, {answer:?}"
                );
            }
            server.wait().unwrap();
        }
    }
}

/// Dials in on_start, and refuses the first start.
struct Dials(String, AtomicBool, std::sync::Mutex<std::sync::mpsc::Sender<CloseReason>>);

impl Handler for Dials {
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        server.connect(&self.0, ConnectOptions::default())?;
        match self.1.swap(true, Ordering::SeqCst) {
            true => Ok(Action::None),
            false => Err("not yet".into()),
        }
    }

    fn on_close(&self, _: &reactor_core::Conn<'_>, closed: reactor_core::Closed) {
        self.2.lock().unwrap().send(closed.reason).unwrap();
    }
}

fn what_on_start_dials_is_forgotten_when_the_start_is_refused() {
    let (echo, url) = serve(Echo, &loops(1));
    let (sender, reasons) = std::sync::mpsc::channel();
    let dials = Dials(url, AtomicBool::new(false), std::sync::Mutex::new(sender));
    let server = Server::new(dials, &loops(1)).unwrap();
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::HandlerFailed);
    assert_eq!(server.handle().connections(), 0, "as before the call");
    server.start().unwrap();
    eventually("one is made", || echo.handle().metrics().accepted >= 1);
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(reasons.try_iter().count(), 1, "the connection of the start that went well");
    assert_eq!(server.handle().connections(), 0);
}

fn connections_made_during_the_stop_are_closed_or_refused() {
    let (echo, url) = serve(Echo, &loops(1));
    for round in 0..50 {
        let (probe, seen) = Probe::new();
        let server = Server::new(probe, &loops(1 + round % 2)).unwrap();
        server.start().unwrap();
        let made = thread::scope(|scope| {
            let dialling = scope.spawn(|| {
                let mut made = 0;
                while server.handle().connect(&url, ConnectOptions::default()).is_ok() {
                    made += 1;
                }
                made
            });
            eventually("some are made", || server.handle().connections() > 20);
            server.handle().stop();
            dialling.join().unwrap()
        });
        server.wait().unwrap();
        let (mut opens, mut closes) = (0, 0);
        for what in seen.try_iter() {
            match what {
                Seen::Open(_) => opens += 1,
                Seen::Close(..) => closes += 1,
                other => assert!(matches!(other, Seen::Start | Seen::Stop), "{other:?}"),
            }
        }
        assert!(closes == made && opens <= made, "{made} made, {opens} opened, {closes} closed");
        assert_eq!((server.handle().connections(), server.handle().queued_bytes()), (0, 0));
    }
    eventually("the other side is empty", || echo.handle().connections() == 0);
}

fn many_threads_may_wait_and_stop() {
    for count in [1, 3] {
        let (probe, seen) = Probe::new();
        let (server, url) = serve(probe, &loops(count));
        let mut stream = tcp(&url);
        opened(&seen);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| server.wait().unwrap());
                scope.spawn(|| server.handle().stop());
                scope.spawn(|| server.handle().stop_gracefully(PATIENCE));
            }
        });
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        let mut last: Vec<Seen> = std::iter::from_fn(|| seen.try_recv().ok()).collect();
        assert_eq!(last.pop(), Some(Seen::Stop));
        let closes = last.iter().filter(|seen| matches!(seen, Seen::Close(..))).count();
        assert_eq!(closes, 1);
        server.wait().unwrap();
        assert!(seen.try_recv().is_err());
    }
    let (probe, seen) = Probe::new();
    let (server, url) = serve(probe, &loops(2));
    let mut stream = tcp(&url);
    opened(&seen);
    stream.write_all(b"x").unwrap();
    assert!(matches!(next(&seen), Seen::Data(..)));
    drop(server);
    assert_eq!(read_exactly(&mut stream, 0), b"");
}

//! A fork inside user code on a loop, of which the child returns: it leaves the loop without touching anything, and the
//! parent serves on alone (A6). A program of its own with one test, because it forks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{eventually, loops, read_exactly, tcp, PATIENCE};
use reactor_core::{
    Action, BoxError, Closed, Conn, ConnOptions, ErrorKind, Framing, Handle, Handler, ListenOptions, Server,
    TimerId,
};

/// What a child ends with that calls user code, or gets back to the test otherwise than it should.
const WRONG: libc::c_int = 9;

/// Forks at one place, once. The child goes on as if nothing had been.
struct Forks {
    place: &'static str,
    parent: u32,
    forked: AtomicBool,
    child: AtomicI32,
}

impl Forks {
    fn new(place: &'static str) -> Arc<Forks> {
        let (parent, forked, child) = (process::id(), AtomicBool::new(false), AtomicI32::new(0));
        Arc::new(Forks { place, parent, forked, child })
    }

    fn is_child(&self) -> bool {
        process::id() != self.parent
    }

    fn at(&self, place: &str) {
        if self.is_child() {
            end(WRONG);
        }
        if place == self.place && !self.forked.swap(true, Ordering::SeqCst) {
            // SAFETY: the call takes no pointer; the child has this thread alone.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child > 0 {
                self.child.store(child, Ordering::SeqCst);
            } else {
                // SAFETY: the call takes no pointer. A child that hangs is ended.
                unsafe { libc::alarm(60) };
            }
        }
    }

    /// How the child has ended, once it has.
    fn end_of_child(&self) -> libc::c_int {
        eventually(self.place, || self.child.load(Ordering::SeqCst) > 0);
        let (child, mut status) = (self.child.load(Ordering::SeqCst), 0);
        let limit = Instant::now() + PATIENCE;
        // SAFETY: the status outlives the call.
        while unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == 0 {
            if Instant::now() > limit {
                // SAFETY: our own child, which is not waited for yet.
                unsafe { libc::kill(child, libc::SIGKILL) };
                panic!("{}: the child goes on", self.place);
            }
            thread::sleep(Duration::from_millis(2));
        }
        status
    }
}

/// Ends the process without running what the parent's copy would run.
fn end(code: libc::c_int) -> ! {
    // SAFETY: the call takes no pointer.
    unsafe { libc::_exit(code) }
}

struct Forking(Arc<Forks>);

impl Handler for Forking {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        self.0.at("start");
        Ok(Action::None)
    }

    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.0.at("open");
        conn.wake().unwrap();
        conn.start_timer(Duration::from_millis(1), Duration::ZERO).unwrap();
        let forks = Arc::clone(&self.0);
        drop(conn.set_context(Box::new(Dropped(forks))));
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        self.0.at("data");
        let forks = Arc::clone(&self.0);
        let written = conn.write_then(&[data], move |_| forks.at("completed"));
        // In the child it is refused.
        assert_eq!(written.is_ok(), !self.0.is_child());
        Action::None
    }

    fn on_eof(&self, _: &Conn<'_>) -> Action {
        self.0.at("eof");
        Action::Close
    }

    fn on_wake(&self, _: &Conn<'_>) -> Action {
        self.0.at("wake");
        Action::None
    }

    fn on_timer(&self, _: &Conn<'_>, _: TimerId) -> Action {
        self.0.at("timer");
        Action::None
    }

    fn on_close(&self, _: &Conn<'_>, _: Closed) {
        self.0.at("close");
    }

    fn on_tick(&self, _: &Handle) -> Option<Duration> {
        self.0.at("tick");
        None
    }

    fn on_pre_write(&self, _: &Handle) {
        self.0.at("pre_write");
    }

    fn on_stopping(&self, _: &Handle) {
        self.0.at("stopping");
    }

    fn on_stop(&self, _: &Handle) {
        self.0.at("stop");
    }
}

/// The context of a connection: user code runs when it is dropped.
struct Dropped(Arc<Forks>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.at("context");
    }
}

/// Cuts lines.
fn lines(forks: &Arc<Forks>) -> Framing {
    let forks = Arc::clone(forks);
    Framing::custom(move |input| {
        forks.at("framing");
        Ok(input.iter().position(|byte| *byte == b'\n').map(|end| end + 1))
    })
}

/// A started server that forks at this place, and its address.
fn serve(forks: &Arc<Forks>, count: usize) -> (Server, String) {
    let server = Server::new(Forking(Arc::clone(forks)), &loops(count)).unwrap();
    let conns = ConnOptions { half_open: true, framing: Some(lines(forks)), ..ConnOptions::default() };
    let url = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &conns).unwrap().address;
    let started = server.start();
    if forks.is_child() {
        // It was forked in on_start, and never was on a loop.
        let refused = started.is_err_and(|error| error.kind() == ErrorKind::WrongState);
        let all = refused && server.wait().is_err() && server.start().is_err();
        drop(server);
        end(if all { 0 } else { WRONG });
    }
    started.unwrap();
    (server, url)
}

fn ask(url: &str) {
    let mut stream = tcp(url);
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(read_exactly(&mut stream, 6), b"hello\n");
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(std::io::Read::read(&mut stream, &mut [0]).unwrap(), 0);
}

#[test]
fn a_child_that_returns_leaves_the_loop() {
    let places = [
        "start",
        "open",
        "data",
        "completed",
        "eof",
        "wake",
        "timer",
        "close",
        "context",
        "tick",
        "pre_write",
        "framing",
        "job",
        "loop timer",
        "stopping",
        "stop",
    ];
    for place in places {
        for count in [1, 3] {
            the_parent_serves_on_alone(place, count);
        }
    }
    no_input_is_lost_to_the_child();
    #[cfg(not(reactor_poller = "poll"))]
    for place in ["start", "open", "data", "completed", "tick", "close", "stop"] {
        a_child_of_a_host_gets_an_error(place);
    }
}

fn the_parent_serves_on_alone(place: &'static str, count: usize) {
    let forks = Forks::new(place);
    let (server, url) = serve(&forks, count);
    let (job, timer) = (Arc::clone(&forks), Arc::clone(&forks));
    let run = move |server: &Handle| {
        job.at("job");
        let call = move |_: &Handle| timer.at("loop timer");
        server.start_timer(Duration::from_millis(1), Duration::ZERO, call).unwrap();
    };
    server.handle().run_on(0, run).unwrap();
    // Until its timer is due.
    let kept = tcp(&url);
    for _ in 0..12 {
        ask(&url);
    }
    let last = ["stopping", "stop"].contains(&place);
    if !last {
        assert_eq!(forks.end_of_child(), 0, "{place}");
        ask(&url);
    }
    drop(kept);
    server.handle().stop_gracefully(PATIENCE);
    server.wait().unwrap();
    assert_eq!(forks.end_of_child(), 0, "{place}");
}

/// What was reported to the parent together with the input of the callback that forks.
fn no_input_is_lost_to_the_child() {
    let forks = Forks::new("data");
    let (server, url) = serve(&forks, 1);
    let mut streams: Vec<_> = (0..8).map(|_| tcp(&url)).collect();
    eventually("all are open", || server.handle().connections() == 8);
    let (entered, busy) = std::sync::mpsc::channel();
    let (leave, wait) = std::sync::mpsc::channel();
    let job = move |_: &Handle| {
        entered.send(()).unwrap();
        wait.recv_timeout(PATIENCE).unwrap();
    };
    server.handle().run_on(0, job).unwrap();
    busy.recv_timeout(PATIENCE).unwrap();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
    leave.send(()).unwrap();
    for (number, stream) in streams.iter_mut().enumerate() {
        assert_eq!(read_exactly(stream, 2), format!("{number}\n").as_bytes());
    }
    assert_eq!(forks.end_of_child(), 0);
    drop(server);
}

#[cfg(not(reactor_poller = "poll"))]
fn a_child_of_a_host_gets_an_error(place: &'static str) {
    let forks = Forks::new(place);
    let server = Server::new(Forking(Arc::clone(&forks)), &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let client = thread::spawn({
        let (url, handle) = (url, server.handle().clone());
        move || {
            let mut stream = tcp(&url);
            stream.write_all(b"hello").unwrap();
            assert_eq!(read_exactly(&mut stream, 5), b"hello");
            drop(stream);
            eventually("it is closed", || handle.connections() == 0);
            handle.stop();
        }
    });
    loop {
        let turned = hosted.turn(None);
        if forks.is_child() {
            let refused = turned.is_err_and(|error| error.kind() == ErrorKind::WrongState);
            let again = !matches!(hosted.turn(None), Ok(true));
            // Dropping it would drop the contexts, which is user code.
            std::mem::forget(hosted);
            end(if refused && again { 0 } else { WRONG });
        }
        if !turned.unwrap() {
            break;
        }
    }
    client.join().unwrap();
    assert_eq!(forks.end_of_child(), 0, "{place}");
}

//! The short way to serve, and the two signals that end it (S2, R5). A program of its own with one test, because signals and what
//! is done with them are the process's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::{eventually, read_exactly, tcp};
use reactor_core::{
    serve, Action, BoxError, Closed, Config, Conn, ErrorKind, Handle, Handler, Result, Server,
};

const LONG: Duration = Duration::from_secs(3600);

/// Echoes, and tells where it is; raises a signal in `on_start`, if there is one.
struct Told {
    tell: Mutex<Sender<String>>,
    raises: Option<libc::c_int>,
}

impl Told {
    fn new(raises: Option<libc::c_int>) -> (Told, Receiver<String>) {
        let (tell, told) = channel();
        (Told { tell: Mutex::new(tell), raises }, told)
    }

    fn tell(&self, what: impl Into<String>) {
        let _ = self.tell.lock().unwrap().send(what.into());
    }
}

impl Handler for Told {
    fn on_start(&self, server: &Handle) -> std::result::Result<Action, BoxError> {
        if let Some(number) = self.raises {
            raise(number);
            assert!(server.is_stopping(), "the signal has not stopped it");
        }
        self.tell(server.addresses().join(" "));
        Ok(Action::None)
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        conn.write(data).map_or(Action::Close, |_| Action::None)
    }

    fn on_close(&self, _: &Conn<'_>, closed: Closed) {
        self.tell(closed.reason.name());
    }

    fn on_stopping(&self, _: &Handle) {
        self.tell("stopping");
    }

    fn on_stop(&self, _: &Handle) {
        self.tell("stopped");
    }
}

/// A server that is served elsewhere.
struct Serving {
    thread: JoinHandle<Result<()>>,
    told: Receiver<String>,
    urls: Vec<String>,
}

fn serving(urls: &'static [&'static str]) -> Serving {
    let (handler, told) = Told::new(None);
    let config = Config { loops: 2, stop_deadline: LONG, ..Config::default() };
    let thread = thread::spawn(move || serve(handler, urls, &config));
    let urls: Vec<_> = told.recv().unwrap().split(' ').map(str::to_owned).collect();
    let serving = Serving { thread, told, urls };
    // It has started when it answers.
    let mut client = tcp(&serving.urls[0]);
    client.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"x");
    drop(client);
    assert_eq!(serving.next(), "eof");
    serving
}

impl Serving {
    fn next(&self) -> String {
        self.told.recv().unwrap()
    }

    fn ends_well(self) {
        self.thread.join().unwrap().unwrap();
    }
}

/// Sends the whole process a signal.
fn signal(number: libc::c_int) {
    // SAFETY: the calls take no pointers.
    assert_eq!(unsafe { libc::kill(libc::getpid(), number) }, 0);
}

fn raise(number: libc::c_int) {
    // SAFETY: the call takes no pointer.
    assert_eq!(unsafe { libc::raise(number) }, 0);
}

/// Has something done with a signal.
fn dispose(number: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: the handlers of this test do nothing but count.
    assert_ne!(unsafe { libc::signal(number, handler) }, libc::SIG_ERR);
}

fn disposed(number: libc::c_int) -> libc::sighandler_t {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sigaction writes to `now`, which outlives the call.
    unsafe {
        assert_eq!(libc::sigaction(number, std::ptr::null(), now.as_mut_ptr()), 0);
        now.assume_init().sa_sigaction
    }
}

static COUNTED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    COUNTED.fetch_add(1, Ordering::SeqCst);
}

fn counting() -> libc::sighandler_t {
    count as extern "C" fn(libc::c_int) as libc::sighandler_t
}

#[test]
fn signals_stop_who_serves() {
    dispose(libc::SIGTERM, counting());
    dispose(libc::SIGINT, libc::SIG_IGN);
    let pipe = disposed(libc::SIGPIPE);

    for (first, second) in
        [(libc::SIGTERM, libc::SIGTERM), (libc::SIGINT, libc::SIGTERM), (libc::SIGTERM, libc::SIGINT)]
    {
        the_first_is_graceful_and_the_second_ends(first, second);
        expect_given_back();
    }
    connections_finish_after_the_first();
    one_that_comes_while_it_starts_counts();
    expect_given_back();
    one_stops_all_who_serve();
    expect_given_back();
    what_cannot_be_served_is_named();
    expect_given_back();
    a_server_can_be_stopped_so_without_the_short_way();
    expect_given_back();
    a_child_does_what_was_done_before();
    a_child_that_serves_is_stopped_so_as_well();
    a_thread_that_is_to_be_cancelled_handles_them();
    none_is_lost_or_late_while_servers_come_and_go();
    expect_given_back();
    what_the_program_changes_meanwhile_stays();
    dispose(libc::SIGINT, libc::SIG_IGN);
    who_comes_later_handles_what_the_program_has_changed();
    dispose(libc::SIGINT, libc::SIG_IGN);
    what_is_put_back_too_late_does_what_was_done_before();
    expect_given_back();
    assert_eq!(disposed(libc::SIGPIPE), pipe);
}

/// The program's handler counts again, and ignores again.
fn expect_given_back() {
    assert_eq!((disposed(libc::SIGTERM), disposed(libc::SIGINT)), (counting(), libc::SIG_IGN));
    let before = COUNTED.load(Ordering::SeqCst);
    raise(libc::SIGTERM);
    raise(libc::SIGINT);
    assert_eq!(COUNTED.load(Ordering::SeqCst), before + 1);
}

fn the_first_is_graceful_and_the_second_ends(first: libc::c_int, second: libc::c_int) {
    let counted = COUNTED.load(Ordering::SeqCst);
    let serving = serving(&["tcp://127.0.0.1:0", "tcp://127.0.0.1:0?nodelay=false"]);
    assert_eq!(serving.urls.len(), 2);
    let mut client = tcp(&serving.urls[1]);
    client.write_all(b"before").unwrap();
    assert_eq!(read_exactly(&mut client, 6), b"before");
    signal(first);
    assert_eq!(serving.next(), "stopping");
    client.write_all(b"after").unwrap();
    assert_eq!(read_exactly(&mut client, 5), b"after");
    signal(second);
    assert_eq!([serving.next(), serving.next()], ["shutdown", "stopped"]);
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    serving.ends_well();
    assert_eq!(COUNTED.load(Ordering::SeqCst), counted, "the program's handler was called meanwhile");
}

fn connections_finish_after_the_first() {
    let serving = serving(&["tcp://127.0.0.1:0"]);
    let mut client = tcp(&serving.urls[0]);
    client.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"x");
    signal(libc::SIGTERM);
    assert_eq!(serving.next(), "stopping");
    drop(client);
    assert_eq!([serving.next(), serving.next()], ["eof", "stopped"]);
    serving.ends_well();
}

fn one_that_comes_while_it_starts_counts() {
    for number in [libc::SIGTERM, libc::SIGINT] {
        let (handler, told) = Told::new(Some(number));
        serve(handler, &["tcp://127.0.0.1:0"], &Config::default()).unwrap();
        assert!(told.recv().unwrap().starts_with("tcp://"));
        assert!(told.recv().is_err(), "it was started all the same");
    }
}

fn one_stops_all_who_serve() {
    let servings = [(); 3].map(|()| serving(&["tcp://127.0.0.1:0"]));
    signal(libc::SIGINT);
    for serving in servings {
        assert_eq!([serving.next(), serving.next()], ["stopping", "stopped"]);
        serving.ends_well();
    }
}

fn what_cannot_be_served_is_named() {
    let serving = serving(&["tcp://127.0.0.1:0"]);
    let taken = serving.urls[0].as_str();
    let failed = |urls: &[&str], config: &Config| serve(Told::new(None).0, urls, config).unwrap_err();
    let error = failed(&["tcp://127.0.0.1:0", taken], &Config::default());
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert!(error.message().contains(&format!("{taken:?}")), "{error}");
    let error = failed(&["tcp://127.0.0.1:0?wrong=1"], &Config::default());
    assert!(error.message().contains("unknown option \"wrong=1\""), "{error}");
    let error = failed(&[], &Config { low_water: 2, high_water: 1, ..Config::default() });
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    // Somebody serves still, whom the others' end has not disturbed.
    signal(libc::SIGTERM);
    assert_eq!([serving.next(), serving.next()], ["stopping", "stopped"]);
    serving.ends_well();
}

fn a_server_can_be_stopped_so_without_the_short_way() {
    let (handler, told) = Told::new(None);
    let server = Server::new(handler, &Config { stop_deadline: LONG, ..Config::default() }).unwrap();
    server.stop_on_signals().unwrap();
    server.stop_on_signals().unwrap();
    server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    signal(libc::SIGTERM);
    server.wait().unwrap();
    assert_eq!(told.iter().skip(1).take(2).collect::<Vec<_>>(), ["stopping", "stopped"]);
    // Too late, and nobody's: it is handled as long as the server is there.
    signal(libc::SIGTERM);
    drop(server);

    let server = Server::new(Told::new(None).0, &Config::default()).unwrap();
    server.stop_on_signals().unwrap();
    signal(libc::SIGTERM);
    eventually("told", || server.handle().is_stopping());
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::Stopped);
}

/// Runs something in a child, and says what wait says of it: 0 if it was well.
fn in_child(run: impl FnOnce() -> bool) -> libc::c_int {
    // SAFETY: the calls take no pointers; the child has this thread alone.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = if run() { 0 } else { 9 };
        // SAFETY: the call takes no pointer.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the status outlives the call.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

/// A child that a program forks while it serves ends by the signal; one that serves itself does as it says.
fn a_child_does_what_was_done_before() {
    dispose(libc::SIGTERM, libc::SIG_DFL);
    let serving = serving(&["tcp://127.0.0.1:0"]);
    let status = in_child(|| {
        raise(libc::SIGTERM);
        false
    });
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGTERM, "{status:#x}");
    signal(libc::SIGINT);
    serving.ends_well();
    dispose(libc::SIGTERM, counting());
}

/// With a copy of a server, and with one of its own; whatever it has done with the signals before.
fn a_child_that_serves_is_stopped_so_as_well() {
    let elsewhere = serving(&["tcp://127.0.0.1:0"]);
    let server = Server::new(Told::new(None).0, &Config::default()).unwrap();
    server.stop_on_signals().unwrap();
    server.listen("tcp://127.0.0.1:0").unwrap();
    for disposed_of in [None, Some(libc::SIG_DFL)] {
        let stopped = in_child(|| {
            disposed_of.into_iter().for_each(|handler| dispose(libc::SIGTERM, handler));
            server.stop_on_signals().and_then(|()| server.start()).unwrap();
            raise(libc::SIGTERM);
            server.handle().is_stopping() && server.wait().is_ok()
        });
        assert_eq!(stopped, 0, "a copy, {disposed_of:?}");
        let stopped = in_child(|| {
            disposed_of.into_iter().for_each(|handler| dispose(libc::SIGTERM, handler));
            let served = serve(Told::new(Some(libc::SIGTERM)).0, &["tcp://127.0.0.1:0"], &Config::default());
            // Nobody in the child serves any more.
            served.is_ok() && disposed(libc::SIGTERM) == disposed_of.unwrap_or(counting())
        });
        assert_eq!(stopped, 0, "one of its own, {disposed_of:?}");
    }
    drop(server);
    signal(libc::SIGTERM);
    elsewhere.ends_well();
}

/// Nothing that the handler does lets a thread be cancelled.
fn a_thread_that_is_to_be_cancelled_handles_them() {
    extern "C" {
        fn pthread_cancel(thread: libc::pthread_t) -> libc::c_int;
        fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
    }
    /// PTHREAD_CANCEL_DISABLE.
    const DISABLE: libc::c_int = 1;
    let serving = serving(&["tcp://127.0.0.1:0"]);
    let asked = thread::spawn(|| {
        let mut before = DISABLE;
        // SAFETY: it is this thread, which forbids it before it does what could be cancelled; the number outlives the call.
        unsafe {
            assert_eq!(pthread_cancel(libc::pthread_self()), 0);
            raise(libc::SIGTERM);
            assert_eq!(pthread_setcancelstate(DISABLE, &mut before), 0);
        }
        before
    });
    assert_ne!(asked.join().unwrap(), DISABLE);
    serving.ends_well();
}

/// Signals while servers begin and end to watch: each reaches the program's handler or a server, and nothing that is gone.
fn none_is_lost_or_late_while_servers_come_and_go() {
    let witness = serving(&["tcp://127.0.0.1:0"]);
    let comers: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..300 {
                    let server = Server::new(Told::new(None).0, &Config::default()).unwrap();
                    server.stop_on_signals().unwrap();
                }
            })
        })
        .collect();
    while !comers.iter().all(JoinHandle::is_finished) {
        signal(libc::SIGTERM);
    }
    comers.into_iter().for_each(|comer| comer.join().unwrap());
    witness.ends_well();
}

fn what_the_program_changes_meanwhile_stays() {
    let serving = serving(&["tcp://127.0.0.1:0"]);
    dispose(libc::SIGINT, counting());
    signal(libc::SIGTERM);
    serving.ends_well();
    assert_eq!((disposed(libc::SIGTERM), disposed(libc::SIGINT)), (counting(), counting()));
}

fn who_comes_later_handles_what_the_program_has_changed() {
    let first = serving(&["tcp://127.0.0.1:0"]);
    dispose(libc::SIGINT, counting());
    let second = serving(&["tcp://127.0.0.1:0"]);
    signal(libc::SIGINT);
    for serving in [first, second] {
        assert_eq!([serving.next(), serving.next()], ["stopping", "stopped"]);
        serving.ends_well();
    }
    assert_eq!((disposed(libc::SIGTERM), disposed(libc::SIGINT)), (counting(), counting()));
}

/// As system(3) does on another thread while a server ends.
fn what_is_put_back_too_late_does_what_was_done_before() {
    let server = Server::new(Told::new(None).0, &Config::default()).unwrap();
    server.stop_on_signals().unwrap();
    let engines = disposed(libc::SIGTERM);
    dispose(libc::SIGTERM, libc::SIG_IGN);
    drop(server);
    dispose(libc::SIGTERM, engines);
    let before = COUNTED.load(Ordering::SeqCst);
    raise(libc::SIGTERM);
    assert_eq!(COUNTED.load(Ordering::SeqCst), before + 1);
}

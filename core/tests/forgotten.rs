//! A start and a `listen` that were forgotten are told of without being asked (M2). A program of its own, because the logger is
//! the process's, and how often it is told, too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::thread;
use std::time::Duration;

use common::memory::{remember_errors, MEMORY};
use common::{loops, PATIENCE};
use reactor_core::{Action, BoxError, Handle, Handler, Server};

struct Nothing;

impl Handler for Nothing {}

/// It cannot be started.
struct Failing;

impl Handler for Failing {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Err("deliberate".into())
    }
}

/// It has something to do without a socket.
#[cfg(not(reactor_poller = "poll"))]
struct Timed;

#[cfg(not(reactor_poller = "poll"))]
impl Handler for Timed {
    fn on_tick(&self, server: &Handle) -> Option<Duration> {
        server.start_timer(Duration::from_secs(100), Duration::ZERO, |_| ()).unwrap();
        None
    }
}

#[cfg(not(reactor_poller = "poll"))]
struct Ticking;

#[cfg(not(reactor_poller = "poll"))]
impl Handler for Ticking {
    fn on_tick(&self, _: &Handle) -> Option<Duration> {
        Some(Duration::from_secs(100))
    }
}

fn server() -> Server {
    Server::new(Nothing, &loops(2)).unwrap()
}

fn listening() -> (Server, String) {
    let server = server();
    let address = server.listen("tcp://127.0.0.1:0").unwrap();
    (server, address)
}

/// What was told once there is anything, and forgets it.
fn told() -> Vec<String> {
    let mut tries = PATIENCE.as_millis() / 10;
    while MEMORY.0.lock().unwrap().is_empty() && tries > 0 {
        tries -= 1;
        thread::sleep(Duration::from_millis(10));
    }
    // What comes with it, or would.
    thread::sleep(Duration::from_millis(1_100));
    std::mem::take(&mut MEMORY.0.lock().unwrap())
}

const NOWHERE: &str = "ERROR: a server runs that listens nowhere, and so nobody can connect: call listen";

/// None of them is told of: nothing is missing, or the program knows.
fn let_go_of_innocents() {
    let (stopped, _) = listening();
    stopped.handle().stop();
    let (cut_short, _) = listening();
    cut_short.listen("tcp://nonsense").unwrap_err();
    let failing = Server::new(Failing, &loops(1)).unwrap();
    failing.listen("tcp://127.0.0.1:0").unwrap();
    failing.start().unwrap_err();
    drop((stopped, cut_short, failing, server()));
}

/// The same of servers that run. This thread turns them, so that what is done soon is done in time. Over poll(2) nobody can.
#[cfg(not(reactor_poller = "poll"))]
fn turn_innocents() {
    use reactor_core::{ConnOptions, ConnectOptions, ListenOptions};
    let (serving, address) = listening();
    serving.start().unwrap();
    let [late, connected, ended] = [(); 3].map(|()| Server::new(Nothing, &loops(1)).unwrap());
    let (timed, ticking) = (Server::new(Timed, &loops(1)).unwrap(), Server::new(Ticking, &loops(1)).unwrap());
    let servers = [late, connected, ended, timed, ticking];
    let mut hosts = servers.each_ref().map(|server| server.start_hosted().unwrap());
    hosts.iter_mut().for_each(|host| assert!(host.turn(Some(Duration::ZERO)).unwrap()));
    let [late, connected, ended, _, _] = servers.each_ref().map(Server::handle);
    late.listen("tcp://127.0.0.1:0", &ListenOptions::default(), &ConnOptions::default()).unwrap();
    connected.connect(&address, ConnectOptions::default()).unwrap();
    ended.stop();
    thread::sleep(Duration::from_millis(1_100));
    for host in &mut hosts {
        host.turn(Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn what_a_program_forgot_is_told_once() {
    remember_errors();
    let_go_of_innocents();
    #[cfg(not(reactor_poller = "poll"))]
    turn_innocents();
    // The first of its kind is told at once, so that nobody was told of and none is counted.
    let nowhere = server();
    nowhere.start().unwrap();
    assert_eq!(told(), [NOWHERE]);
    let (unstarted, address) = listening();
    drop(unstarted);
    assert_eq!(
        told(),
        [format!("ERROR: a server listens at {address} and was never started: call start or run")]
    );
    drop(nowhere);
}

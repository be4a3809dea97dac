//! What the tests of the engine share: a client that verifies, and counts of what the process holds.
#![allow(dead_code, reason = "each test program compiles all of it, and uses its part")]

pub(crate) mod hooks;
pub(crate) mod icmp;
pub(crate) mod memory;
pub(crate) mod net;
pub(crate) mod peer;

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use reactor_core::{Action, Config, Conn, Handler, Server};

/// How long a test waits for what must happen before it calls it missing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Sends everything back.
pub(crate) struct Echo;

impl Handler for Echo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        conn.write(data).map_or(Action::Close, |_| Action::None)
    }
}

/// Options with a number of loops.
pub(crate) fn loops(loops: usize) -> Config {
    Config { loops, ..Config::default() }
}

/// A started server on one free TCP port, and its address.
pub(crate) fn serve(handler: impl Handler, config: &Config) -> (Server, String) {
    let server = Server::new(handler, config).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    (server, url)
}

/// A TCP connection, to an address with or without its scheme.
pub(crate) fn tcp(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("tcp://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads exactly `len` bytes.
pub(crate) fn read_exactly(stream: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// What comes next over a channel.
pub(crate) fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).unwrap()
}

/// Waits until `done` says so.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "still not so: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A deterministic generator (xorshift64, Marsaglia 2003), so that a failure repeats.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Descriptors that this process has open.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Threads of this process.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

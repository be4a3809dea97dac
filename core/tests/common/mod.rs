//! What the tests of the engine share: a client that verifies, and counts of what the process holds.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use reactor_core::{Action, Config, Conn, Handler, Server};

/// How long a test waits for what must happen before it calls it missing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Sends everything back.
pub struct Echo;

impl Handler for Echo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        conn.write(data).map_or(Action::Close, |_| Action::None)
    }
}

/// Both kinds of stream.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Options with a number of loops.
pub fn loops(loops: usize) -> Config {
    let mut config = Config::default();
    config.loops = loops;
    config
}

/// A started server on one free TCP port, and its address.
pub fn serve(handler: impl Handler, config: &Config) -> (Server, String) {
    let server = Server::new(handler, config).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    (server, url)
}

/// A connection to a `tcp` or `unix` URL.
pub fn connect(url: &str) -> Box<dyn Stream> {
    match url.split_once("://").unwrap() {
        ("unix", path) => {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Box::new(stream)
        }
        (_, address) => Box::new(tcp(address)),
    }
}

/// A TCP connection, to an address with or without its scheme.
pub fn tcp(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("tcp://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads exactly `len` bytes.
pub fn read_exactly(stream: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Waits until `done` says so.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "still not so: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A deterministic generator (xorshift64, Marsaglia 2003), so that a failure repeats.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Descriptors that this process has open.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Threads of this process.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

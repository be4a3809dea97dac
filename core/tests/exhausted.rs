//! Out of descriptors: open connections go on, and accepting resumes when some return (R1). A program of its own,
//! because the limit on descriptors is the process's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use common::{descriptors, loops, read_exactly, serve, tcp, Echo};

fn limit_descriptors(limit: usize) {
    let limit = libc::rlimit { rlim_cur: limit as libc::rlim_t, rlim_max: 4096 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

/// Takes every descriptor that is left.
fn exhaust_descriptors() -> Vec<File> {
    limit_descriptors(descriptors() + 16);
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn accepting_resumes_when_descriptors_return() {
    for count in [1, 4] {
        limit_descriptors(4096);
        let (server, url) = serve(Echo, &loops(count));
        let mut open = tcp(&url);
        open.write_all(b"first").unwrap();
        assert_eq!(read_exactly(&mut open, 5), b"first");
        // The clients have their descriptors; then there is none left for the server.
        let sockets: Vec<Socket> =
            (0..5).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
        let filled = exhaust_descriptors();
        let address: SocketAddr = url.trim_start_matches("tcp://").parse().unwrap();
        sockets.iter().for_each(|socket| socket.connect(&address.into()).unwrap());
        let mut waiting: Vec<TcpStream> = sockets.into_iter().map(TcpStream::from).collect();
        open.write_all(b"still served").unwrap();
        assert_eq!(read_exactly(&mut open, 12), b"still served");
        assert_eq!(server.handle().connections(), 1, "nobody can be accepted yet");
        drop(filled);
        limit_descriptors(4096);
        for (index, stream) in waiting.iter_mut().enumerate() {
            stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
            let greeting = format!("waited {index}");
            stream.write_all(greeting.as_bytes()).unwrap();
            assert_eq!(read_exactly(stream, greeting.len()), greeting.as_bytes());
        }
    }
}

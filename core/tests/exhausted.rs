//! Out of descriptors: open connections go on, and accepting resumes when some return (R1). A test binary of its
//! own, because the limit is the process's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;

use common::{descriptors, loops, read_exactly, serve, tcp, Echo};

fn limit_descriptors(limit: usize) {
    let limit = libc::rlimit { rlim_cur: limit as libc::rlim_t, rlim_max: 4096 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

#[test]
fn accepting_resumes_when_descriptors_return() {
    for count in [1, 4] {
        limit_descriptors(4096);
        let (_server, url) = serve(Echo, &loops(count));
        let mut open = tcp(&url);
        open.write_all(b"first").unwrap();
        assert_eq!(read_exactly(&mut open, 5), b"first");
        let mut waiting: Vec<_> = Vec::new();
        // Room for the client's descriptor, and none for the server's.
        limit_descriptors(descriptors() + 3);
        while let Ok(stream) = std::net::TcpStream::connect(url.trim_start_matches("tcp://")) {
            waiting.push(stream);
        }
        open.write_all(b"still served").unwrap();
        assert_eq!(read_exactly(&mut open, 12), b"still served");
        limit_descriptors(4096);
        for (index, stream) in waiting.iter_mut().enumerate() {
            stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
            let greeting = format!("waited {index}");
            stream.write_all(greeting.as_bytes()).unwrap();
            assert_eq!(read_exactly(stream, greeting.len()), greeting.as_bytes());
        }
        assert!(!waiting.is_empty());
    }
}

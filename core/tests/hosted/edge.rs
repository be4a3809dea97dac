//! A host that waits for edges: it turns once for each, however many connections are ready (B3).

// Over poll(2) there is no host: see `unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::hooks::Hooks;
use crate::common::net::socket_path;
use crate::common::{loops, PATIENCE};
use reactor_core::{Action, Hosted, Server};

/// More than one poll reports.
const MANY: usize = 700;

/// An epoll descriptor with the host's in it, edge-triggered.
struct Edges(OwnedFd);

impl Edges {
    fn of(hosted: &Hosted) -> Edges {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
        let edges = Edges(unsafe { OwnedFd::from_raw_fd(fd) });
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        // SAFETY: both descriptors are open, and the event outlives the call.
        let added =
            unsafe { libc::epoll_ctl(fd, libc::EPOLL_CTL_ADD, hosted.as_fd().as_raw_fd(), &mut event) };
        assert_eq!(added, 0);
        edges
    }

    /// Waits for an edge, and turns once for it.
    fn turn(&self, hosted: &mut Hosted) {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: there is room for one event.
        let ready = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &mut event, 1, 20) };
        assert!(ready >= 0);
        if ready == 1 {
            assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
        }
    }
}

/// Each connection is two descriptors of this process.
fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure outlives both calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(16_384);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    assert!(limit.rlim_cur > 2 * MANY as libc::rlim_t + 100, "too few descriptors are allowed here");
}

#[test]
fn every_ready_connection_is_served() {
    raise_limit();
    let got = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&got);
    let hooks = Hooks::new().data(move |_, data| {
        count.fetch_add(data.len(), Ordering::SeqCst);
        Action::None
    });
    let server = Server::new(hooks, &loops(1)).unwrap();
    let path = socket_path("edge");
    server.listen(&format!("unix://{path}")).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let edges = Edges::of(&hosted);
    let until = |hosted: &mut Hosted, what: &str, done: &dyn Fn() -> bool| {
        let limit = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < limit, "there was no edge, and still not so: {what}");
            edges.turn(hosted);
        }
    };
    let mut streams: Vec<_> = (0..MANY)
        .map(|count| {
            let stream = UnixStream::connect(&path).unwrap();
            until(&mut hosted, "it is open", &|| server.handle().connections() > count);
            stream
        })
        .collect();
    for round in 1..=3 {
        streams.iter_mut().for_each(|stream| stream.write_all(b"x").unwrap());
        until(&mut hosted, "all was read", &|| got.load(Ordering::SeqCst) == round * MANY);
    }
    drop(streams);
    until(&mut hosted, "all are closed", &|| server.handle().connections() == 0);
}

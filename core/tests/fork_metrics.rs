//! What a forked child is told of a server that the parent started, while threads of the parent hold its locks (A6,
//! R5). A program of its own, because it forks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{eventually, loops, serve, tcp, Echo};
use reactor_core::{Handle, Metrics};

/// In the child, with this thread alone: no lock may be met that a thread of the parent held.
fn child(server: &Handle) -> ! {
    let nothing = server.queued_bytes() == 0
        && server.metrics() == Metrics::default()
        && server.loop_metrics(0).is_none();
    // SAFETY: ends the process without running what the parent's copy would run.
    unsafe { libc::_exit(i32::from(!nothing)) }
}

/// Forks, and says whether the child ended well.
fn fork_and_look(server: &Handle) -> bool {
    // SAFETY: the call takes no pointer; the child goes on with this thread alone, and ends by _exit.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: the call takes no pointer. A child that hangs is ended.
        unsafe { libc::alarm(10) };
        child(server);
    }
    let mut status = 0;
    // SAFETY: the status outlives the call.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status == 0
}

#[test]
fn a_child_sees_nothing_and_never_waits() {
    let (server, url) = serve(Echo, &loops(1));
    let _clients: Vec<_> = (0..200).map(|_| tcp(&url)).collect();
    eventually("all are open", || server.handle().connections() == 200);
    let done = AtomicBool::new(false);
    let looking = || {
        while !done.load(Ordering::SeqCst) {
            assert_eq!(server.handle().metrics().queued_bytes, 0);
        }
    };
    thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(looking)));
        let well = (0..40).take_while(|_| fork_and_look(server.handle())).count();
        done.store(true, Ordering::SeqCst);
        assert_eq!(well, 40, "a child hung, or saw what is the parent's");
    });
}

//! Many of everything in one process: connections, timers, starts and stops (S4, T2, M1). A program of its own, because
//! it measures the process: its memory, descriptors and threads.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use common::net;
use common::net::{anonymous_memory, opened, Probe, Seen};
use common::{descriptors, eventually, loops, read_exactly, serve, tcp, threads, Echo, Random};
use reactor_core::{Action, CloseReason, Handle};

/// Connections; over poll(2) fewer, as each request has the kernel look at all of them.
const MANY: usize = if cfg!(reactor_poller = "poll") { 2_000 } else { 10_000 };
/// Bytes that each may take. Some 195 were measured, idle machine or not: the allocator's share varies. What poll(2) is
/// asked about is memory of the process.
const BYTES: usize = if cfg!(reactor_poller = "poll") { 400 } else { 230 };

/// One after the other: they measure the process.
#[test]
fn many() {
    thousands_of_connections_are_answered_and_cost_little_memory();
    a_thousand_starts_and_stops_leave_the_process_as_it_was();
    a_hundred_thousand_timers_fire_in_order();
    a_quiet_run_is_counted_exactly();
}

fn thousands_of_connections_are_answered_and_cost_little_memory() {
    let count = MANY.min(descriptors_allowed().saturating_sub(500) / 2);
    assert!(count >= 400, "room for {count} connections only");
    let (server, url) = serve(Echo, &loops(2));
    let address = net::address(&url);
    // Both sides live in this process; a client is a descriptor here, and no memory.
    let mut clients: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
    // What a loop has for all its connections is there once it has served one: each loop gets one.
    for _ in 0..2 {
        let mut client = tcp(&url);
        client.write_all(b"warm").unwrap();
        assert_eq!(read_exactly(&mut client, 4), b"warm");
    }
    eventually("they are closed", || server.handle().connections() == 0);
    let before = anonymous_memory();
    for (index, client) in clients.iter_mut().enumerate() {
        *client = Some(TcpStream::connect(address).unwrap());
        if index % 1000 == 999 {
            eventually("they are taken in", || server.handle().metrics().accepted > index as u64);
        }
    }
    eventually("all are open", || server.handle().connections() == count);
    let idle = anonymous_memory();
    for (index, client) in clients.iter_mut().flatten().enumerate() {
        let bytes = (index as u64).to_le_bytes();
        client.write_all(&bytes).unwrap();
        assert_eq!(read_exactly(client, 8), bytes);
    }
    let each = (idle.saturating_sub(before)) * 1024 / count;
    let used = (anonymous_memory().saturating_sub(before)) * 1024 / count;
    println!("{count} connections: {each} bytes per idle connection, {used} after each was used");
    assert!(each <= BYTES, "{each} bytes per idle connection");
    assert!(used <= BYTES, "{used} bytes per connection that was used and is idle again");
    drop(clients);
    eventually("all are closed", || server.handle().connections() == 0);
}

/// Raises the limit as far as it goes.
fn descriptors_allowed() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure outlives the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max.max(30_000);
        let raised = libc::rlimit { rlim_max: limit.rlim_cur, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) != 0 {
            limit.rlim_cur = limit.rlim_max;
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        }
    }
    usize::try_from(limit.rlim_cur).unwrap()
}

fn a_thousand_starts_and_stops_leave_the_process_as_it_was() {
    let cycle = |seed: u64| {
        let (server, url) = serve(Echo, &loops(1 + (seed % 3) as usize));
        let mut clients: Vec<TcpStream> = (0..3).map(|_| tcp(&url)).collect();
        let bytes = Random(seed + 1).bytes(1000);
        clients[0].write_all(&bytes).unwrap();
        assert!(read_exactly(&mut clients[0], 1000) == bytes);
        server.handle().stop();
        server.wait().unwrap();
        for client in &mut clients {
            // A client that was not accepted yet is reset.
            let _ = client.read(&mut [0]);
        }
    };
    (0..100).for_each(cycle);
    let (fds, memory) = (descriptors(), anonymous_memory());
    (0..1000).for_each(cycle);
    eventually("threads are gone", || threads() <= 2);
    assert_eq!(descriptors(), fds);
    let grown = anonymous_memory().saturating_sub(memory);
    println!("{grown} KiB more after a thousand cycles");
    assert!(grown < 2048, "{grown} KiB more after a thousand cycles");
}

fn a_hundred_thousand_timers_fire_in_order() {
    const COUNT: usize = 100_000;
    let (server, _) = serve(Echo, &loops(1));
    let (fired, cancelled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (firing, cancelling) = (Arc::clone(&fired), Arc::clone(&cancelled));
    let start = move |server: &Handle| {
        let last = Arc::new(AtomicUsize::new(0));
        let mut random = Random(11);
        let mut timers = Vec::new();
        for _ in 0..COUNT {
            let millis = 100 + random.below(300);
            let (fired, last) = (Arc::clone(&firing), Arc::clone(&last));
            let call = move |_: &Handle| {
                assert!(last.swap(millis, Ordering::SeqCst) <= millis, "out of order");
                fired.fetch_add(1, Ordering::SeqCst);
            };
            timers.push(
                server.start_timer(Duration::from_millis(millis as u64), Duration::ZERO, call).unwrap(),
            );
        }
        for timer in timers.iter().step_by(4) {
            assert!(server.cancel_timer(*timer).unwrap());
            assert!(!server.cancel_timer(*timer).unwrap());
            cancelling.fetch_add(1, Ordering::SeqCst);
        }
    };
    server.handle().run_on(0, start).unwrap();
    eventually("all have fired", || {
        cancelled.load(Ordering::SeqCst) == COUNT / 4 && fired.load(Ordering::SeqCst) == COUNT - COUNT / 4
    });
    // And one tick, which asked for no other.
    assert_eq!(server.handle().metrics().timers_fired as usize, COUNT - COUNT / 4 + 1);
}

fn a_quiet_run_is_counted_exactly() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let (server, url) = serve(probe, &loops(1));
    let handle = server.handle();
    let mut stream = tcp(&url);
    let id = opened(&seen);
    for round in 0..100_u8 {
        stream.write_all(&[round; 50]).unwrap();
        assert_eq!(read_exactly(&mut stream, 50), [round; 50]);
    }
    eventually("the last turn is over", || handle.info(id).unwrap().sent == 5000);
    let metrics = handle.metrics();
    assert_eq!((metrics.accepted, metrics.connections, metrics.closed_total()), (1, 1, 0));
    assert_eq!((metrics.bytes_read, metrics.bytes_written), (5000, 5000));
    assert_eq!((metrics.messages_read, metrics.messages_written), (100, 100));
    // A request and its reply cost one read and one write.
    assert_eq!((metrics.reads, metrics.writes), (100, 100));
    assert_eq!((metrics.accept_errors, metrics.refused_by_total, metrics.queued_bytes), (0, 0, 0));
    let info = handle.info(id).unwrap();
    assert_eq!((info.received, info.sent, info.queued), (5000, 5000, 0));
    drop(stream);
    eventually("it is closed", || handle.metrics().closed_by(CloseReason::Eof) == 1);
    let data = seen.try_iter().filter(|seen| matches!(seen, Seen::Data(..))).count();
    assert_eq!((data, handle.metrics().connections, handle.metrics().closed_total()), (100, 0, 1));
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(handle.metrics().bytes_read, 5000, "after the stop, too");
}

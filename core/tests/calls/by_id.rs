//! Calls by id from any thread: order, completeness, and ids that are dead (D4, L3).

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common;
use crate::common::{eventually, loops, read_exactly, serve, tcp, Random};
use reactor_core::{Action, CloseReason, Closed, Conn, ConnId, ErrorKind, Handle, Handler, Pressure};

/// Tells the ids of connections as they open, and counts closes.
struct Ids {
    opened: Mutex<Sender<ConnId>>,
    closed: Arc<Mutex<HashMap<ConnId, usize>>>,
}

impl Handler for Ids {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.opened.lock().unwrap().send(conn.id()).unwrap();
        Action::None
    }

    fn on_close(&self, conn: &Conn<'_>, _: Closed) {
        *self.closed.lock().unwrap().entry(conn.id()).or_default() += 1;
    }
}

#[test]
fn sixteen_threads_write_to_connections_that_come_and_go() {
    const THREADS: u8 = 16;
    const ROUNDS: u32 = 300;
    let (sender, opened) = channel();
    let closed = Arc::new(Mutex::new(HashMap::new()));
    let (server, url) = serve(Ids { opened: Mutex::new(sender), closed: Arc::clone(&closed) }, &loops(3));
    let mut steady: Vec<_> = (0..20)
        .map(|_| {
            let stream = tcp(&url);
            (stream, opened.recv().unwrap())
        })
        .collect();
    let all: Arc<Mutex<Vec<ConnId>>> = Arc::new(Mutex::new(steady.iter().map(|(_, id)| *id).collect()));

    let writing = AtomicUsize::new(usize::from(THREADS));
    thread::scope(|scope| {
        let writing = &writing;
        for thread in 0..THREADS {
            let (handle, all) = (server.handle().clone(), Arc::clone(&all));
            scope.spawn(move || {
                write_to_all(&handle, &all, thread, ROUNDS);
                writing.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let (url, all) = (&url, &all);
        scope.spawn(move || come_and_go(url, all, opened, writing));
        for (stream, id) in &mut steady {
            scope.spawn(move || expect_all_in_order(stream, *id, THREADS, ROUNDS));
        }
    });

    drop(steady);
    let ids = all.lock().unwrap().clone();
    eventually("every connection is closed", || closed.lock().unwrap().len() == ids.len());
    assert!(closed.lock().unwrap().values().all(|&times| times == 1));
    for id in ids {
        assert_eq!(server.handle().write(id, b"late").unwrap_err().kind(), ErrorKind::Closed);
        assert!(!server.handle().is_open(id));
    }
}

/// Records of eight bytes: the thread, the round, and the slot of the addressee, which it can check.
fn record(thread: u8, round: u32, id: ConnId) -> [u8; 8] {
    let mut record = [0; 8];
    record[0] = thread;
    record[1..4].copy_from_slice(&round.to_be_bytes()[1..]);
    record[4..].copy_from_slice(&(id.to_u64() as u32 ^ (id.to_u64() >> 32) as u32).to_be_bytes());
    record
}

fn write_to_all(handle: &Handle, all: &Mutex<Vec<ConnId>>, thread: u8, rounds: u32) {
    for round in 0..rounds {
        for id in all.lock().unwrap().clone() {
            match handle.write(id, &record(thread, round, id)) {
                Ok(Pressure::Low | Pressure::High) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
            }
        }
    }
}

fn come_and_go(url: &str, all: &Mutex<Vec<ConnId>>, opened: Receiver<ConnId>, writing: &AtomicUsize) {
    let mut random = Random(3);
    while writing.load(Ordering::SeqCst) > 0 {
        let mut stream = tcp(url);
        let id = opened.recv().unwrap();
        all.lock().unwrap().push(id);
        match random.below(3) {
            // Closing over unread input resets.
            0 => drop(stream),
            1 => {
                let _ = stream.write_all(b"bye");
            }
            _ => {
                let mut some = [0; 64];
                // Nothing may come any more when the writers have just finished.
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let read = stream.read(&mut some).unwrap_or(0);
                for record in some[..read].chunks_exact(8) {
                    assert_eq!(record[4..], self::record(0, 0, id)[4..], "bytes for another connection");
                }
            }
        }
    }
}

fn expect_all_in_order(stream: &mut std::net::TcpStream, id: ConnId, threads: u8, rounds: u32) {
    let mut next = vec![0; usize::from(threads)];
    for _ in 0..u32::from(threads) * rounds {
        let got = read_exactly(stream, 8);
        let thread = got[0];
        assert_eq!(got, record(thread, next[usize::from(thread)], id));
        next[usize::from(thread)] += 1;
    }
}

#[test]
fn an_id_of_another_server_is_closed() {
    let (sender, opened) = channel();
    let handler = Ids { opened: Mutex::new(sender), closed: Arc::default() };
    let (server, url) = serve(handler, &loops(1));
    let (other, _) = serve(common::Echo, &loops(1));
    let mut stream = tcp(&url);
    let id = opened.recv().unwrap();
    assert_eq!(other.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(other.handle().close(id).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(server.handle().write(id, b"yes"), Ok(Pressure::Low));
    assert_eq!(read_exactly(&mut stream, 3), b"yes");
}

#[test]
fn writes_then_close_from_another_thread_deliver_everything_first() {
    let (sender, opened) = channel();
    let handler = Ids { opened: Mutex::new(sender), closed: Arc::default() };
    let (server, url) = serve(handler, &loops(2));
    let mut stream = tcp(&url);
    let id = opened.recv().unwrap();
    let block = Random(5).bytes(700_000);
    for part in block.chunks(1000) {
        let _ = server.handle().write(id, part).unwrap();
    }
    server.handle().close(id).unwrap();
    assert_eq!(server.handle().close(id).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == block);
}

#[test]
fn beyond_the_hard_limit_a_write_answers_full_and_changes_nothing_where_it_is_told_to_keep_the_connection() {
    let (sender, opened) = channel();
    let handler = Ids { opened: Mutex::new(sender), closed: Arc::default() };
    let mut config = loops(1);
    (config.high_water, config.hard_limit, config.keep_on_overflow) = (1000, 40 << 20, true);
    let (server, url) = serve(handler, &config);
    let mut stream = tcp(&url);
    let id = opened.recv().unwrap();
    // More than the kernel's buffers take.
    let block = Random(9).bytes(30 << 20);
    assert_eq!(server.handle().write(id, &block), Ok(Pressure::High));
    assert_eq!(server.handle().write(id, &vec![0; 41 << 20]).unwrap_err().kind(), ErrorKind::Full);
    let _ = server.handle().write(id, b"end").unwrap();
    assert!(read_exactly(&mut stream, block.len()) == block);
    assert_eq!(read_exactly(&mut stream, 3), b"end");
}

/// Writes when its thread ends, after the thread's other locals may be gone.
struct WritesLast(Option<(Handle, ConnId)>);

impl Drop for WritesLast {
    fn drop(&mut self) {
        if let Some((handle, id)) = self.0.take() {
            let _ = handle.write(id, b"last words").unwrap();
        }
    }
}

thread_local! {
    static LAST: std::cell::RefCell<WritesLast> = const { std::cell::RefCell::new(WritesLast(None)) };
}

#[test]
fn a_thread_may_write_while_it_ends() {
    let (sender, opened) = channel();
    let handler = Ids { opened: Mutex::new(sender), closed: Arc::default() };
    let (server, url) = serve(handler, &loops(1));
    let mut stream = tcp(&url);
    let (handle, id) = (server.handle().clone(), opened.recv().unwrap());
    thread::spawn(move || {
        LAST.with_borrow_mut(|last| last.0 = Some((handle.clone(), id)));
        // The engine's own locals of this thread are made later, and so are gone earlier.
        let _ = handle.write(id, b"first words, ").unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(read_exactly(&mut stream, 23), b"first words, last words");
}

#[test]
fn after_the_stop_everything_answers_closed() {
    let (sender, opened) = channel();
    let handler = Ids { opened: Mutex::new(sender), closed: Arc::default() };
    let (server, url) = serve(handler, &loops(1));
    let _stream = tcp(&url);
    let id = opened.recv().unwrap();
    assert!(server.handle().is_open(id));
    server.handle().stop();
    server.wait().unwrap();
    assert!(!server.handle().is_open(id));
    assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(server.handle().close(id).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn beyond_the_hard_limit_a_write_from_elsewhere_closes_as_one_of_its_own_loop_does() {
    for number in [1, 3] {
        let (sender, opened) = channel();
        let handler = Ids { opened: Mutex::new(sender), closed: Arc::default() };
        let mut config = loops(number);
        (config.high_water, config.hard_limit) = (1000, 10 << 20);
        let (server, url) = serve(handler, &config);
        let mut stream = tcp(&url);
        let id = opened.recv().unwrap();
        let _ = server.handle().write(id, &vec![7; 10 << 20]).unwrap();
        assert_eq!(server.handle().write(id, &vec![7; 11 << 20]).unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
        eventually("it is closed", || server.handle().metrics().closed_by(CloseReason::Overflow) == 1);
        let mut got = Vec::new();
        assert_eq!(stream.read_to_end(&mut got).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}

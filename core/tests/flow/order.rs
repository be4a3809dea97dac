//! Whatever connections write to each other, from whichever callback, thread and turn, arrives once and in the order of
//! who wrote it (D1, D4), while connections come and go.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::hooks::Hooks;
use crate::common::net::socket_path;
use crate::common::{loops, tcp, Random, PATIENCE};
use reactor_core::{Action, Conn, ConnId, Handle, Hosted, Server};

/// Where a write comes from, to one receiver. Each numbers its messages for itself.
const SOURCES: usize = 16;

/// Numbers the messages of each source to each receiver.
#[derive(Default)]
struct Numbers(Mutex<HashMap<(ConnId, u8), u32>>);

/// The receivers, and what was accepted for each.
#[derive(Default)]
struct Board {
    receivers: Mutex<Vec<ConnId>>,
    numbers: Numbers,
    random: Mutex<Option<Random>>,
    accepted: Mutex<HashMap<ConnId, u64>>,
    completions: AtomicU32,
    asked: AtomicU32,
    server: OnceLock<Handle>,
}

/// A message: source, number, length of the filling, filling.
fn message(source: u8, number: u32, filling: usize) -> Vec<u8> {
    let mut bytes = vec![source];
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&(filling as u32).to_le_bytes());
    bytes.extend((0..filling).map(|index| (number as usize + index) as u8));
    bytes
}

impl Board {
    fn server(&self) -> Handle {
        self.server.get().unwrap().clone()
    }

    fn below(&self, limit: usize) -> usize {
        self.random.lock().unwrap().get_or_insert(Random(42)).below(limit)
    }

    /// Writes a few messages to receivers by chance, in a way by chance.
    fn scatter(self: &Arc<Self>, server: &Handle, source: u8, most: usize) {
        for _ in 0..self.below(most) + 1 {
            let receivers = self.receivers.lock().unwrap().clone();
            if receivers.is_empty() {
                return;
            }
            let to = receivers[self.below(receivers.len())];
            let size = match self.below(40) {
                0 => 70_000,
                1 => 65_536 - 9,
                2..=5 => self.below(20_000),
                _ => self.below(300),
            };
            self.send(server, to, source, size);
        }
    }

    fn send(self: &Arc<Self>, server: &Handle, to: ConnId, source: u8, size: usize) {
        // Locked while it is written, as several threads may be the same source.
        let mut numbers = self.numbers.0.lock().unwrap();
        let number = numbers.entry((to, source)).or_default();
        let bytes = message(source, *number, size);
        let written = match self.below(6) {
            0 => server.write_gathered(to, &[&bytes[..5], b"", &bytes[5..]]),
            1 => {
                let board = Arc::clone(self);
                let written = server.write_then(to, &[&bytes], move |_| {
                    board.completions.fetch_add(1, Ordering::SeqCst);
                });
                self.asked.fetch_add(u32::from(written.is_ok()), Ordering::SeqCst);
                written
            }
            _ => server.write(to, &bytes),
        };
        if written.is_ok() {
            *number += 1;
            *self.accepted.lock().unwrap().entry(to).or_default() += bytes.len() as u64;
        }
    }
}

/// Reads messages until the end, slowly now and then, and checks each source's numbers and fillings; says how many bytes came.
fn receive(mut stream: impl Read, seed: u64) -> u64 {
    let (mut random, mut next, mut total) = (Random(seed), [0_u32; SOURCES], 0_u64);
    let mut head = [0; 9];
    loop {
        match stream.read(&mut head[..1]) {
            Ok(0) => return total,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => panic!("{error}"),
        }
        stream.read_exact(&mut head[1..]).unwrap();
        let (source, number) = (head[0] as usize, u32::from_le_bytes(head[1..5].try_into().unwrap()));
        let filling = u32::from_le_bytes(head[5..].try_into().unwrap()) as usize;
        assert!(source < SOURCES, "no source: {source}");
        assert_eq!(number, next[source], "source {source}");
        next[source] += 1;
        let mut bytes = vec![0; filling];
        stream.read_exact(&mut bytes).unwrap();
        assert!(bytes == message(0, number, filling)[9..], "source {source}, number {number}");
        total += 9 + filling as u64;
        if random.below(400) == 0 {
            thread::sleep(Duration::from_millis(30));
        }
    }
}

/// Who turns the loops.
enum Driver {
    Threads,
    /// The test itself, which writes between the turns, too.
    Host(Box<Hosted>, Arc<Board>),
}

impl Driver {
    /// Waits until `done` says so.
    fn until(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < limit, "still not so: {what}");
            match self {
                Driver::Threads => thread::sleep(Duration::from_millis(1)),
                Driver::Host(hosted, board) => {
                    assert!(hosted.turn(Some(Duration::from_millis(1))).unwrap());
                    board.scatter(&board.server(), 15, 2);
                }
            }
        }
    }
}

#[test]
fn what_connections_write_to_each_other_arrives_in_order() {
    for (count, high_water) in [(1, 0), (1, 30_000), (2, 0)] {
        exchange(count, high_water, false);
    }
}

// Over poll(2) there is nothing for a host to poll.
#[cfg(not(reactor_poller = "poll"))]
#[test]
fn so_it_does_where_a_host_turns() {
    exchange(1, 0, true);
    exchange(1, 30_000, true);
}

/// The handler that writes to others in each of its callbacks.
fn writing(board: &Arc<Board>) -> Hooks {
    let on = |source: u8, most: usize| {
        let board = Arc::clone(board);
        // Callbacks on different loops are different sources.
        move |conn: &Conn<'_>| {
            let on_loop = conn.info().map_or(0, |info| info.on_loop) as u8;
            board.scatter(conn.server(), 2 * source + on_loop, most);
        }
    };
    let (data, drain, close, timer) = (on(0, 6), on(1, 3), on(2, 5), on(3, 4));
    let (registry, tick, flushed) = (Arc::clone(board), Arc::clone(board), Arc::clone(board));
    Hooks::new()
        .data(move |conn, bytes| {
            if bytes.first() == Some(&b'R') {
                registry.receivers.lock().unwrap().push(conn.id());
                return Action::None;
            }
            data(conn);
            if bytes.contains(&b't') {
                conn.start_timer(Duration::from_millis(1), Duration::ZERO).unwrap();
            }
            if bytes.contains(&b'k') && bytes.len() > 3 {
                conn.keep(3).unwrap();
            }
            match bytes.contains(&b'c') {
                true => Action::Close,
                false => Action::None,
            }
        })
        .drain(move |conn| {
            drain(conn);
            Action::None
        })
        .timer(move |conn, _| {
            timer(conn);
            Action::None
        })
        .tick(move |server| {
            tick.scatter(server, 8, 3);
            Some(Duration::from_millis(3))
        })
        .pre_write(move |server| {
            if flushed.below(8) == 0 && server.loops() == 1 {
                flushed.scatter(server, 9, 1);
            }
        })
        .close(move |conn, _| close(conn))
}

/// A client that comes and goes, while its thread writes by id.
fn come_and_go(url: &str, board: &Arc<Board>, seed: u8) {
    let mut random = Random(u64::from(seed) + 77);
    for _ in 0..60 {
        let mut stream = tcp(url);
        for _ in 0..random.below(12) {
            let len = random.below(8) + 1;
            let text: Vec<u8> = (0..len).map(|_| b"abdefkxyt"[random.below(9)]).collect();
            stream.write_all(&text).unwrap();
            if random.below(3) == 0 {
                board.scatter(&board.server(), 10 + seed, 3);
            }
            if random.below(4) == 0 {
                thread::sleep(Duration::from_micros(500));
            }
        }
        if random.below(2) == 0 {
            let _ = stream.write_all(b"c");
        }
    }
}

fn exchange(count: usize, high_water: usize, is_hosted: bool) {
    let board = Arc::new(Board::default());
    let mut config = loops(count);
    config.high_water = high_water;
    let server = Server::new(writing(&board), &config).unwrap();
    board.server.set(server.handle().clone()).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let path = socket_path(&format!("flow-order-{count}-{high_water}-{is_hosted}"));
    server.listen(&format!("unix://{path}")).unwrap();
    let mut driver = match is_hosted {
        true => Driver::Host(Box::new(server.start_hosted().unwrap()), Arc::clone(&board)),
        false => {
            server.start().unwrap();
            Driver::Threads
        }
    };
    let receivers: Vec<_> = (0..6_u64)
        .map(|index| {
            if index % 2 == 0 {
                let mut stream = tcp(&url);
                stream.write_all(b"R").unwrap();
                return thread::spawn(move || receive(stream, index + 1));
            }
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"R").unwrap();
            thread::spawn(move || receive(stream, index + 1))
        })
        .collect();
    driver.until("the receivers are there", || board.receivers.lock().unwrap().len() == 6);
    let writers: Vec<_> = (0..4_u8)
        .map(|seed| {
            let (url, board) = (url.clone(), Arc::clone(&board));
            thread::spawn(move || come_and_go(&url, &board, seed))
        })
        .collect();
    driver.until("the writers have written", || writers.iter().all(|writer| writer.is_finished()));
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    driver.until("those who wrote are gone", || server.handle().connections() == 6);
    let ids: Vec<_> = board.receivers.lock().unwrap().drain(..).collect();
    let completed = || board.completions.load(Ordering::SeqCst) == board.asked.load(Ordering::SeqCst);
    driver.until("completions", completed);
    ids.iter().for_each(|id| server.handle().close(*id).unwrap());
    driver.until("all was received", || receivers.iter().all(|receiver| receiver.is_finished()));
    let came: u64 = receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum();
    assert_eq!(came, board.accepted.lock().unwrap().values().sum::<u64>());
    driver.until("nothing is left", || server.handle().queued_bytes() == 0);
    assert!(completed());
}

//! Batched delivery: order, boundedness, and what a held connection waits for (D5, L1, L5).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use common::{eventually, loops, read_exactly, tcp, Random, PATIENCE};
use reactor_core::batch::{Batch, Batched, Event, EventKind, Sink};
use reactor_core::{Action, BoxError, CloseReason, Config, Cork, Handle, Server};

/// Moves every batch to whoever receives.
struct ToThread(Mutex<Sender<Batch>>);

impl Sink for ToThread {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn deliver(&self, _: &Handle, batch: Batch) {
        // The receiver may be gone when the test ends; the batch is then answered by being dropped.
        let _ = self.0.lock().unwrap().send(batch);
    }

    fn on_stop(&self, _: &Handle) {}
}

fn serve(config: &Config) -> (Server, String, Receiver<Batch>) {
    let (sender, batches) = channel();
    let (server, url) = common::serve(Batched(ToThread(Mutex::new(sender))), config);
    (server, url, batches)
}

fn next(batches: &Receiver<Batch>) -> Batch {
    batches.recv_timeout(PATIENCE).expect("no batch came")
}

/// Echoes batches until `closes` connections have closed.
fn echo(server: &Handle, batches: &Receiver<Batch>, closes: usize) {
    let mut left = closes;
    while left > 0 {
        let batch = next(batches);
        let _cork = Cork::new();
        for Event { conn, kind } in batch.events() {
            match kind {
                EventKind::Data(range) => {
                    let _ = server.write(*conn, &batch.bytes()[range.clone()]).unwrap();
                }
                EventKind::Close(_) => left -= 1,
                EventKind::Open | EventKind::Drain => {}
            }
        }
        drop(batch);
    }
}

#[test]
fn an_echo_on_another_thread_gives_everything_back() {
    for count in [1, 3] {
        let (server, url, batches) = serve(&loops(count));
        thread::scope(|scope| {
            for seed in 1..=8 {
                let url = &url;
                scope.spawn(move || {
                    let block = Random(seed).bytes(500_000);
                    let mut stream = tcp(url);
                    let mut writer = stream.try_clone().unwrap();
                    thread::scope(|scope| {
                        scope.spawn(|| {
                            writer.write_all(&block).unwrap();
                            writer.shutdown(Shutdown::Write).unwrap();
                        });
                        let mut answer = Vec::new();
                        stream.read_to_end(&mut answer).unwrap();
                        assert!(answer == block, "client {seed}");
                    });
                });
            }
            echo(server.handle(), &batches, 8);
        });
        eventually("nothing is left", || server.handle().connections() == 0);
    }
}

#[test]
fn an_unanswered_batch_holds_its_connection_and_bounds_what_is_gathered() {
    let (_server, url, batches) = serve(&loops(1));
    let mut stream = tcp(&url);
    let first = next(&batches);
    assert_eq!(first.events().len(), 1);
    assert_eq!(first.events()[0].kind, EventKind::Open);
    let id = first.events()[0].conn;

    // It is not read while on_open is unanswered, and other connections get no batch of their own.
    stream.write_all(b"early").unwrap();
    let other = tcp(&url);
    assert!(matches!(batches.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout)));
    drop(first);
    let second = next(&batches);
    let kinds: Vec<_> = second.events().iter().map(|event| (event.conn == id, &event.kind)).collect();
    assert_eq!(kinds, [(false, &EventKind::Open)]);
    drop(second);
    let third = next(&batches);
    assert_eq!((third.events().len(), third.bytes()), (1, &b"early"[..]));
    drop(third);
    drop(other);

    // Thirty-two floods gather a mebibyte and one read budget more at most.
    let floods: Vec<_> = (0..32).map(|_| tcp(&url)).collect();
    let mut opened = 0;
    while opened < floods.len() {
        let batch = next(&batches);
        opened += batch.events().iter().filter(|event| event.kind == EventKind::Open).count();
    }
    let writers: Vec<_> = floods
        .into_iter()
        .map(|mut stream| {
            thread::spawn(move || {
                stream.write_all(&[7; 1 << 20]).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                stream
            })
        })
        .collect();
    let mut received = 0;
    while received < 32 << 20 {
        let batch = next(&batches);
        assert!(batch.bytes().len() <= (1 << 20) + (256 << 10), "{} bytes in a batch", batch.bytes().len());
        received += batch.bytes().len();
    }
    for writer in writers {
        drop(writer.join().unwrap());
    }
}

#[test]
fn eof_waits_for_the_answer() {
    let (server, url, batches) = serve(&loops(1));
    let mut stream = tcp(&url);
    stream.write_all(b"question").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    drop(next(&batches));
    let asked = next(&batches);
    assert_eq!(asked.bytes(), b"question");
    let id = asked.events()[0].conn;
    // The end of file is seen long before the answer comes.
    assert!(matches!(batches.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout)));
    let _ = server.handle().write(id, b"answer").unwrap();
    drop(asked);
    assert_eq!(read_exactly(&mut stream, 6), b"answer");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let last = next(&batches);
    assert!(matches!(last.events(), [Event { kind: EventKind::Close(closed), .. }]
        if closed.reason == CloseReason::Eof));
}

#[test]
fn stop_delivers_the_closes_though_a_batch_is_unanswered() {
    let (server, url, batches) = serve(&loops(1));
    let _stream = tcp(&url);
    let unanswered = next(&batches);
    server.handle().stop();
    server.wait().unwrap();
    let last = next(&batches);
    assert!(matches!(last.events(), [Event { kind: EventKind::Close(closed), .. }]
        if closed.reason == CloseReason::Shutdown));
    // Answers that come too late do nothing.
    drop(unanswered);
    drop(last);
}

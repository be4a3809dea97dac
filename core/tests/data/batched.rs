//! Batched delivery: order, boundedness, and what a held connection waits for (D5, L1, L5).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::common::{eventually, loops, read_exactly, tcp, Random, PATIENCE};
use reactor_core::binding::batch::{Batch, Batched, Event, EventKind, Sink};
use reactor_core::binding::Cork;
use reactor_core::{Action, BoxError, CloseReason, Config, Handle, Pressure, Server};

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
    let server = Server::delivering(Batched::new(ToThread(Mutex::new(sender))), config).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
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

/// Nothing comes for a while: the engine has seen everything there is, long before.
fn expect_nothing(batches: &Receiver<Batch>) {
    assert!(matches!(batches.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout)));
}

#[test]
fn a_drain_that_comes_due_while_a_batch_is_unanswered_waits_its_turn() {
    let mut config = loops(1);
    config.high_water = 1000;
    let (server, url, batches) = serve(&config);
    let mut stream = tcp(&url);
    drop(next(&batches));
    stream.write_all(b"one").unwrap();
    let first = next(&batches);
    let id = first.events()[0].conn;
    // Above the mark and sent at once, while the batch is unanswered.
    assert_eq!(server.handle().write(id, &[7; 2000]), Ok(Pressure::High));
    assert_eq!(read_exactly(&mut stream, 2000), [7; 2000]);
    expect_nothing(&batches);
    drop(first);
    let second = next(&batches);
    assert_eq!(second.events(), [Event { conn: id, kind: EventKind::Drain }]);
    stream.write_all(b"two").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_nothing(&batches);
    drop(second);
    let third = next(&batches);
    assert_eq!((third.events().len(), third.bytes()), (1, &b"two"[..]));
    expect_nothing(&batches);
    let _ = server.handle().write(id, b"answer").unwrap();
    drop(third);
    assert_eq!(read_exactly(&mut stream, 6), b"answer");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_handler_that_takes_no_more_does_not_keep_a_closed_connection_from_its_end() {
    let mut config = loops(1);
    config.linger = Duration::from_millis(200);
    let (server, url, batches) = serve(&config);
    let mut closed = tcp(&url);
    let opened = next(&batches);
    let id = opened.events()[0].conn;
    drop(opened);
    // One batch is unanswered, and the next one is full.
    let floods: Vec<_> = (0..40).map(|_| tcp(&url)).collect();
    let mut opens = 0;
    while opens < floods.len() {
        opens += next(&batches).events().len();
    }
    let writers: Vec<_> =
        floods.into_iter().map(|mut stream| thread::spawn(move || stream.write_all(&[7; 400_000]))).collect();
    let _unanswered = next(&batches);
    thread::sleep(Duration::from_millis(100));

    let answer = Random(3).bytes(1 << 20);
    let _ = server.handle().write(id, &answer).unwrap();
    server.handle().close(id).unwrap();
    let mut sender = closed.try_clone().unwrap();
    let unread = thread::spawn(move || sender.write_all(&[1; 300_000]));
    // The linger limit is over long before the client reads on.
    let mut got = read_exactly(&mut closed, 100_000);
    unread.join().unwrap().unwrap();
    closed.shutdown(Shutdown::Write).unwrap();
    thread::sleep(Duration::from_millis(400));
    closed.read_to_end(&mut got).unwrap();
    assert!(got == answer);
    server.handle().stop();
    // The floods end with the server, whatever they had still to send.
    writers.into_iter().for_each(|writer| drop(writer.join()));
}

#[test]
fn a_hand_over_takes_what_is_there_up_to_the_read_budget() {
    let (_server, url, batches) = serve(&loops(1));
    let mut stream = tcp(&url);
    let opened = next(&batches);
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(written) = stream.write(&[7; 1 << 16]) {
        sent += written;
    }
    drop(opened);
    let data = next(&batches);
    assert_eq!(data.events().len(), 1);
    assert!(data.bytes().len() > 1 << 16 && data.bytes().len() <= sent, "{} of {sent}", data.bytes().len());
}

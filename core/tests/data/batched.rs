//! Batched delivery by a log: order, boundedness, and what a held connection waits for (D5, L1, L5).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::away::handing_over;
use crate::common::{eventually, loops, read_exactly, tcp, Random, PATIENCE};
use reactor_core::binding::log::{HandOver, Kind};
use reactor_core::binding::Cork;
use reactor_core::{CloseReason, Config, ConnId, Handle, Pressure, Server};

fn serve(config: &Config) -> (Server, String, Receiver<HandOver>) {
    let (server, batches) = handing_over(config);
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    (server, url, batches)
}

fn next(batches: &Receiver<HandOver>) -> HandOver {
    batches.recv_timeout(PATIENCE).expect("no batch came")
}

fn kinds(batch: &HandOver) -> Vec<Kind> {
    batch.records().iter().map(|record| record.kind()).collect()
}

/// The first record's connection.
fn conn(batch: &HandOver) -> ConnId {
    batch.records()[0].conn().unwrap()
}

/// Why the connections ended that records tell of: of all records, as each must.
fn how_closed(batch: &HandOver) -> Vec<CloseReason> {
    batch.records().iter().map(|record| record.how_closed().unwrap().reason).collect()
}

/// Echoes batches until `closes` connections have closed.
fn echo(server: &Handle, batches: &Receiver<HandOver>, closes: usize) {
    let mut left = closes;
    while left > 0 {
        let batch = next(batches);
        let _cork = Cork::new();
        for record in batch.records() {
            match record.kind() {
                Kind::Data => {
                    let bytes = &batch.bytes()[record.range().unwrap()];
                    let _ = server.write(record.conn().unwrap(), bytes).unwrap();
                }
                Kind::Close => left -= 1,
                _ => {}
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
    assert_eq!(kinds(&first), [Kind::Open]);
    let id = conn(&first);

    // It is not read while on_open is unanswered, and other connections get no batch of their own.
    stream.write_all(b"early").unwrap();
    let other = tcp(&url);
    assert!(matches!(batches.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout)));
    drop(first);
    let second = next(&batches);
    assert_eq!(kinds(&second), [Kind::Open]);
    assert_ne!(conn(&second), id);
    drop(second);
    let third = next(&batches);
    assert_eq!((third.records().len(), third.bytes()), (1, &b"early"[..]));
    drop(third);
    drop(other);

    // Thirty-two floods gather a mebibyte and one read budget more at most.
    let floods: Vec<_> = (0..32).map(|_| tcp(&url)).collect();
    let mut opened = 0;
    while opened < floods.len() {
        let batch = next(&batches);
        opened += batch.records().iter().filter(|record| record.kind() == Kind::Open).count();
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
    let id = conn(&asked);
    // The end of file is seen long before the answer comes.
    assert!(matches!(batches.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout)));
    let _ = server.handle().write(id, b"answer").unwrap();
    drop(asked);
    assert_eq!(read_exactly(&mut stream, 6), b"answer");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let last = next(&batches);
    assert_eq!(how_closed(&last), [CloseReason::Eof]);
}

#[test]
fn stop_delivers_the_closes_though_a_batch_is_unanswered() {
    let (server, url, batches) = serve(&loops(1));
    let _stream = tcp(&url);
    let unanswered = next(&batches);
    server.handle().stop();
    server.wait().unwrap();
    let last = next(&batches);
    assert_eq!(how_closed(&last), [CloseReason::Shutdown]);
    // Answers that come too late do nothing.
    drop(unanswered);
    drop(last);
}

/// Nothing comes for a while: the engine has seen everything there is, long before.
fn expect_nothing(batches: &Receiver<HandOver>) {
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
    let id = conn(&first);
    // Above the mark and sent at once, while the batch is unanswered.
    assert_eq!(server.handle().write(id, &[7; 2000]), Ok(Pressure::High));
    assert_eq!(read_exactly(&mut stream, 2000), [7; 2000]);
    expect_nothing(&batches);
    drop(first);
    let second = next(&batches);
    assert_eq!((kinds(&second), conn(&second)), (vec![Kind::Drain], id));
    stream.write_all(b"two").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_nothing(&batches);
    drop(second);
    let third = next(&batches);
    assert_eq!((third.records().len(), third.bytes()), (1, &b"two"[..]));
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
    let id = conn(&opened);
    drop(opened);
    // One batch is unanswered, and the next one is full.
    let floods: Vec<_> = (0..40).map(|_| tcp(&url)).collect();
    let mut opens = 0;
    while opens < floods.len() {
        opens += next(&batches).records().len();
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
    assert_eq!(data.records().len(), 1);
    assert!(data.bytes().len() > 1 << 16 && data.bytes().len() <= sent, "{} of {sent}", data.bytes().len());
}

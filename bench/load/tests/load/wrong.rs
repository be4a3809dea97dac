//! Servers that are wrong are found out, and a wrong answer never counts.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::support::{count, fail, measure, messages, run, server};

#[test]
fn a_flipped_bit() {
    let target = messages(64, |number, mut message| {
        if number % 10 == 3 {
            message[40] ^= 1;
        }
        message
    });
    let result = measure(&target, "--requests 100 --connections 1 --depth 4");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (90, 10));
    assert_eq!(count(&result, "bytes"), 90 * 64);
}

/// The answer takes several receives, of which only the first is wrong.
#[test]
fn a_flipped_bit_at_the_beginning_of_a_large_answer() {
    let target = messages(2_000_000, |number, mut message| {
        message[0] ^= u8::from(number == 1);
        message
    });
    let result = measure(&target, "--requests 4 --connections 1 --size 2000000");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (3, 1));
}

#[test]
fn an_answer_sent_twice_instead_of_the_next() {
    let last = Arc::new(std::sync::Mutex::new(Vec::new()));
    let target = messages(64, move |number, message| {
        let mut last = last.lock().unwrap();
        if number != 5 {
            *last = message;
        }
        last.clone()
    });
    let result = measure(&target, "--requests 20 --connections 1");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (19, 1));
}

#[test]
fn two_answers_swapped() {
    let target = messages(128, |number, mut message| {
        if number == 2 {
            message.rotate_left(64);
        }
        message
    });
    let result = measure(&target, "--requests 20 --connections 1 --depth 2");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (18, 2));
}

#[test]
fn more_than_was_asked_for() {
    let target = messages(64, |_, message| [message.clone(), message].concat());
    let result = measure(&target, "--requests 1 --connections 1");
    assert_eq!(count(&result, "requests"), 0);
    assert!(count(&result, "wrong") > 0);
}

#[test]
fn a_short_answer_is_never_whole() {
    let target = messages(64, |_, message| message[..63].to_vec());
    let says = fail(&target, "--requests 5 --connections 2 --timeout 0.3", 1);
    assert!(says.contains("no answer for 0.3 s (2 outstanding)"), "{says}");
}

#[test]
fn bytes_left_out_spoil_all_that_follows() {
    let target = messages(64, |number, message| if number == 4 { message[1..].to_vec() } else { message });
    let output = run(&target, "--requests 50 --connections 1 --depth 8 --timeout 0.3");
    // The last byte never comes, so there is no result.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_server_that_closes() {
    let target = server(|mut stream| {
        let mut message = [0; 64];
        for _ in 0..3 {
            stream.read_exact(&mut message).unwrap();
            stream.write_all(&message).unwrap();
        }
    });
    let output = run(&target, "--requests 100 --connections 2");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(count(&result, "requests"), 6);
    assert_eq!(count(&result, "errors"), 2);
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(says.contains("2 errors") && says.contains("connection"), "{says}");
}

#[test]
fn answers_that_are_missing_at_the_end_are_errors() {
    let silent = Arc::new(AtomicBool::new(true));
    let target = server(move |mut stream| {
        let first = silent.swap(false, Ordering::SeqCst);
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            if !first && stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let result = measure(&target, "--warmup 0 --duration 0.2 --connections 2 --timeout 0.3");
    assert!(count(&result, "requests") > 0);
    assert_eq!(count(&result, "errors"), 1);
}

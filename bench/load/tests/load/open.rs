//! Open loop.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;

use crate::support::{command, count, echo, measure, messages, poll_until, server};

#[test]
fn all_that_are_due_are_asked() {
    let result =
        measure(&server(echo), "--mode open --rate 2000 --connections 4 --warmup 0.1 --duration 0.5");
    assert_eq!(result["mode"], "open");
    let requests = count(&result, "requests");
    assert!((999..=1001).contains(&requests), "2,000 a second for half a second: {requests}");
    assert!(result["seconds"].as_f64().unwrap() >= 0.5, "{result}");
    assert_eq!((count(&result, "wrong"), count(&result, "errors")), (0, 0));
}

#[test]
fn exactly_as_many_requests_as_wanted() {
    let result = measure(&server(echo), "--mode open --rate 5000 --connections 3 --requests 500");
    assert_eq!(count(&result, "requests"), 500);
}

/// A stall of 300 ms in one second at 1,000 a second: the 300 requests that were due in it waited, one for all of
/// it and half of them for half of it or more. A closed loop would see one slow request.
#[test]
fn a_stall_is_charged_for_all_that_were_due_in_it() {
    let stalled = Arc::new(AtomicBool::new(false));
    let target = server(move |mut stream| {
        let mut message = [0; 64];
        let mut number = 0;
        while stream.read_exact(&mut message).is_ok() {
            number += 1;
            if number == 400 && !stalled.swap(true, Ordering::SeqCst) {
                sleep(Duration::from_millis(300));
            }
            if stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let result = measure(&target, "--mode open --rate 1000 --connections 1 --warmup 0 --duration 1");
    assert_eq!(count(&result, "wrong"), 0);
    let latency = |name: &str| result["latency"][name].as_f64().unwrap();
    assert!(latency("max") >= 299_000.0, "{result}");
    assert!(latency("p999") >= 290_000.0, "{result}");
    assert!(latency("p90") >= 150_000.0, "a tenth of all waited for two thirds of the stall: {result}");
    assert!(latency("mean") >= 40_000.0, "300 of 1,000 waited for 150 ms on average: {result}");
}

/// The server is asleep when the window opens, so what was due before is answered in it.
#[test]
fn what_was_due_in_the_warm_up_does_not_count() {
    let target = messages(64, |number, message| {
        if number == 0 {
            sleep(Duration::from_millis(500));
        }
        message
    });
    let result = measure(&target, "--mode open --rate 1000 --connections 1 --warmup 0.3 --duration 0.5");
    let requests = count(&result, "requests");
    assert!((499..=501).contains(&requests), "1,000 a second for half a second: {requests}");
    assert!(result["latency"]["max"].as_f64().unwrap() >= 190_000.0, "{result}");
}

/// Stops the generator itself for so many milliseconds.
fn measure_with_a_pause(arguments: &str, milliseconds: u64) -> Value {
    let served = Arc::new(AtomicU64::new(0));
    let counted = served.clone();
    let target = messages(64, move |_, message| {
        counted.fetch_add(1, Ordering::SeqCst);
        message
    });
    let child = command(&target, arguments).stdout(Stdio::piped()).spawn().unwrap();
    poll_until("requests come", || served.load(Ordering::SeqCst) > 10);
    let process = Pid::from_child(&child);
    kill_process(process, Signal::STOP).unwrap();
    sleep(Duration::from_millis(milliseconds));
    kill_process(process, Signal::CONT).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

/// What it could not send in time is late all the same.
#[test]
fn its_own_stall_is_charged_too() {
    let result = measure_with_a_pause("--mode open --rate 1000 --connections 2 --requests 1000", 300);
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (1000, 0));
    assert!(
        result["latency"]["mean"].as_f64().unwrap() >= 40_000.0,
        "300 of 1,000 were late by 150 ms: {result}"
    );
}

/// What was due in the window is asked even when the window is over.
#[test]
fn a_stall_across_the_end_leaves_nothing_out() {
    let result =
        measure_with_a_pause("--mode open --rate 1000 --connections 2 --warmup 0 --duration 0.5", 700);
    let requests = count(&result, "requests");
    assert!((499..=501).contains(&requests), "1,000 a second for half a second: {requests}");
    assert!(result["seconds"].as_f64().unwrap() >= 0.7, "all of the time it took: {result}");
    assert!(result["latency"]["max"].as_f64().unwrap() >= 690_000.0, "{result}");
}

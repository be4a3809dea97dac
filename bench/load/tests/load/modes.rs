//! Churn, idle connections, slow readers, broadcast.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{count, echo, measure, poll_until, run, server};

#[test]
fn churn_makes_a_connection_for_each_request() {
    let (served, reset) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, ended) = (served.clone(), reset.clone());
    let target = server(move |mut stream| {
        let mut message = [0; 64];
        stream.read_exact(&mut message).unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
        stream.write_all(&message).unwrap();
        if stream.read(&mut message).is_err() {
            ended.fetch_add(1, Ordering::SeqCst);
        }
    });
    let result = measure(&target, "--mode churn --requests 300 --connections 5 --sources 2");
    assert_eq!(result["mode"], "churn");
    assert_eq!((count(&result, "requests"), count(&result, "wrong"), count(&result, "errors")), (300, 0, 0));
    assert_eq!(served.load(Ordering::SeqCst), 300);
    poll_until("every connection ends with a reset", || reset.load(Ordering::SeqCst) == 300);
}

#[test]
fn churn_tells_wrong_answers_and_ends() {
    let made = Arc::new(AtomicU64::new(0));
    let target = server(move |mut stream| {
        let mut message = [0; 64];
        stream.read_exact(&mut message).unwrap();
        match made.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => message[63] ^= 128,
            1 => return,
            _ => {}
        }
        stream.write_all(&message).unwrap();
        let _ = stream.read(&mut message);
    });
    let result = measure(&target, "--mode churn --requests 40 --connections 1");
    assert_eq!((count(&result, "requests"), count(&result, "wrong"), count(&result, "errors")), (20, 10, 10));
}

/// Holds the bytes of 1 MiB for each connection, so that it shows.
#[test]
fn idle_connections_memory_is_that_of_the_server() {
    let target = server(|stream| {
        let block = vec![1_u8; 1 << 20];
        echo(stream);
        assert_eq!(std::hint::black_box(block)[77], 1);
    });
    let watched = format!("--mode idle --idle 20 --watch {}", std::process::id());
    let result = measure(&target, &watched);
    assert_eq!((count(&result, "connections"), count(&result, "requests")), (20, 20));
    assert_eq!(count(&result, "errors"), 0);
    let (before, after) = (count(&result, "rss_before"), count(&result, "rss_after"));
    assert_eq!(result["bytes_per_connection"].as_f64().unwrap(), (after as f64 - before as f64) / 20.0);
    assert!(after > before, "{result}");
}

#[test]
fn idle_connections_are_served_once_beside_the_others() {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let kept = bytes.clone();
    let target = server(move |mut stream| {
        let mut message = [0; 64];
        let index = {
            let mut bytes = kept.lock().unwrap();
            bytes.push(0);
            bytes.len() - 1
        };
        while stream.read_exact(&mut message).is_ok() {
            kept.lock().unwrap()[index] += 64;
            stream.write_all(&message).unwrap();
        }
    });
    let result = measure(&target, "--requests 100 --connections 1 --idle 9");
    assert_eq!((count(&result, "requests"), count(&result, "connections")), (100, 1));
    let mut bytes = bytes.lock().unwrap().clone();
    bytes.sort_unstable();
    assert_eq!(bytes, [64, 64, 64, 64, 64, 64, 64, 64, 64, 6400]);
}

#[test]
fn idle_connections_that_the_server_drops_are_errors() {
    let made = Arc::new(AtomicU64::new(0));
    let target = server(move |mut stream| {
        // The idle ones come first.
        let dropped = (1..3).contains(&made.fetch_add(1, Ordering::SeqCst));
        let mut message = [0; 64];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&message).unwrap();
        if !dropped {
            echo(stream);
        }
    });
    let output = run(&target, "--duration 0.2 --connections 1 --idle 4");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(count(&result, "requests") > 0);
    assert_eq!(count(&result, "errors"), 2, "{output:?}");
}

/// Connections of whom the server reads more than `most` bytes are the slow readers'.
#[test]
fn slow_readers_ask_for_much_and_do_not_count() {
    let largest = Arc::new(AtomicU64::new(0));
    let kept = largest.clone();
    let target = server(move |mut stream| {
        let mut bytes = [0; 65_536];
        let mut sum = 0;
        while let Ok(taken @ 1..) = stream.read(&mut bytes) {
            sum += taken as u64;
            kept.fetch_max(sum, Ordering::SeqCst);
            if stream.write_all(&bytes[..taken]).is_err() {
                return;
            }
        }
    });
    let result = measure(&target, "--mode open --rate 100 --duration 0.5 --connections 2 --slow-readers 2");
    assert!((49..=51).contains(&count(&result, "requests")), "{result}");
    assert_eq!((count(&result, "wrong"), count(&result, "errors")), (0, 0));
    assert!(largest.load(Ordering::SeqCst) > 500_000, "{largest:?} bytes asked");
}

#[test]
fn slow_readers_check_what_they_read() {
    let target = server(|mut stream| {
        let mut bytes = [0; 65_536];
        while let Ok(taken @ 1..) = stream.read(&mut bytes) {
            // Only they send so much at a time.
            if taken > 1000 {
                bytes[0] ^= 1;
            }
            if stream.write_all(&bytes[..taken]).is_err() {
                return;
            }
        }
    });
    let result = measure(&target, "--duration 0.3 --connections 1 --slow-readers 1");
    assert!(count(&result, "requests") > 0 && count(&result, "wrong") > 0, "{result}");
}

#[test]
fn hoarders_end_no_message_and_come_again_when_they_are_cut_off() {
    let hoarders = Arc::new(AtomicU64::new(0));
    let counted = hoarders.clone();
    let target = server(move |mut stream| {
        let mut message = [0; 4 + 64];
        while stream.read_exact(&mut message).is_ok() {
            // Only they have messages of another length.
            if message[..4] != [0, 0, 0, 64] {
                assert_eq!(message[..4], [0, 0x40, 0, 0]);
                counted.fetch_add(1, Ordering::SeqCst);
                return;
            }
            if stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let result = measure(
        &target,
        "--mode open --protocol frames --rate 100 --duration 0.5 --connections 2 --hoarders 3",
    );
    assert!((49..=51).contains(&count(&result, "requests")), "{result}");
    assert_eq!((count(&result, "wrong"), count(&result, "errors")), (0, 0));
    // Each of those that came was cut off, and has found it out, but perhaps the last ones.
    let (came, cut_off) = (hoarders.load(Ordering::SeqCst), count(&result, "cut_off"));
    assert!(came > 3 && cut_off <= came && cut_off + 3 >= came, "{cut_off} of {came}");
}

#[test]
fn hoarders_need_messages_with_a_length() {
    let output = run("tcp://127.0.0.1:1", "--hoarders 1");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no protocol but frames"), "{output:?}");
}

/// Sends what any connection sends to all, and tells `change` to spoil what goes to one of them.
fn broadcast(change: impl Fn(usize, &mut Vec<u8>) + Clone + Send + 'static) -> String {
    let all: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    server(move |mut stream| {
        all.lock().unwrap().push(stream.try_clone().unwrap());
        let mut bytes = [0; 8192];
        while let Ok(taken @ 1..) = stream.read(&mut bytes) {
            for (index, listener) in all.lock().unwrap().iter_mut().enumerate() {
                let mut message = bytes[..taken].to_vec();
                change(index, &mut message);
                let _ = listener.write_all(&message);
            }
        }
    })
}

#[test]
fn a_broadcast_counts_its_deliveries() {
    let result =
        measure(&broadcast(|_, _| {}), "--mode broadcast --connections 20 --size 100 --requests 400");
    assert_eq!(result["mode"], "broadcast");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (400, 0));
    assert_eq!(count(&result, "bytes"), 40_000);
}

/// As one that had not been accepted yet.
#[test]
fn a_listener_that_misses_the_first_probes_is_waited_for() {
    let target = broadcast(|index, message| {
        if index == 2 && message.len() == 1 && message[0] < 2 {
            message.clear();
        }
    });
    let result = measure(&target, "--mode broadcast --connections 5 --requests 50");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (50, 0));
}

#[test]
fn a_delivery_that_differs_is_wrong() {
    let target = broadcast(|index, message| {
        // Not the probes, which are single bytes.
        if index == 3 && message.len() == 100 {
            message[99] ^= 4;
        }
    });
    let result = measure(&target, "--mode broadcast --connections 5 --size 100 --requests 50");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (40, 10));
}

#[test]
fn a_listener_that_is_left_out_is_an_error() {
    let target = broadcast(|index, message| {
        if index == 2 {
            message.clear();
        }
    });
    let says = crate::support::fail(&target, "--mode broadcast --connections 4 --timeout 0.3", 1);
    assert!(says.contains("1 connections received no broadcast"), "{says}");
}

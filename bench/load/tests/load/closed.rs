//! Closed loop against servers that are right.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::support::{count, echo, fail, measure, messages, server};

#[test]
fn exactly_as_many_requests_as_wanted() {
    let received = Arc::new(AtomicU64::new(0));
    let counted = received.clone();
    let target = server(move |mut stream| {
        let mut bytes = [0; 8192];
        while let Ok(taken @ 1..) = stream.read(&mut bytes) {
            counted.fetch_add(taken as u64, Ordering::SeqCst);
            if stream.write_all(&bytes[..taken]).is_err() {
                return;
            }
        }
    });
    let result = measure(&target, "--requests 1237 --connections 7 --depth 3 --size 100");
    assert_eq!(result["mode"], "closed");
    assert_eq!(count(&result, "requests"), 1237);
    assert_eq!(count(&result, "bytes"), 123_700);
    assert_eq!(count(&result, "connections"), 7);
    assert_eq!((count(&result, "wrong"), count(&result, "errors"), count(&result, "lost")), (0, 0, 0));
    assert_eq!(received.load(Ordering::SeqCst), 123_700, "no byte more is sent");
    assert!(result["server_cpu_seconds"].is_null());
}

#[test]
fn fewer_requests_than_connections() {
    let result = measure(&server(echo), "--requests 3 --connections 10 --depth 4");
    assert_eq!(count(&result, "requests"), 3);
}

#[test]
fn messages_larger_than_any_buffer() {
    let result = measure(&server(echo), "--requests 12 --connections 2 --depth 2 --size 3000001");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (12, 0));
    assert_eq!(count(&result, "bytes"), 12 * 3_000_001);
}

#[test]
fn for_a_time_with_its_figures_in_order() {
    let result = measure(&server(echo), "--warmup 0.05 --duration 0.2 --connections 4");
    assert!(count(&result, "requests") > 0);
    assert!(result["seconds"].as_f64().unwrap() >= 0.2);
    let latency = |name: &str| result["latency"][name].as_f64().unwrap();
    let rising = ["p50", "p90", "p99", "p999", "max"].map(latency);
    assert!(rising[0] > 0.0 && rising.is_sorted(), "{rising:?}");
    let rate = count(&result, "requests") as f64 / result["seconds"].as_f64().unwrap();
    assert!((result["throughput"].as_f64().unwrap() - rate).abs() < 1.0);
}

/// Each answer takes a second: the first is asked in the warm-up and comes in the window, the second comes too late.
#[test]
fn what_is_answered_in_the_window_counts() {
    let target = messages(64, |_, message| {
        thread::sleep(Duration::from_secs(1));
        message
    });
    let result = measure(&target, "--connections 1 --warmup 0.05 --duration 1.5");
    assert_eq!((count(&result, "requests"), count(&result, "errors")), (1, 0));
    assert!(result["latency"]["max"].as_f64().unwrap() >= 999_000.0, "{result}");
}

#[test]
fn over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("reactor-load-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    let result = measure(&format!("unix://{}", path.display()), "--requests 200 --connections 3");
    std::fs::remove_file(&path).unwrap();
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (200, 0));
}

#[test]
fn from_several_addresses() {
    let target = server(|mut stream| {
        let mut message = [0; 4];
        while stream.read_exact(&mut message).is_ok() {
            let std::net::IpAddr::V4(from) = stream.peer_addr().unwrap().ip() else { return };
            // The three addresses are told apart: two of three connections get wrong answers.
            message[0] ^= from.octets()[3] - 1;
            stream.write_all(&message).unwrap();
        }
    });
    let result = measure(&target, "--requests 30 --connections 3 --depth 10 --size 4 --sources 3");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (10, 20));
}

#[test]
fn a_watched_process_has_processor_time() {
    // This test's own process runs the server.
    let watched = format!("--duration 0.3 --connections 4 --watch {}", std::process::id());
    let result = measure(&server(echo), &watched);
    assert!(result["server_cpu_seconds"].as_f64().unwrap() > 0.0);
    assert!(result["load_cpu_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn nothing_to_measure_and_wrong_use() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(fail(&gone, "--requests 1", 1).contains("cannot connect"));
    assert!(fail("tcp://127.0.0.1:1", "--watch 4294967295", 1).contains("cannot watch"));
    assert!(fail("http://127.0.0.1:1", "", 2).contains("unix://PATH"));
    assert!(fail("tcp://127.0.0.1:1", "--mode open", 2).contains("--rate"));
    assert!(fail("tcp://127.0.0.1:1", "--mode idle", 2).contains("--watch"));
    assert!(fail("tcp://127.0.0.1:1", "--size 0", 2).contains("--size"));
    assert!(fail("udp://127.0.0.1:1", "--mode churn", 2).contains("datagrams"));
}

//! A process with few descriptors under more clients than it can hold: no spin, no death, and accepting resumes (R1). A
//! program of its own, because it runs itself again: the server is a process whose limit and processor time these are.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; the child prints to its parent"
)]

mod common;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{read_exactly, tcp, Echo};
use reactor_core::{Balance, Server};

/// Processor time of this process.
fn processor_time() -> Duration {
    // SAFETY: the structure is plain data, for which zeroes are valid, and outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec.cast_unsigned(), 0) + Duration::from_micros(time.tv_usec.cast_unsigned())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// In the child: answers each line of the parent's with its processor time in microseconds and its failures to accept.
fn serve(kind: &str) {
    let limit = libc::rlimit { rlim_cur: 48, rlim_max: 48 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    let mut config = common::loops(if kind == "one" { 1 } else { 4 });
    config.balance = if kind == "reuseport" { Balance::ReusePort } else { Balance::RoundRobin };
    let server = Server::new(Echo, &config).unwrap();
    println!("serving {}", server.listen("tcp://127.0.0.1:0").unwrap());
    server.start().unwrap();
    for _ in std::io::stdin().lines() {
        let (time, errors) = (processor_time().as_micros(), server.handle().metrics().accept_errors);
        println!("report {time} {errors}");
    }
}

struct Served {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Served {
    fn start(kind: &str) -> (Served, String) {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg("--nocapture").env("SERVE", kind).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut served = Served { child, lines };
        let url = served.line("serving ");
        (served, url)
    }

    /// The rest of the next line that begins so; the test harness prints others.
    fn line(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the server has died");
            if let Some((_, rest)) = line.split_once(begin) {
                return rest.trim().to_owned();
            }
        }
    }

    fn report(&mut self) -> (Duration, u64) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let line = self.line("report ");
        let (time, errors) = line.split_once(' ').unwrap();
        (Duration::from_micros(time.parse().unwrap()), errors.parse().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Takes out those that are served, when no more come for a while.
fn served_in(waiting: &mut Vec<TcpStream>) -> Vec<TcpStream> {
    let (mut served, mut quiet) = (Vec::new(), 0);
    while quiet < 10 {
        let now: Vec<TcpStream> = waiting.extract_if(.., |stream| stream.read(&mut [0]).is_ok()).collect();
        quiet = if now.is_empty() { quiet + 1 } else { 0 };
        now.iter().for_each(|stream| stream.set_nonblocking(false).unwrap());
        served.extend(now);
        std::thread::sleep(Duration::from_millis(40));
    }
    served
}

#[test]
fn few_descriptors_are_no_reason_to_spin_or_to_die() {
    if let Ok(kind) = env::var("SERVE") {
        return serve(&kind);
    }
    for kind in ["one", "four", "reuseport"] {
        let (mut served, url) = Served::start(kind);
        let mut waiting: Vec<TcpStream> = (0..80).map(|_| tcp(&url)).collect();
        for stream in &mut waiting {
            stream.write_all(b"?").unwrap();
            stream.set_nonblocking(true).unwrap();
        }
        let mut open = served_in(&mut waiting);
        assert!(open.len() >= 10 && waiting.len() >= 32, "{kind}: {} of 80 are served", open.len());
        let (before, began) = (served.report().0, Instant::now());
        while began.elapsed() < Duration::from_secs(3) {
            open.iter_mut().for_each(|stream| {
                stream.write_all(b"still served").unwrap();
                assert_eq!(read_exactly(stream, 12), b"still served", "{kind}");
            });
            std::thread::sleep(Duration::from_millis(500));
        }
        let (after, errors) = served.report();
        let share = (after - before).as_secs_f64() / began.elapsed().as_secs_f64();
        println!("{kind}: {:.2} % of a processor, {errors} failures to accept", share * 100.0);
        assert!(share < 0.02, "{kind}: {:.1} % of a processor", share * 100.0);
        assert!(errors > 0, "{kind}: the failures are counted");
        // When descriptors return, those who waited are served: as many as have left, or all of them.
        let still_out = waiting.len().saturating_sub(open.len());
        drop(open);
        common::eventually("accepting resumes", || {
            // What each wrote before comes back; who it is, is the kernel's choice.
            waiting.retain_mut(|stream| stream.read(&mut [0]).is_err());
            waiting.len() <= still_out
        });
    }
}

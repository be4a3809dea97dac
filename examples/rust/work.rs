//! Answers that take time come from a pool of threads, while the loops go on: in order for each client.
//!
//! `work --listen URL [--listen URL]... [--loops N] [--threads N]`. Each line is a request:
//!
//! - `sleep MILLISECONDS TEXT` is answered with the text, that much later,
//! - `primes N` with how many primes there are below N.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{unbounded, Sender};
use launch::Launch;
use lexopt::ValueExt;
use reactor_core::{Action, Conn, ConnId, Framing, Handle, Handler};

/// The longest request, in bytes.
const MAX_LINE: usize = 64 << 10;
/// Requests of one client that may be outstanding; then it is read again when half of them are answered. How many
/// clients there may be is not limited here.
const MAX_OUTSTANDING: usize = 64;
const MAX_SLEEP: u64 = 60_000;
const MAX_PRIMES: u64 = 10_000_000;

/// The outstanding requests of one client, in order: shared by its loop and the threads that work for it.
#[derive(Default)]
struct Outstanding {
    /// The number of the first.
    first: u64,
    /// An answer for each, once it is there.
    answers: VecDeque<Option<String>>,
    is_paused: bool,
    is_ended: bool,
}

type Client = Arc<Mutex<Outstanding>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request on its way to the pool.
struct Job {
    id: ConnId,
    server: Handle,
    client: Client,
    number: u64,
    request: String,
}

impl Job {
    /// Works the answer out, and sends it and what waited for it. On a thread of the pool.
    fn run(self) {
        if !self.server.is_open(self.id) {
            return; // Nobody waits for the answer.
        }
        let answer = answer(&self.request).unwrap_or_else(|wrong| format!("error: {wrong}"));
        // Sending does not block. Under the lock, so that no other thread sends what comes later before.
        let mut outstanding = lock(&self.client);
        let place = (self.number - outstanding.first) as usize;
        outstanding.answers[place] = Some(answer);
        while let Some(Some(_)) = outstanding.answers.front() {
            outstanding.first += 1;
            let answer = outstanding.answers.pop_front().flatten().unwrap_or_default();
            if self.server.write_gathered(self.id, &[answer.as_bytes(), b"\n"]).is_err() {
                // The client is gone, or there is no room for the answer: what follows must not take its place.
                let _ = self.server.abort(self.id);
            }
        }
        if outstanding.is_paused && outstanding.answers.len() <= MAX_OUTSTANDING / 2 {
            outstanding.is_paused = false;
            let _ = self.server.resume(self.id);
        }
        if outstanding.is_ended && outstanding.answers.is_empty() {
            let _ = self.server.close(self.id);
        }
    }
}

fn answer(request: &str) -> Result<String, String> {
    let (command, rest) = request.split_once(' ').unwrap_or((request, ""));
    match command {
        "sleep" => {
            let (time, text) = rest.split_once(' ').unwrap_or((rest, ""));
            thread::sleep(Duration::from_millis(number(time, MAX_SLEEP)?));
            Ok(text.to_owned())
        }
        "primes" => Ok(primes_below(number(rest, MAX_PRIMES)?).to_string()),
        _ => Err("unknown request: there are sleep MILLISECONDS TEXT and primes N".to_owned()),
    }
}

fn number(text: &str, max: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number <= max);
    number.ok_or_else(|| format!("{text:?} is not a number from 0 to {max}"))
}

/// The sieve of Eratosthenes.
fn primes_below(end: u64) -> usize {
    let end = end as usize;
    let mut is_prime = vec![true; end];
    is_prime.iter_mut().take(2).for_each(|prime| *prime = false);
    let mut number = 2;
    while number * number < end {
        if is_prime[number] {
            (number * number..end).step_by(number).for_each(|multiple| is_prime[multiple] = false);
        }
        number += 1;
    }
    is_prime.iter().filter(|prime| **prime).count()
}

/// The threads end when the sender is gone.
fn start_pool(threads: usize) -> std::io::Result<Sender<Job>> {
    let (sender, jobs) = unbounded::<Job>();
    for number in 0..threads {
        let jobs = jobs.clone();
        let work = move || jobs.into_iter().for_each(Job::run);
        thread::Builder::new().name(format!("work-{number}")).spawn(work)?;
    }
    Ok(sender)
}

struct Work {
    jobs: Sender<Job>,
}

impl Handler for Work {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        conn.set_context(Box::new(Client::default()));
        Action::None
    }

    /// One line.
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let Some(client) = conn.with_context(|client: &mut Client| Arc::clone(client)) else {
            return Action::Close;
        };
        let mut outstanding = lock(&client);
        let number = outstanding.first + outstanding.answers.len() as u64;
        outstanding.answers.push_back(None);
        if outstanding.answers.len() >= MAX_OUTSTANDING && !outstanding.is_paused {
            outstanding.is_paused = conn.pause().is_ok();
        }
        drop(outstanding);
        let request = String::from_utf8_lossy(data).into_owned();
        let job = Job { id: conn.id(), server: conn.server().clone(), client, number, request };
        self.jobs.send(job).map_or(Action::Close, |()| Action::None)
    }

    /// The client asks no more, but it waits for answers.
    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        let is_done = conn.with_context(|client: &mut Client| {
            let mut outstanding = lock(client);
            outstanding.is_ended = true;
            outstanding.answers.is_empty()
        });
        if is_done == Some(false) {
            Action::None
        } else {
            Action::Close
        }
    }
}

fn main() -> ExitCode {
    launch::main("work", || {
        let mut threads = thread::available_parallelism().map_or(1, usize::from);
        let mut launch = Launch::from_args(|name, args| {
            if name == "threads" {
                threads = args.value()?.parse()?;
            }
            Ok(name == "threads")
        })?
        .streams_only()?;
        if threads == 0 {
            return Err("--threads: there must be at least one".into());
        }
        launch.conns.framing = Some(Framing::line().max_frame(MAX_LINE));
        launch.conns.half_open = true;
        launch.run(Work { jobs: start_pool(threads)? })
    })
}

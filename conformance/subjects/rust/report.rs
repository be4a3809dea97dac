//! What the subject tells the runner: events on standard output, one JSON object a line.

use std::fs;
use std::io::Write;

use log::{Log, Metadata, Record};
use serde_json::{json, Value};

thread_local! {
    static THREAD: u64 = system_thread().unwrap_or(0);
}

/// The number that the system gives this thread.
pub(crate) fn thread() -> u64 {
    THREAD.with(|thread| *thread)
}

fn system_thread() -> Option<u64> {
    fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}

/// Writes an event with its members. A runner that is gone is told nothing.
pub(crate) fn emit(event: &str, mut members: Value) {
    members["event"] = json!(event);
    let line = format!("{members}\n");
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// Something that no case expects: for whoever reads the runner's output.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "reactor-subject: {message}");
}

/// Turns the engine's log messages into events.
pub(crate) struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = record.level().as_str().to_lowercase();
        emit("log", json!({ "level": level, "message": record.args().to_string() }));
    }

    fn flush(&self) {}
}

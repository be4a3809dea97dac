//! A logger that remembers. It is the process's, so a test program that needs it has one test.

use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};

/// What was logged, each with its level.
pub(crate) struct Memory(pub(crate) Mutex<Vec<String>>);

pub(crate) static MEMORY: Memory = Memory(Mutex::new(Vec::new()));

impl Log for Memory {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(format!("{}: {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// Remembers errors from here on.
pub(crate) fn remember_errors() {
    log::set_logger(&MEMORY).unwrap();
    log::set_max_level(LevelFilter::Error);
}

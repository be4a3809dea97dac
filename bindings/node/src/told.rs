//! What the engine reports for whoever runs the program, out of descriptors, say, goes to JavaScript without being asked for.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

use crate::channel::Channel;

/// The ways to JavaScript of servers that run.
static CHANNELS: Mutex<Vec<Channel>> = Mutex::new(Vec::new());

fn channels() -> MutexGuard<'static, Vec<Channel>> {
    CHANNELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what the engine reports from now on.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    // Nobody else can have set one: of all that is in this addon the engine alone logs.
    ONCE.call_once(|| match log::set_logger(&ToJavaScript) {
        Ok(()) => log::set_max_level(LevelFilter::Error),
        Err(_) => debug_assert!(false, "there is a logger already"),
    });
}

/// A server's way to JavaScript is open. A report does not say which server it is about, so the first that is open takes it.
pub(crate) fn open(channel: &Channel) {
    channels().push(channel.clone());
}

/// It is closed: another server's takes over.
pub(crate) fn close(channel: &Channel) {
    channels().retain(|open| !open.is(channel));
}

struct ToJavaScript;

impl Log for ToJavaScript {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // Sent without the lock: the way has one of its own.
        let channel = channels().first().cloned();
        channel.into_iter().for_each(|channel| channel.tell(record.args().to_string()));
    }

    fn flush(&self) {}
}

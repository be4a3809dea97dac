//! What the engine reports for whoever runs the program, out of descriptors, say, goes to JavaScript without being asked for.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

use crate::channel::Channel;

/// The ways to JavaScript of servers that run. Whoever changes them says which level the engine needs to tell of.
static CHANNELS: Mutex<Vec<Channel>> = Mutex::new(Vec::new());

fn channels() -> MutexGuard<'static, Vec<Channel>> {
    CHANNELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what the engine reports from now on.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    // Nobody else can have set one: of all that is in this addon the engine alone logs.
    ONCE.call_once(|| match log::set_logger(&ToJavaScript) {
        Ok(()) => set_max_level(&channels()),
        Err(_) => debug_assert!(false, "there is a logger already"),
    });
}

/// A server's way to JavaScript is open. A report does not say which server it is about, so the first that is open for its level
/// takes it.
pub(crate) fn open(channel: &Channel) {
    let mut channels = channels();
    channels.push(channel.clone());
    set_max_level(&channels);
}

/// It is closed: another server's takes over.
pub(crate) fn close(channel: &Channel) {
    let mut channels = channels();
    channels.retain(|open| !open.is(channel));
    set_max_level(&channels);
}

/// What nobody listens to is not even made.
fn set_max_level(channels: &[Channel]) {
    let levels = channels.iter().map(Channel::level);
    log::set_max_level(levels.max().unwrap_or(LevelFilter::Off));
}

struct ToJavaScript;

impl Log for ToJavaScript {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // Sent without the lock: the way has one of its own.
        let channel = channels().iter().find(|channel| record.level() <= channel.level()).cloned();
        channel.into_iter().for_each(|channel| channel.tell(record.level(), record.args().to_string()));
    }

    fn flush(&self) {}
}

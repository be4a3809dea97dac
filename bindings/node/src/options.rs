//! The options of a server.

use std::time::Duration;

use log::LevelFilter;
use napi_derive::napi;
use reactor_core::{Balance, Config, Error, ErrorKind, Look, Result};

/// The options, checked by the JavaScript layer: whole numbers from 0 on. 0 means the default, and -1 none.
#[napi(object)]
pub struct NativeOptions {
    /// Event loops.
    pub loops: i64,
    /// The name of a `Balance`.
    pub balance: String,
    /// Whether each loop is bound to a processor.
    pub pin: bool,
    /// Bytes.
    pub high_water: i64,
    /// Bytes.
    pub low_water: i64,
    /// Bytes.
    pub hard_limit: i64,
    /// Whether a connection goes on when a write beyond its hard limit was refused.
    pub keep_on_overflow: bool,
    /// Bytes, or none.
    pub byte_budget: i64,
    /// Bytes, at most 1 GiB.
    pub read_budget: i64,
    /// Milliseconds, or none.
    pub linger_ms: i64,
    /// Milliseconds.
    pub stall_limit_ms: i64,
    /// Connections.
    pub max_connections: i64,
    /// Connections.
    pub max_connections_per_address: i64,
    /// Milliseconds.
    pub stop_deadline_ms: i64,
    /// The name of a `Look`.
    pub look: String,
    /// Microseconds between two batches.
    pub batch_interval_us: i64,
    /// From which level on messages of the engine are told: `error`, or `off` for none.
    pub log_level: String,
    /// Whether the handler is told commands.
    pub commands: bool,
    /// Whether Node's own event loop drives it; it has one loop then.
    pub is_inline: bool,
}

impl NativeOptions {
    pub(crate) fn config(&self) -> Result<Config> {
        Ok(Config {
            loops: size(self.loops),
            balance: named("balance", &self.balance, &Balance::ALL, Balance::name)?,
            pin: self.pin,
            high_water: size(self.high_water),
            low_water: size(self.low_water),
            hard_limit: size(self.hard_limit),
            keep_on_overflow: self.keep_on_overflow,
            byte_budget: if self.byte_budget == NONE { usize::MAX } else { size(self.byte_budget) },
            read_budget: size(self.read_budget),
            linger: if self.linger_ms == NONE { Config::NO_LINGER } else { millis(self.linger_ms) },
            stall_limit: millis(self.stall_limit_ms),
            max_connections: size(self.max_connections),
            max_connections_per_address: size(self.max_connections_per_address),
            stop_deadline: millis(self.stop_deadline_ms),
            look: named("look", &self.look, &Look::ALL, Look::name)?,
        })
    }

    pub(crate) fn batch_interval(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.batch_interval_us).unwrap_or(0))
    }

    pub(crate) fn log_level(&self) -> Result<LevelFilter> {
        let levels: Vec<_> = LevelFilter::iter().collect();
        named("logLevel", &self.log_level.to_uppercase(), &levels, |level| level.as_str()).map_err(|_| {
            unknown("logLevel", &self.log_level, levels.iter().map(|level| level.as_str().to_lowercase()))
        })
    }
}

/// What stands for none.
const NONE: i64 = -1;

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

pub(crate) fn millis(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

/// What has this name.
fn named<T: Copy>(option: &str, given: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T> {
    let found = all.iter().copied().find(|value| name(*value) == given);
    found.ok_or_else(|| unknown(option, given, all.iter().map(|value| name(*value).to_owned())))
}

fn unknown(option: &str, given: &str, known: impl Iterator<Item = String>) -> Error {
    let mut known: Vec<_> = known.map(|name| format!("'{name}'")).collect();
    let last = known.pop().unwrap_or_default();
    let message = format!("{option} must be {} or {last}, not '{given}'", known.join(", "));
    Error::new(ErrorKind::InvalidArgument, message)
}

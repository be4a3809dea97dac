//! The command line.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use reactor_core::{Balance, Config};

/// What a connection's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Commands, one a line.
    Script,
    /// Commands; what is no whole line is kept by the engine.
    Keep,
    /// Bytes to send back.
    Echo,
    /// Bytes to report.
    Data,
    /// Nothing: it is dropped.
    Sink,
}

/// The scripts of the callbacks, as they stand on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) start: String,
    pub(crate) open: String,
    pub(crate) eof: String,
    pub(crate) drain: String,
    pub(crate) wake: String,
    pub(crate) timer: String,
    pub(crate) close: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) urls: Vec<String>,
    pub(crate) listen_inherited: bool,
    /// OPTIONS of every listener of the command line.
    pub(crate) listen_options: String,
    pub(crate) config: Config,
    pub(crate) mode: Mode,
    pub(crate) outgoing_mode: Mode,
    pub(crate) scripts: Scripts,
    /// What each tick does.
    pub(crate) ticks: Vec<String>,
    pub(crate) hosted: bool,
    pub(crate) forks: bool,
    pub(crate) signals: bool,
    pub(crate) log: log::LevelFilter,
    pub(crate) trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            urls: Vec::new(),
            listen_inherited: false,
            listen_options: String::new(),
            config: Config::default(),
            mode: Mode::Script,
            outgoing_mode: Mode::Data,
            scripts: Scripts::default(),
            ticks: Vec::new(),
            hosted: false,
            forks: false,
            signals: false,
            log: log::LevelFilter::Off,
            trace: true,
        }
    }
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Self, Box<dyn Error>> {
        let mut options = Options::default();
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            let Long(name) = arg else { return Err(arg.unexpected().into()) };
            let name = name.to_owned();
            if !options.set_flag(&name) {
                let value = args.value()?.string()?;
                options.set(&name, value)?;
            }
        }
        Ok(options)
    }

    /// The options without a value; false if it is none.
    fn set_flag(&mut self, name: &str) -> bool {
        match name {
            "no-trace" => self.trace = false,
            "listen-inherited" => self.listen_inherited = true,
            "pin" => self.config.pin = true,
            "keep-on-overflow" => self.config.keep_on_overflow = true,
            "hosted" => self.hosted = true,
            "fork" => self.forks = true,
            "signals" => self.signals = true,
            _ => return false,
        }
        true
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Box<dyn Error>> {
        match name {
            "listen" => self.urls.push(value),
            "listen-options" => self.listen_options = value,
            "mode" => self.mode = mode(&value)?,
            "outgoing-mode" => self.outgoing_mode = mode(&value)?,
            "on-start" => self.scripts.start = value,
            "on-open" => self.scripts.open = value,
            "on-eof" => self.scripts.eof = value,
            "on-drain" => self.scripts.drain = value,
            "on-wake" => self.scripts.wake = value,
            "on-timer" => self.scripts.timer = value,
            "on-close" => self.scripts.close = value,
            "ticks" => self.ticks = value.split(',').map(str::to_owned).collect(),
            "log" => self.log = value.parse().map_err(|_| format!("unknown log level {value}"))?,
            _ => return self.configure(name, &value),
        }
        Ok(())
    }

    /// The options of the server.
    fn configure(&mut self, name: &str, value: &str) -> Result<(), Box<dyn Error>> {
        let config = &mut self.config;
        match name {
            "loops" => config.loops = value.parse()?,
            "balance" => config.balance = balance(value)?,
            "high-water" => config.high_water = value.parse()?,
            "low-water" => config.low_water = value.parse()?,
            "hard-limit" => config.hard_limit = value.parse()?,
            "byte-budget" if value == "none" => config.byte_budget = usize::MAX,
            "byte-budget" => config.byte_budget = value.parse()?,
            "read-budget" => config.read_budget = value.parse()?,
            "linger-ms" if value == "none" => config.linger = Config::NO_LINGER,
            "stall-limit-ms" => config.stall_limit = Duration::from_millis(value.parse()?),
            "linger-ms" => config.linger = Duration::from_millis(value.parse()?),
            "max-connections" => config.max_connections = value.parse()?,
            "max-connections-per-address" => config.max_connections_per_address = value.parse()?,
            "stop-deadline-ms" => config.stop_deadline = Duration::from_millis(value.parse()?),
            _ => return Err(format!("unknown option --{name} {value}").into()),
        }
        Ok(())
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    Ok(match name {
        "script" => Mode::Script,
        "keep" => Mode::Keep,
        "echo" => Mode::Echo,
        "data" => Mode::Data,
        "sink" => Mode::Sink,
        _ => return Err(format!("unknown mode {name}")),
    })
}

fn balance(name: &str) -> Result<Balance, String> {
    let found = Balance::ALL.into_iter().find(|balance| balance.name() == name);
    found.ok_or_else(|| format!("unknown balance {name}"))
}

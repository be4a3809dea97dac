//! The command line.

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::*;
use reactor_core::Config;

/// What an open connection's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Commands, one a line.
    Script,
    /// Bytes to send back.
    Echo,
    /// Nothing: it is dropped.
    Sink,
}

/// The scripts of the callbacks, as they stand on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) start: String,
    pub(crate) open: String,
    pub(crate) drain: String,
    pub(crate) close: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) urls: Vec<String>,
    pub(crate) config: Config,
    pub(crate) mode: Mode,
    pub(crate) scripts: Scripts,
    pub(crate) trace: bool,
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Self, Box<dyn Error>> {
        let (config, scripts) = (Config::default(), Scripts::default());
        let mut options = Options { urls: Vec::new(), config, mode: Mode::Script, scripts, trace: true };
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            let Long(name) = arg else { return Err(arg.unexpected().into()) };
            let name = name.to_owned();
            if name == "no-trace" {
                options.trace = false;
            } else {
                let value = args.value()?.string()?;
                options.set(&name, value)?;
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Box<dyn Error>> {
        match name {
            "listen" => self.urls.push(value),
            "loops" => self.config.loops = value.parse()?,
            "high-water" => self.config.high_water = value.parse()?,
            "low-water" => self.config.low_water = value.parse()?,
            "hard-limit" => self.config.hard_limit = value.parse()?,
            "read-budget" => self.config.read_budget = value.parse()?,
            "linger-ms" => self.config.linger = Duration::from_millis(value.parse()?),
            "mode" if value == "echo" => self.mode = Mode::Echo,
            "mode" if value == "script" => self.mode = Mode::Script,
            "on-start" => self.scripts.start = value,
            "on-open" => self.scripts.open = value,
            "on-drain" => self.scripts.drain = value,
            "on-close" => self.scripts.close = value,
            _ => return Err(format!("unknown option --{name} {value}").into()),
        }
        Ok(())
    }
}

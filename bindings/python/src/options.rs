//! The keyword arguments of `Server` as the engine's options.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor_core::{Balance, Config, Look};

use crate::argument::{each_keyword, invalid, Argument};

/// What a server is made with.
pub(crate) struct Options {
    pub(crate) config: Config,
    /// Another event loop drives it.
    pub(crate) hosted: bool,
}

impl Options {
    /// Reads them.
    pub(crate) fn of(py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut options = Options { config: Config::default(), hosted: false };
        let known: Vec<_> = std::iter::once("hosted").chain(Config::NAMES.iter().copied()).collect();
        each_keyword("Server", &known, given, |argument| match argument.name {
            "hosted" => argument.switch().map(|hosted| options.hosted = hosted).map(|()| true),
            _ => set(&mut options.config, argument),
        })?;
        if options.hosted {
            options.config.loops = one_loop(py, options.config.loops)?;
        }
        Ok(options)
    }
}

/// The loops of a server that is hosted.
fn one_loop(py: Python<'_>, asked: usize) -> PyResult<usize> {
    match asked {
        0 | 1 => Ok(1),
        _ => Err(invalid(py, format!("a host can drive one loop, not {asked}"))),
    }
}

/// Sets one option; says whether it is one.
fn set(config: &mut Config, argument: Argument<'_, '_>) -> PyResult<bool> {
    match argument.name {
        "loops" => config.loops = argument.count(Config::MAX_LOOPS)?,
        "balance" => config.balance = argument.one_of(&Balance::ALL.map(|it| (it, it.name())))?,
        "pin" => config.pin = argument.switch()?,
        "high_water" => config.high_water = argument.count(usize::MAX)?,
        "low_water" => config.low_water = argument.count(usize::MAX)?,
        "hard_limit" => config.hard_limit = argument.count(usize::MAX)?,
        "keep_on_overflow" => config.keep_on_overflow = argument.switch()?,
        "byte_budget" => config.byte_budget = byte_budget(argument)?,
        "read_budget" => config.read_budget = argument.count(usize::MAX)?,
        "linger" => config.linger = linger(argument)?,
        "stall_limit" => config.stall_limit = argument.seconds()?,
        "max_connections" => config.max_connections = argument.count(usize::MAX)?,
        "max_connections_per_address" => config.max_connections_per_address = argument.count(usize::MAX)?,
        "stop_deadline" => config.stop_deadline = argument.seconds()?,
        "look" => config.look = argument.one_of(&Look::ALL.map(|it| (it, it.name())))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `None`: there is none.
fn byte_budget(argument: Argument<'_, '_>) -> PyResult<usize> {
    match argument.value.is_none() {
        true => Ok(usize::MAX),
        false => argument.count(usize::MAX),
    }
}

/// `None`: a connection that is closed does not wait for its peer.
fn linger(argument: Argument<'_, '_>) -> PyResult<Duration> {
    match argument.value.is_none() {
        true => Ok(Config::NO_LINGER),
        false => argument.seconds(),
    }
}

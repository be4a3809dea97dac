//! The keyword arguments of `Server` as the engine's options.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use reactor_core::{Balance, Config, Look};

use crate::argument::{each_keyword, Argument};

/// Reads the options.
pub(crate) fn config(given: Option<&Bound<'_, PyDict>>) -> PyResult<Config> {
    let mut config = Config::default();
    each_keyword("Server", Config::NAMES, given, |argument| set(&mut config, argument))?;
    Ok(config)
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

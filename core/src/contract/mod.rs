//! The words of users: actions, close reasons, configuration, options, metrics. Pure.

pub(crate) mod action;
pub(crate) mod carries;
pub(crate) mod config;
pub(crate) mod metrics;
pub(crate) mod options;

//! Errors and close reasons as JavaScript sees them.

use napi_derive::napi;
use reactor_core::{CloseReason, Error, ErrorKind};

/// Why a call was refused.
#[napi(object)]
pub struct Failure {
    /// The kind: `ADDRESS_IN_USE`.
    pub code: String,
    /// The text, for a person.
    pub message: String,
    /// The system's error number, where the system was the cause.
    pub errno: Option<i32>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            code: error.kind().name().to_owned(),
            message: error.message().to_owned(),
            errno: error.errno(),
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: &str) -> Self {
        Error::new(kind, message).into()
    }
}

/// A close reason's number, as events carry it, and its name.
#[napi(object)]
pub struct Reason {
    /// The number.
    pub number: i32,
    /// The name: `local close`.
    pub name: String,
}

/// Every close reason the engine knows.
#[napi]
pub fn close_reasons() -> Vec<Reason> {
    CloseReason::ALL
        .iter()
        .map(|reason| Reason { number: *reason as i32, name: reason.name().to_owned() })
        .collect()
}

/// The name of every error kind the engine knows.
#[napi]
pub fn error_kinds() -> Vec<String> {
    ErrorKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()
}

//! Results of calls.

use reactor_core::{Error, ErrorKind, Pressure, Result};
use serde_json::{json, Value};

/// What came of a call: a value, or the error's name and message.
pub(crate) type Outcome = std::result::Result<Value, Failure>;

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { name: error.kind().name().to_owned(), message: error.message().to_owned() }
    }
}

/// A command that nobody understands: the case is wrong.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        crate::report::complain(&message);
        Failure { name: "unknown".to_owned(), message }
    }
}

/// The result alone, without an error's message.
pub(crate) fn value(outcome: Outcome) -> Value {
    outcome.unwrap_or_else(|failure| json!(failure.name))
}

/// What the protocol calls RESULT.
pub(crate) trait ToOutcome {
    fn outcome(self) -> Outcome;
}

impl ToOutcome for Result<()> {
    fn outcome(self) -> Outcome {
        Ok(self.map(|()| json!("ok"))?)
    }
}

impl ToOutcome for Result<Pressure> {
    fn outcome(self) -> Outcome {
        Ok(self.map(|pressure| json!(if pressure == Pressure::High { "high" } else { "ok" }))?)
    }
}

/// What does not exist there.
pub(crate) fn not_there() -> Outcome {
    Ok(json!("n/a"))
}

/// What a number in a command is not.
pub(crate) fn no_such(what: &str, text: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("{text} is no {what}"))
}

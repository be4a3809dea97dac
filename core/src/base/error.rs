//! The one error type of the engine: what kind of wrong, in words, and the system's number if there is one.

use std::fmt;
use std::io;

use crate::base::numbered::numbered;

numbered! {
    /// What went wrong, as a number that is fixed for ever: the C status codes and the codes that the Python and
    /// Node packages carry are these. Expect values you do not know; more will come. The names are in capitals.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    #[repr(i32)]
    ErrorKind: i32 {
        /// An argument is outside what the call accepts.
        InvalidArgument = 1, "INVALID_ARGUMENT";
        /// A listen address cannot be parsed, or carries an unknown or malformed option.
        InvalidAddress = 2, "INVALID_ADDRESS";
        /// The address of a listener is taken.
        AddressInUse = 3, "ADDRESS_IN_USE";
        /// The operating system refused; [`Error::errno`] says why.
        System = 4, "SYSTEM";
        /// The connection is closed or closing, or the id belongs to another server.
        Closed = 5, "CLOSED";
        /// The connection's queue is at its hard limit; nothing was queued.
        Full = 6, "FULL";
        /// The call does not fit the server's state, for example starting it twice.
        WrongState = 7, "WRONG_STATE";
        /// The call is not allowed on this thread, for example waiting for a server on one of its own loops.
        WrongThread = 8, "WRONG_THREAD";
        /// The start was refused: `on_start` returned stop, or stop was called before.
        Stopped = 9, "STOPPED";
        /// A callback failed where its failure ends the call: `on_start`.
        HandlerFailed = 10, "HANDLER_FAILED";
        /// A defect of the engine, caught at its border.
        Internal = 11, "INTERNAL";
        /// The call has no meaning for this kind of socket, for example closing a UDP endpoint.
        Unsupported = 12, "UNSUPPORTED";
    }
}

/// An error of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    errno: Option<i32>,
}

/// What fallible calls of the engine return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a number of the system's.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), errno: None }
    }

    /// The system refused while we were `doing` something.
    pub fn system(doing: impl fmt::Display, source: &io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::AddrInUse => ErrorKind::AddressInUse,
            _ => ErrorKind::System,
        };
        Error { kind, message: format!("{doing}: {source}"), errno: source.raw_os_error() }
    }

    /// The kind, for a program to decide on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text, for a person: what we were doing and what was wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The system's error number, where the system was the cause.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_error_keeps_its_number_and_says_what_we_did() {
        let error = Error::system("listen on tcp://:1", &io::Error::from_raw_os_error(98));
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert_eq!(error.errno(), Some(98));
        assert!(error.message().starts_with("listen on tcp://:1: "), "{}", error.message());
    }
}

//! What can go wrong.

use std::fmt;

use rustix::io::Errno;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit together: exit code 2.
    Usage(String),
    /// It could not be measured: exit code 1.
    Measurement(String),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn measurement(message: impl Into<String>) -> Self {
        Self::Measurement(message.into())
    }

    /// A system call that does not fail unless something is wrong with the machine.
    pub(crate) fn system(what: &str) -> impl FnOnce(Errno) -> Self + '_ {
        move |errno| Self::Measurement(format!("{what}: {errno}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(message) | Self::Measurement(message)) = self;
        formatter.write_str(message)
    }
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The server closed it.
    Closed,
    /// The server sent bytes that nobody asked for.
    Surplus,
    /// The answer is none of the protocol.
    Malformed(&'static str),
    /// The system says so.
    System(Errno),
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("the server closed the connection"),
            Self::Surplus => formatter.write_str("the server sent more than it was asked for"),
            Self::Malformed(what) => write!(formatter, "malformed answer: {what}"),
            Self::System(errno) => write!(formatter, "connection failed: {errno}"),
        }
    }
}

impl From<Errno> for Broken {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

/// An error number of one library as the other's.
pub(crate) fn errno(error: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(error as i32)
}

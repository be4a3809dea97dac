//! What a callback asks for, and why a connection ended.

use std::fmt;

use crate::base::numbered::numbered;

numbered! {
    /// What a callback asks the engine to do next.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    #[repr(i32)]
    Action: i32 {
        /// Go on.
        #[default]
        None = 0, "none";
        /// Close this connection: from now on writes answer `closed`; what is queued is sent first.
        Close = 1, "close";
        /// Stop the server.
        Stop = 2, "stop";
        /// Hand this connection's descriptor out: see [`Handler::on_detach`](crate::Handler::on_detach).
        Detach = 3, "detach";
    }
}

numbered! {
    /// Why a connection ended. The numbers are fixed for ever; expect values you do not know, more will come. The names
    /// are in lower case.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    #[repr(i32)]
    CloseReason: i32 {
        /// The peer closed its side, and everything was answered.
        Eof = 1, "eof";
        /// The connection broke: the peer reset it, or the network gave up. The errno says which.
        Reset = 2, "reset";
        /// This side closed it.
        LocalClose = 3, "local close";
        /// This side reset it.
        Abort = 4, "abort";
        /// Nothing came or went for as long as the idle time-out.
        Idle = 5, "idle";
        /// The server stopped.
        Shutdown = 6, "shutdown";
        /// A write went beyond the hard limit of unsent output; or the server held more than its byte budget, and this
        /// connection too much of it.
        Overflow = 7, "overflow";
        /// The input breaks the framing: a frame above the maximum, a malformed one, or half a frame at the end.
        Protocol = 8, "protocol error";
        /// A callback failed.
        HandlerError = 9, "handler error";
        /// An outgoing connection could not be made. The errno says why, where the system had a part in it.
        ConnectFailed = 10, "connect failed";
        /// The connect, read or write time-out was over, or the stall limit of a connection that was being closed.
        TimedOut = 11, "time-out";
    }
}

impl fmt::Display for CloseReason {
    /// The [`name`](CloseReason::name).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a connection ended: the reason, and the system's error number where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// The system's error number, for [`CloseReason::Reset`] and [`CloseReason::ConnectFailed`].
    pub errno: Option<i32>,
}

impl Closed {
    /// An end that the system had no part in.
    pub(crate) const fn by(reason: CloseReason) -> Self {
        Closed { reason, errno: None }
    }

    /// An end that the system reported.
    pub(crate) const fn reset(errno: i32) -> Self {
        Closed { reason: CloseReason::Reset, errno: Some(errno) }
    }

    /// A connection that could not be made.
    pub(crate) const fn connect_failed(errno: Option<i32>) -> Self {
        Closed { reason: CloseReason::ConnectFailed, errno }
    }
}

/// What a write says of the queue it went to. The bytes are accepted in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a writer that ignores pressure fills the queue up to its hard limit"]
pub enum Pressure {
    /// Go on writing.
    Low,
    /// The queue is above the high-water mark: better wait for `on_drain`.
    High,
}

/// What became of a write with a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Completed {
    /// The kernel has taken its last byte. That the peer has it, only an answer of the peer's can tell.
    Sent = 0,
    /// The connection ended, or was detached, before.
    Cancelled = 1,
}

/// What a write with a completion calls, exactly once, on the connection's loop and never from inside the
/// write.
pub type Completion = Box<dyn Complete>;

/// A function for the end of a write, and what it takes while it waits. Whoever has more on the heap than the closure, and
/// wants that counted, says so.
pub trait Complete: Send + 'static {
    /// Calls it.
    fn call(self: Box<Self>, completed: Completed);

    /// Bytes of memory, the same whenever it is asked.
    fn memory(&self) -> usize;
}

impl<F: FnOnce(Completed) + Send + 'static> Complete for F {
    fn call(self: Box<Self>, completed: Completed) {
        (*self)(completed);
    }

    /// What it has captured.
    fn memory(&self) -> usize {
        size_of::<F>()
    }
}

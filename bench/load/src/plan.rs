//! What is to be measured: the arguments, checked.

use std::time::Duration;

use clap::ValueEnum;

use crate::script::Script;
use crate::target::{Dialler, Target};
use crate::watch::Watch;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Mode {
    /// Each connection keeps --depth requests outstanding
    Closed,
    /// Requests are sent when they are due, at --rate, whether or not earlier ones are answered
    Open,
    /// Connect, one request, its answer, reset; --connections at a time
    Churn,
    /// How much memory a connection takes that is served once and then stays silent
    Idle,
    /// One connection sends, all receive
    Broadcast,
}

impl Mode {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Churn => "churn",
            Self::Idle => "idle",
            Self::Broadcast => "broadcast",
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Protocol {
    /// Every byte comes back
    Raw,
    /// Four bytes of length and a body, which come back
    Frames,
    /// Frames that say how long the answer is to be
    Answers,
    /// GET / by HTTP/1.1
    Http,
}

/// What ends the measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extent {
    /// So long, after a warm-up.
    Time { warmup: Duration, duration: Duration },
    /// So many requests, the first one included.
    Requests(u64),
}

/// One run.
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) target: Target,
    pub(crate) connections: u64,
    /// Requests that are outstanding on each connection.
    pub(crate) depth: u64,
    /// Requests per second over all connections.
    pub(crate) rate: f64,
    pub(crate) extent: Extent,
    /// Connections more that are served once and then stay silent.
    pub(crate) idle: u64,
    /// Connections more that ask for much and read little.
    pub(crate) slow_readers: u64,
    /// Connections more that begin a message and never end it, and come again when they are cut off.
    pub(crate) hoarders: u64,
    pub(crate) protocol: Protocol,
    /// Length of a request's body in bytes, and of an answer's where it is another.
    pub(crate) size: usize,
    pub(crate) reply_size: usize,
    /// What an HTTP answer's body must be.
    pub(crate) body: String,
    /// Whether batches of datagrams leave and arrive as one.
    pub(crate) offload: bool,
    pub(crate) sources: u32,
    pub(crate) watch: Option<Watch>,
    pub(crate) timeout: Duration,
}

impl Plan {
    /// What is asked, and what must be answered.
    pub(crate) fn script(&self) -> Script {
        let depth = self.depth as usize;
        match self.protocol {
            Protocol::Raw => Script::raw(self.size, depth),
            Protocol::Frames => Script::frames(self.size, depth),
            Protocol::Answers => Script::answers(self.size, self.reply_size, depth),
            Protocol::Http => Script::http(&self.target.host(), &self.body, depth),
        }
    }

    pub(crate) fn dialler(&self) -> Dialler {
        Dialler::new(self.target.clone(), self.sources, self.timeout)
    }
}

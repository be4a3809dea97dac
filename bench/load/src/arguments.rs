//! The command line.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::datagrams;
use crate::failure::Failure;
use crate::plan::{Extent, Mode, Plan, Protocol};
use crate::target::Target;
use crate::watch::Watch;

/// The largest body of a frame.
pub(crate) const LARGEST_FRAME: usize = 4 * 1024 * 1024;

/// The largest message that is none: more would be a matter of memory only.
const LARGEST_MESSAGE: usize = 1024 * 1024 * 1024;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Offload {
    /// A batch leaves as one piece that the system takes apart (UDP_SEGMENT), and what a server sends so arrives as one
    /// piece (UDP_GRO)
    On,
    /// Each datagram passes through the system as one (sendmmsg, recvmmsg)
    Off,
}

/// Asks a server, checks every answer, and prints what it measured as one JSON object.
#[derive(Parser)]
#[command(name = "load", version)]
pub(crate) struct Arguments {
    /// tcp://HOST:PORT, udp://HOST:PORT or unix://PATH
    #[arg(long)]
    target: Target,
    #[arg(long, value_enum, default_value = "closed")]
    pub(crate) mode: Mode,
    #[arg(long, value_enum, default_value = "raw")]
    protocol: Protocol,
    /// Connections that ask
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    connections: u64,
    /// Length of a message's body in bytes
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// answers: length of an answer's body in bytes
    #[arg(long, default_value_t = 64)]
    reply_size: usize,
    /// http: the body that an answer must have
    #[arg(long, default_value = "Hello, world!")]
    body: String,
    /// Requests outstanding on each connection
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=32_768))]
    depth: u64,
    /// open: requests per second over all connections
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds before it counts
    #[arg(long, default_value = "0.2", value_parser = seconds)]
    warmup: Duration,
    /// Seconds that count
    #[arg(long, default_value = "1", value_parser = seconds)]
    duration: Duration,
    /// Ends after so many answered requests instead, without a warm-up
    #[arg(long, conflicts_with_all = ["warmup", "duration"], value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Connects from so many addresses, 127.0.0.1 and those that follow
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..16_777_214))]
    sources: u32,
    /// Connections more, each served once and silent since; in mode idle as many as this, or as --connections
    #[arg(long, default_value_t = 0)]
    idle: u64,
    /// Connections more that ask for much and read little
    #[arg(long, default_value_t = 0)]
    slow_readers: u64,
    /// frames: connections more that begin a message and never end it, and come again when they are cut off
    #[arg(long, default_value_t = 0)]
    hoarders: u64,
    /// udp: how a batch of datagrams passes through the system; off as well where the kernel refuses it
    #[arg(long, value_enum, default_value = "on")]
    offload: Offload,
    /// Process whose processor time and memory are read
    #[arg(long)]
    watch: Option<u32>,
    /// Seconds without any answer that are an error
    #[arg(long, default_value = "10", value_parser = seconds)]
    timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Arguments {
    /// What they ask for, if they fit together.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        self.check_mode()?;
        self.check_sizes()?;
        Ok(Plan {
            mode: self.mode,
            target: self.target.clone(),
            connections: self.connections,
            depth: self.depth,
            idle: self.idle,
            slow_readers: self.slow_readers,
            hoarders: self.hoarders,
            protocol: self.protocol,
            size: self.size,
            reply_size: self.reply_size,
            body: self.body.clone(),
            rate: self.rate.unwrap_or_default(),
            extent: match self.requests {
                Some(count) => Extent::Requests(count),
                None => Extent::Time { warmup: self.warmup, duration: self.duration },
            },
            offload: self.offload == Offload::On,
            sources: self.sources,
            watch: self.watch.map(Watch::new).transpose()?,
            timeout: self.timeout,
        })
    }

    fn check_mode(&self) -> Result<(), Failure> {
        let datagrams = matches!(self.target, Target::Udp(_));
        let background = self.idle + self.slow_readers + self.hoarders > 0;
        let wrong = match self.mode {
            Mode::Open if !self.rate.is_some_and(|rate| rate > 0.0) => "--mode open needs a --rate above 0",
            Mode::Idle if self.watch.is_none() => "--mode idle needs --watch",
            Mode::Broadcast if self.protocol != Protocol::Raw => "--mode broadcast has no protocol but raw",
            Mode::Broadcast if background => "--mode broadcast has no connections beside those that listen",
            Mode::Churn | Mode::Idle | Mode::Broadcast if datagrams => {
                "this mode needs connections, not datagrams"
            }
            _ if self.hoarders > 0 && self.protocol != Protocol::Frames => {
                "hoarders have no protocol but frames"
            }
            _ if datagrams && self.protocol != Protocol::Raw => "datagrams have no protocol but raw",
            _ if datagrams && background => "datagrams have no connections beside them",
            _ => return Ok(()),
        };
        Err(Failure::usage(wrong))
    }

    fn check_sizes(&self) -> Result<(), Failure> {
        let (least, most) = match (&self.target, self.protocol) {
            (Target::Udp(_), _) => (datagrams::SEQUENCE, datagrams::LARGEST),
            (_, Protocol::Raw) => (1, LARGEST_MESSAGE),
            (_, Protocol::Frames | Protocol::Http) => (0, LARGEST_FRAME),
            (_, Protocol::Answers) => (5, LARGEST_FRAME),
        };
        if self.size < least || self.size > most || self.reply_size > LARGEST_FRAME {
            return Err(Failure::usage(format!("--size must be from {least} to {most} bytes here")));
        }
        Ok(())
    }
}

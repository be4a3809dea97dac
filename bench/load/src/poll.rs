//! Waiting for sockets.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::Timespec;
use rustix::io::{read, Errno};
use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
};

use crate::failure::Failure;

/// How often a waiting loop looks at the clock. A timer of its own instead of a limit on each wait: this costs
/// nothing while there is something to do.
const TICK: Duration = Duration::from_millis(10);

/// Events taken at a time.
const BATCH: usize = 512;

/// The token of the tick.
pub(crate) const TICKED: u64 = u64::MAX;

/// What a socket waits for.
#[derive(Clone, Copy)]
pub(crate) enum Interest {
    Read,
    ReadWrite,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN,
            Self::ReadWrite => EventFlags::IN | EventFlags::OUT,
        }
    }
}

/// One socket that is ready, or the tick.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    flags: EventFlags,
}

impl Ready {
    /// There are bytes, the end, or an error.
    pub(crate) fn readable(self) -> bool {
        self.flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
    }

    /// Writing goes on.
    pub(crate) fn writable(self) -> bool {
        self.flags.contains(EventFlags::OUT)
    }
}

/// Level-triggered: one receive per event is enough, since what was left is reported again.
pub(crate) struct Poll {
    epoll: OwnedFd,
    ticker: OwnedFd,
}

impl Poll {
    pub(crate) fn new() -> Result<Self, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Failure::system("epoll_create1"))?;
        let ticker = ticker().map_err(Failure::system("timerfd"))?;
        let poll = Self { epoll, ticker };
        poll.add(&poll.ticker, TICKED).map_err(Failure::system("epoll_ctl"))?;
        Ok(poll)
    }

    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), Interest::Read.flags())
    }

    pub(crate) fn change(&self, socket: impl AsFd, token: u64, interest: Interest) -> Result<(), Errno> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest.flags())
    }

    /// Waits until something is ready.
    pub(crate) fn wait(&self, events: &mut Events) -> Result<(), Failure> {
        self.take(events, None)
    }

    /// Takes what is ready now, or within `limit`.
    pub(crate) fn wait_for(&self, events: &mut Events, limit: Duration) -> Result<(), Failure> {
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        self.take(events, Some(&limit))
    }

    fn take(&self, events: &mut Events, limit: Option<&Timespec>) -> Result<(), Failure> {
        events.count = match epoll::wait(&self.epoll, &mut events.batch[..], limit) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(Failure::system("epoll_wait")(errno)),
        };
        // The timer goes on only when it has been read.
        if events.iter().any(|ready| ready.token == TICKED) {
            read(&self.ticker, &mut [0; 8][..]).map_err(Failure::system("timerfd"))?;
        }
        Ok(())
    }
}

fn ticker() -> Result<OwnedFd, Errno> {
    let ticker = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
    let times = Itimerspec { it_interval: tick, it_value: tick };
    timerfd_settime(&ticker, TimerfdTimerFlags::empty(), &times)?;
    Ok(ticker)
}

/// The events of one wait.
pub(crate) struct Events {
    batch: Vec<Event>,
    count: usize,
}

impl Events {
    pub(crate) fn new() -> Self {
        let empty = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Self { batch: vec![empty; BATCH], count: 0 }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        self.batch[..self.count].iter().map(|event| Ready { token: event.data.u64(), flags: event.flags })
    }
}

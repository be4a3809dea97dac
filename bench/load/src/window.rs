//! The window of time that is measured.

use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

use crate::clock::{nanoseconds, Nanoseconds};
use crate::connection::Shared;
use crate::failure::Failure;
use crate::plan::{Extent, Plan};
use crate::watch::Watch;

/// Which requests belong to the window.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Belonging {
    /// Those that are answered in it.
    Answered,
    /// Those that are due in it, whenever they are answered.
    Due,
}

/// Processor time at one moment.
#[derive(Clone, Copy, Default)]
struct Used {
    server: Option<Duration>,
    load: Duration,
}

/// What the window's two ends say.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) server_cpu: Option<f64>,
    pub(crate) load_cpu: f64,
}

/// Where the window is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Phase {
    Warming,
    Open,
    Closed,
}

/// Opens and closes by the clock, or when it is told that all requests are answered.
pub(crate) struct Window {
    extent: Extent,
    belonging: Belonging,
    watch: Option<Watch>,
    phase: Phase,
    /// When the phase ends.
    until: Nanoseconds,
    opened: Nanoseconds,
    used: Used,
    measured: Measured,
}

impl Window {
    /// Begins the warm-up now; without one, the window is open.
    pub(crate) fn begin(plan: &Plan, belonging: Belonging, shared: &mut Shared) -> Result<Self, Failure> {
        let extent = plan.extent;
        let mut window = Self {
            extent,
            belonging,
            watch: plan.watch.clone(),
            phase: Phase::Warming,
            until: 0,
            opened: 0,
            used: Used::default(),
            measured: Measured::default(),
        };
        match extent {
            Extent::Time { warmup, .. } => window.until = shared.clock.now() + nanoseconds(warmup),
            Extent::Requests(_) => window.open(shared)?,
        }
        Ok(window)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// When the phase ends by the clock.
    pub(crate) fn until(&self) -> Nanoseconds {
        self.until
    }

    /// How many requests there may be in all.
    pub(crate) fn budget(&self) -> u64 {
        match self.extent {
            Extent::Requests(count) => count,
            Extent::Time { .. } => u64::MAX,
        }
    }

    /// The warm-up is over at `now`, if its time has come.
    pub(crate) fn open_if_due(&mut self, now: Nanoseconds, shared: &mut Shared) -> Result<(), Failure> {
        if self.phase == Phase::Warming && now >= self.until {
            self.open(shared)?;
        }
        Ok(())
    }

    /// Whether the window is open and its time is over.
    pub(crate) fn due_to_close(&self, now: Nanoseconds) -> bool {
        self.phase == Phase::Open && now >= self.until
    }

    fn open(&mut self, shared: &mut Shared) -> Result<(), Failure> {
        self.used = self.used_now()?;
        self.phase = Phase::Open;
        self.opened = shared.clock.now();
        self.until = match self.extent {
            Extent::Time { duration, .. } => self.opened + nanoseconds(duration),
            Extent::Requests(_) => Nanoseconds::MAX,
        };
        shared.tally.open(if self.belonging == Belonging::Due { self.opened } else { 0 });
        Ok(())
    }

    /// Ends the measurement as of `now`.
    pub(crate) fn close(&mut self, now: Nanoseconds, shared: &mut Shared) -> Result<(), Failure> {
        let used = self.used_now()?;
        let since = |then: Duration, now: Duration| now.saturating_sub(then).as_secs_f64();
        self.measured = Measured {
            seconds: (now - self.opened) as f64 / 1e9,
            server_cpu: self.used.server.zip(used.server).map(|(then, now)| since(then, now)),
            load_cpu: since(self.used.load, used.load),
        };
        self.phase = Phase::Closed;
        shared.tally.close();
        Ok(())
    }

    /// Ends the measurement when what was due in it is answered, but not before its time.
    pub(crate) fn close_when_answered(&mut self, shared: &mut Shared) -> Result<(), Failure> {
        let least = if self.until == Nanoseconds::MAX { self.opened } else { self.until };
        self.close(shared.tally.last_answer.max(least), shared)
    }

    /// Ends the measurement with the last answer, if it has not ended by the clock.
    pub(crate) fn close_with_last_answer(&mut self, shared: &mut Shared) -> Result<(), Failure> {
        if self.phase == Phase::Open {
            self.close(shared.tally.last_answer.max(self.opened), shared)?;
        }
        Ok(())
    }

    pub(crate) fn measured(&self) -> Measured {
        self.measured
    }

    fn used_now(&self) -> Result<Used, Failure> {
        let load = clock_gettime(ClockId::ProcessCPUTime);
        let server = self.watch.as_ref().map(Watch::processor_time).transpose()?;
        Ok(Used { server, load: Duration::new(load.tv_sec as u64, load.tv_nsec as u32) })
    }
}

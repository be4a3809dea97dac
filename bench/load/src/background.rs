//! Connections that are only there while others are measured.

use crate::clock::Clock;
use crate::failure::Failure;
use crate::hoarders::Hoarders;
use crate::idle::IdleConnections;
use crate::plan::Plan;
use crate::slow_readers::SlowReaders;
use crate::tally::Tally;

/// Those that are silent, and those that read slowly: what they get is checked, but does not count. And those that send what has no end.
pub(crate) struct Background {
    idle: Option<IdleConnections>,
    slow: Option<SlowReaders>,
    hoarders: Option<Hoarders>,
}

impl Background {
    /// Connects what is planned of them.
    pub(crate) fn begin(plan: &Plan, clock: Clock) -> Result<Self, Failure> {
        let idle = (plan.idle > 0).then(|| IdleConnections::hold(plan.idle, plan, clock)).transpose()?;
        let slow = (plan.slow_readers > 0).then(|| SlowReaders::begin(plan, clock)).transpose()?;
        let hoarders = (plan.hoarders > 0).then(|| Hoarders::begin(plan)).transpose()?;
        Ok(Self { idle, slow, hoarders })
    }

    /// Every hundredth of a second.
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        if let Some(slow) = &mut self.slow {
            slow.tick();
        }
        self.hoarders.as_mut().map_or(Ok(()), Hoarders::tick)
    }

    /// Adds to `tally` what went wrong with them, and what of the hoarders should.
    pub(crate) fn finish(self, tally: &mut Tally) -> Result<(), Failure> {
        if let Some(mut idle) = self.idle {
            tally.add_faults(idle.check()?);
        }
        if let Some(slow) = &self.slow {
            tally.add_faults(slow.tally());
        }
        if let Some(hoarders) = &self.hoarders {
            hoarders.finish(tally);
        }
        Ok(())
    }
}

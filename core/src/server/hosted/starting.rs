//! The start of a server that its host drives.

use super::Hosted;
use crate::base::error::{Error, ErrorKind, Result};
use crate::server::Server;
use crate::shared::seed::Seed;
use crate::shared::server::{lock, Phase};
use crate::sys::fork;
use crate::sys::poller::TimerDescriptor;

impl Server {
    /// Starts a server of one loop without a thread: its host, the calling thread, polls
    /// [`Hosted::poll_fd`] and calls [`Hosted::turn`], in the first of which `on_start` is called. Only looking
    /// up names uses a thread.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the server was not made with `loops: 1`; [`ErrorKind::WrongState`] if
    /// it was started before; [`ErrorKind::System`] when descriptors have run out;
    /// [`ErrorKind::Unsupported`] where the loop waits by poll(2), which has no descriptor.
    pub fn start_hosted(&self) -> Result<Hosted> {
        self.start_hosted_by(Self::start_hosted_phases)
    }

    /// As [`start_hosted`](Self::start_hosted), but calls `on_start` now, as [`start`](Self::start) does: refusing the start
    /// leaves the server as it was. For bindings of which one call starts a server, whoever drives it.
    ///
    /// # Errors
    /// As both.
    #[doc(hidden)]
    pub fn start_hosted_now(&self) -> Result<Hosted> {
        self.start_hosted_by(Self::start_hosted_phases_now)
    }

    fn start_hosted_by(&self, start: fn(&Self) -> Result<Hosted>) -> Result<Hosted> {
        let shared = &self.handle.shared;
        if shared.config.loops != 1 {
            let message = format!("a host can drive one loop, not {}: set loops to 1", shared.config.loops);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        shared.begin_start()?;
        let hosted = start(self);
        if hosted.is_err() {
            shared.end_start(false);
        } else {
            lock(&self.delivery).take();
        }
        hosted
    }

    fn start_hosted_phases(&self) -> Result<Hosted> {
        let (timer, seed) = self.prepare_hosted()?;
        Ok(Hosted::new(self.handle.clone(), self.delivery()?, seed, timer))
    }

    fn start_hosted_phases_now(&self) -> Result<Hosted> {
        let delivery = self.delivery()?;
        let (timer, seed) = self.prepare_hosted()?;
        let process = fork::process();
        let started = self.call_on_start(&*delivery);
        if !fork::is_still(process) {
            std::mem::forget((timer, seed));
            return Err(self.handle.shared.left_to(process));
        }
        if let Err(error) = started {
            self.put_back(vec![seed]);
            return Err(error);
        }
        let mut hosted = Hosted::new(self.handle.clone(), delivery, seed, timer);
        hosted.on_start_was_called();
        // From here on the server runs, though the first turn is still to come: who closes a listener closes one that serves.
        self.handle.shared.place_listeners(Phase::Hosted);
        Ok(hosted)
    }

    /// The one loop's seed, with the timer that its host is told of.
    fn prepare_hosted(&self) -> Result<(TimerDescriptor, Seed)> {
        // Before the seeds: what fails after them would lose them.
        let timer = Hosted::timer()?;
        let mut seeds = self.handle.shared.take_seeds()?;
        if let Err(error) = Hosted::prepare(&timer, &seeds) {
            self.handle.shared.put_seeds_back(seeds);
            return Err(error);
        }
        let seed = seeds.pop().ok_or_else(|| Error::new(ErrorKind::Internal, "a server without a loop"))?;
        Ok((timer, seed))
    }
}

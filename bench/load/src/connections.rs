//! The connections that ask.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::clients::Clients;
use crate::clock::{nanoseconds, Nanoseconds};
use crate::connection::{Connection, Shared};
use crate::failure::{Broken, Failure};
use crate::plan::Plan;
use crate::poll::Ready;

/// Connections that each have their index as token, and as their part of the script.
pub(crate) struct Connections {
    /// None where one broke.
    list: Vec<Option<Connection>>,
    outstanding: u64,
    timeout: Duration,
    begun: Nanoseconds,
}

impl Connections {
    pub(crate) fn new(timeout: Duration, shared: &Shared) -> Self {
        Self { list: Vec::new(), outstanding: 0, timeout, begun: shared.clock.now() }
    }

    /// Connects as many as planned.
    pub(crate) fn dial(plan: &Plan, shared: &Shared) -> Result<Self, Failure> {
        let mut dialler = plan.dialler();
        let mut connections = Self::new(plan.timeout, shared);
        for _ in 0..plan.connections {
            connections.add(dialler.lasting(), shared)?;
        }
        connections.begun = shared.clock.now();
        Ok(connections)
    }

    /// One more.
    pub(crate) fn add(&mut self, dialled: Result<OwnedFd, Errno>, shared: &Shared) -> Result<(), Failure> {
        let token = self.list.len() as u64;
        let connection =
            dialled.and_then(|socket| Connection::new(socket, token, token, shared)).map_err(|errno| {
                Failure::measurement(format!("connection {}: cannot connect: {errno}", token + 1))
            })?;
        self.list.push(Some(connection));
        Ok(())
    }

    fn give_up(&mut self, index: usize, broken: &Broken, shared: &mut Shared) {
        if let Some(connection) = self.list[index].take() {
            let unanswered = connection.outstanding();
            self.outstanding -= unanswered;
            shared.tally.error(broken, unanswered.max(1));
        }
    }
}

impl Clients for Connections {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn outstanding(&self) -> u64 {
        self.outstanding
    }

    #[inline]
    fn queue(&mut self, index: usize, count: u64, at: Nanoseconds, shared: &mut Shared) {
        match &mut self.list[index] {
            Some(connection) => {
                self.outstanding += count;
                connection.queue(count, at, shared);
            }
            None => shared.tally.error(Broken::Closed, count),
        }
    }

    #[inline]
    fn flush(&mut self, index: usize, shared: &mut Shared) -> Result<(), Failure> {
        let Some(connection) = &mut self.list[index] else { return Ok(()) };
        if let Err(broken) = connection.flush(shared) {
            self.give_up(index, &broken, shared);
        }
        Ok(())
    }

    #[inline]
    fn ready(&mut self, ready: Ready, shared: &mut Shared) -> Result<u64, Failure> {
        let index = ready.token as usize;
        let Some(connection) = &mut self.list[index] else { return Ok(0) };
        let before = connection.outstanding();
        let result = connection.ready(ready, shared);
        self.outstanding -= before - connection.outstanding();
        if let Err(broken) = &result {
            self.give_up(index, broken, shared);
        }
        Ok(result.unwrap_or(0))
    }

    fn tick(&mut self, draining: bool, shared: &mut Shared) -> Result<Nanoseconds, Failure> {
        let now = shared.clock.now();
        let heard = shared.tally.last_answer.max(self.begun);
        if self.outstanding == 0 || now.saturating_sub(heard) < nanoseconds(self.timeout) {
            return Ok(now);
        }
        let silence =
            format!("no answer for {} s ({} outstanding)", self.timeout.as_secs_f64(), self.outstanding);
        if !draining {
            return Err(Failure::measurement(silence));
        }
        shared.tally.error(silence, self.outstanding);
        self.outstanding = 0;
        Ok(now)
    }
}

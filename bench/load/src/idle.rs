//! Connections that were served once and then stay silent, and the memory that they take.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::connection::Shared;
use crate::connections::Connections;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::poll::{Events, TICKED};
use crate::report::{Memory, Report};
use crate::tally::Tally;
use crate::watch::Watch;
use crate::window::{Belonging, Window};

/// Connections that are made before the server must have served them.
const BATCH: u64 = 64;

/// Descriptors that either side may need for something else.
const SPARE: u64 = 256;

/// Memory is steady when it has been the same so many times in a row,
const SAME: usize = 5;
/// looked at so often,
const LOOK: Duration = Duration::from_millis(40);
/// or when it has not become so for so many looks.
const PATIENCE: usize = 125;

/// Connections that are open and silent.
pub(crate) struct IdleConnections {
    shared: Shared,
    connections: Connections,
    events: Events,
}

impl IdleConnections {
    /// Connects `count`, and serves each once.
    pub(crate) fn hold(count: u64, plan: &Plan, clock: Clock) -> Result<Self, Failure> {
        let shared = Shared::new(plan.script(), clock)?;
        let connections = Connections::new(plan.timeout, &shared);
        let mut idle = Self { shared, connections, events: Events::new() };
        idle.shared.tally.open(0);
        let mut dialler = plan.dialler();
        for number in 0..count {
            idle.connections.add(dialler.abortive(), &idle.shared)?;
            let now = idle.shared.clock.now();
            idle.connections.queue(number as usize, 1, now, &mut idle.shared);
            idle.connections.flush(number as usize, &mut idle.shared)?;
            if idle.connections.outstanding() == BATCH || number + 1 == count {
                idle.served()?;
            }
        }
        Ok(idle)
    }

    /// Waits until all have been.
    fn served(&mut self) -> Result<(), Failure> {
        while self.connections.outstanding() > 0 {
            self.shared.poll.wait(&mut self.events)?;
            self.take_events()?;
        }
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), Failure> {
        for ready in self.events.iter() {
            if ready.token == TICKED {
                self.connections.tick(false, &mut self.shared)?;
            } else {
                self.connections.ready(ready, &mut self.shared)?;
            }
        }
        Ok(())
    }

    /// Looks whether all are still open and silent. Returns the account of them.
    pub(crate) fn check(&mut self) -> Result<&Tally, Failure> {
        self.shared.poll.wait_for(&mut self.events, Duration::ZERO)?;
        self.take_events()?;
        Ok(&self.shared.tally)
    }
}

/// Measures the memory of an idle connection.
pub(crate) fn run(plan: &Plan, watch: &Watch, shared: &mut Shared) -> Result<Report, Failure> {
    let count = held(plan)?;
    // What the server needs once, for its first connection, is no connection's.
    drop(IdleConnections::hold(1, plan, shared.clock)?);
    let before = steady(watch)?;
    let mut window = Window::begin(plan, Belonging::Answered, shared)?;
    window.open_if_due(window.until(), shared)?;
    let mut idle = IdleConnections::hold(count, plan, shared.clock)?;
    window.close(idle.shared.tally.last_answer, shared)?;
    let memory = Memory { before, after: steady(watch)? };
    idle.check()?;
    let report = Report::new("idle", count, &idle.shared.tally, window.measured()).with_memory(memory);
    shared.tally = idle.shared.tally;
    Ok(report)
}

/// As many as are wanted, or as there are descriptors for.
fn held(plan: &Plan) -> Result<u64, Failure> {
    let wanted = if plan.idle > 0 { plan.idle } else { plan.connections };
    let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(wanted) };
    let most = limit.saturating_sub(SPARE);
    if wanted > most {
        eprintln!("load: {wanted} connections are more than the limit of descriptors allows: holding {most}");
    }
    Ok(wanted.min(most))
}

/// Raises the limit of descriptors as far as this user may.
pub(crate) fn raise_descriptor_limit() -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(Failure::system("RLIMIT_NOFILE"))
}

/// Resident memory when it no longer changes.
fn steady(watch: &Watch) -> Result<u64, Failure> {
    let (mut last, mut same) = (watch.resident()?, 1);
    for _ in 0..PATIENCE {
        sleep(LOOK);
        let resident = watch.resident()?;
        same = if resident == last { same + 1 } else { 1 };
        last = resident;
        if same == SAME {
            break;
        }
    }
    Ok(last)
}

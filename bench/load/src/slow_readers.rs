//! Connections that ask for much and read little.

use crate::clock::Clock;
use crate::connection::{Connection, Shared};
use crate::failure::{Broken, Failure};
use crate::plan::Plan;
use crate::tally::Tally;

/// Bytes of requests that may be without an answer on one of them: more than sockets and servers keep.
const ASKED: usize = 16 * 1024 * 1024;

/// Bytes of requests that one of them asks at a time.
const ASK: usize = 1024 * 1024;

/// Bytes that one of them reads at a time, a hundred times a second.
const READ: usize = 4096;

/// Driven by ticks alone, without a poller.
pub(crate) struct SlowReaders {
    shared: Shared,
    list: Vec<Option<Connection>>,
}

impl SlowReaders {
    /// Connects them, and asks for the first.
    pub(crate) fn begin(plan: &Plan, clock: Clock) -> Result<Self, Failure> {
        let shared = Shared::new(plan.script(), clock)?;
        let mut dialler = plan.dialler();
        let mut list = Vec::new();
        for token in 0..plan.slow_readers {
            let socket = dialler.lasting().map_err(Failure::system("cannot connect a slow reader"))?;
            list.push(Some(Connection::unpolled(socket, token, token, &shared)));
        }
        Ok(Self { shared, list })
    }

    /// Each sends as much as is taken, and reads a little.
    pub(crate) fn tick(&mut self) {
        for slot in &mut self.list {
            let Some(connection) = slot else { continue };
            if let Err(broken) = turn(connection, &mut self.shared) {
                self.shared.tally.error(format!("slow reader: {broken}"), 1);
                *slot = None;
            }
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.shared.tally
    }
}

fn turn(connection: &mut Connection, shared: &mut Shared) -> Result<(), Broken> {
    let requests = |bytes: usize| (bytes / shared.script.request).max(1) as u64;
    let more = requests(ASKED).saturating_sub(connection.outstanding()).min(requests(ASK));
    connection.queue(more, shared.clock.now(), shared);
    connection.send(&shared.script)?;
    connection.receive(READ, shared).map(drop)
}

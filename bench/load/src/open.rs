//! Open loop: requests come when they are due, whatever has become of the earlier ones.

use std::num::NonZeroU64;
use std::time::Duration;

use rustix::thread::set_current_timer_slack;

use crate::background::Background;
use crate::clients::Clients;
use crate::clock::Nanoseconds;
use crate::connection::Shared;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::poll::{Events, TICKED};
use crate::window::{Belonging, Measured, Phase, Window};

/// A sleep may take so much longer than it should: the rest of a wait is spent looking.
const OVERSLEEP: Nanoseconds = 100_000;

/// When each request is due.
struct Schedule {
    start: Nanoseconds,
    /// Nanoseconds between two requests.
    interval: f64,
    /// The next one's number.
    next: u64,
    /// Requests in all.
    count: u64,
    /// None is due from here on.
    end: Nanoseconds,
}

impl Schedule {
    /// When the next one is due, if there is one.
    fn due(&self) -> Option<Nanoseconds> {
        let due = self.start + (self.next as f64 * self.interval) as Nanoseconds;
        (self.next < self.count && due < self.end).then_some(due)
    }
}

/// Measures how long a request takes from when it was due, so that a server that stalls is charged for all that
/// would have come meanwhile. The window ends when all that were due in it are answered.
pub(crate) fn run(
    plan: &Plan,
    clients: &mut impl Clients,
    background: &mut Background,
    shared: &mut Shared,
) -> Result<Measured, Failure> {
    set_current_timer_slack(NonZeroU64::new(1)).map_err(Failure::system("PR_SET_TIMERSLACK"))?;
    let mut window = Window::begin(plan, Belonging::Due, shared)?;
    let start = shared.clock.now();
    let (interval, count) = (1e9 / plan.rate, window.budget());
    let mut schedule = Schedule { start, interval, next: 0, count, end: Nanoseconds::MAX };
    let mut events = Events::new();
    let mut asking = true;
    while asking || clients.outstanding() > 0 {
        let now = shared.clock.now();
        window.open_if_due(now, shared)?;
        if window.phase() == Phase::Open {
            schedule.end = window.until();
        }
        ask_due(now, &mut schedule, clients, shared)?;
        asking = schedule.due().is_some();
        wait(now, &schedule, &mut events, shared)?;
        for ready in events.iter() {
            if ready.token == TICKED {
                background.tick()?;
                clients.tick(!asking, shared)?;
            } else {
                clients.ready(ready, shared)?;
            }
        }
    }
    window.close_when_answered(shared)?;
    Ok(window.measured())
}

/// Queues all that are due on their connections, and then sends: so one that fell behind catches up in few calls.
fn ask_due(
    now: Nanoseconds,
    schedule: &mut Schedule,
    clients: &mut impl Clients,
    shared: &mut Shared,
) -> Result<(), Failure> {
    let (first, count) = (schedule.next, clients.count() as u64);
    while let Some(due) = schedule.due().filter(|due| *due <= now) {
        clients.queue((schedule.next % count) as usize, 1, due, shared);
        schedule.next += 1;
    }
    for number in first..schedule.next.min(first + count) {
        clients.flush((number % count) as usize, shared)?;
    }
    Ok(())
}

fn wait(now: Nanoseconds, schedule: &Schedule, events: &mut Events, shared: &Shared) -> Result<(), Failure> {
    let Some(due) = schedule.due() else {
        return shared.poll.wait(events);
    };
    let rest = due.saturating_sub(now + OVERSLEEP);
    shared.poll.wait_for(events, Duration::from_nanos(rest))
}

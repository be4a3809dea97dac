//! Closed loop: every connection keeps so many requests outstanding.

use crate::background::Background;
use crate::clients::Clients;
use crate::connection::Shared;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::poll::{Events, TICKED};
use crate::window::{Belonging, Measured, Phase, Window};

/// Measures how fast the server answers when it is asked as fast as it answers.
pub(crate) fn run(
    plan: &Plan,
    clients: &mut impl Clients,
    background: &mut Background,
    shared: &mut Shared,
) -> Result<Measured, Failure> {
    let mut window = Window::begin(plan, Belonging::Answered, shared)?;
    let mut budget = window.budget();
    ask_all(clients, plan.depth, &mut budget, shared)?;
    let mut events = Events::new();
    while clients.outstanding() > 0 {
        shared.poll.wait(&mut events)?;
        let mut ticked = 0;
        for ready in events.iter() {
            if ready.token == TICKED {
                background.tick()?;
                ticked = clients.tick(window.phase() == Phase::Closed, shared)?;
                continue;
            }
            let more = clients.ready(ready, shared)?.min(budget);
            if more > 0 {
                budget -= more;
                clients.queue(ready.token as usize, more, shared.tally.last_answer, shared);
                clients.flush(ready.token as usize, shared)?;
            }
        }
        let now = shared.tally.last_answer.max(ticked);
        window.open_if_due(now, shared)?;
        if window.due_to_close(now) {
            window.close(now, shared)?;
            budget = 0;
        }
    }
    window.close_with_last_answer(shared)?;
    Ok(window.measured())
}

fn ask_all(
    clients: &mut impl Clients,
    depth: u64,
    budget: &mut u64,
    shared: &mut Shared,
) -> Result<(), Failure> {
    let now = shared.clock.now();
    for index in 0..clients.count() {
        let first = depth.min(*budget);
        *budget -= first;
        clients.queue(index, first, now, shared);
        clients.flush(index, shared)?;
    }
    Ok(())
}

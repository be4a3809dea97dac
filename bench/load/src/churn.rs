//! Connections that live for one request.

use crate::background::Background;
use crate::clock::nanoseconds;
use crate::connection::{Connection, Shared};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::poll::{Events, Ready, TICKED};
use crate::target::Dialler;
use crate::window::{Belonging, Measured, Window};

/// So many connections at a time, each in a slot whose index is its token.
struct Churn {
    dialler: Dialler,
    slots: Vec<Option<Connection>>,
    /// Connections made so far.
    made: u64,
    /// Connections that may still be made.
    budget: u64,
    open: usize,
}

impl Churn {
    /// Connects and asks in slot `index`, if there is budget. Latency counts from before it connects.
    fn make(&mut self, index: usize, shared: &mut Shared) -> Result<(), Failure> {
        if self.budget == 0 {
            return Ok(());
        }
        self.budget -= 1;
        let now = shared.clock.now();
        let (part, token) = (self.made, index as u64);
        let dialled = self.dialler.abortive().and_then(|socket| Connection::new(socket, token, part, shared));
        let mut connection = dialled.map_err(|errno| {
            Failure::measurement(format!("connection {}: cannot connect: {errno}", part + 1))
        })?;
        self.made += 1;
        if let Err(broken) = connection.ask(1, now, shared) {
            shared.tally.error(broken, 1);
        }
        self.slots[index] = Some(connection);
        self.open += 1;
        Ok(())
    }

    /// Takes the answer, resets the connection and makes the next.
    fn ready(&mut self, ready: Ready, shared: &mut Shared) -> Result<(), Failure> {
        let index = ready.token as usize;
        let Some(connection) = &mut self.slots[index] else { return Ok(()) };
        match connection.ready(ready, shared) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(broken) => shared.tally.error(broken, 1),
        }
        self.slots[index] = None;
        self.open -= 1;
        self.make(index, shared)
    }
}

/// Measures how fast the server takes, serves and forgets connections.
pub(crate) fn run(
    plan: &Plan,
    background: &mut Background,
    shared: &mut Shared,
) -> Result<Measured, Failure> {
    let slots = (0..plan.connections).map(|_| None).collect();
    let mut window = Window::begin(plan, Belonging::Answered, shared)?;
    let mut churn = Churn { dialler: plan.dialler(), slots, made: 0, budget: window.budget(), open: 0 };
    for index in 0..churn.slots.len() {
        churn.make(index, shared)?;
    }
    let mut events = Events::new();
    while churn.open > 0 {
        shared.poll.wait(&mut events)?;
        let mut ticked = 0;
        for ready in events.iter() {
            if ready.token == TICKED {
                background.tick()?;
                ticked = shared.clock.now();
            } else {
                churn.ready(ready, shared)?;
            }
        }
        let now = shared.tally.last_answer.max(ticked);
        if now.saturating_sub(shared.tally.last_answer) > nanoseconds(plan.timeout) {
            return Err(Failure::measurement(format!("no answer for {} s", plan.timeout.as_secs_f64())));
        }
        window.open_if_due(now, shared)?;
        if window.due_to_close(now) {
            window.close(now, shared)?;
            churn.budget = 0;
        }
    }
    window.close_with_last_answer(shared)?;
    Ok(window.measured())
}

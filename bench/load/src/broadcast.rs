//! One connection sends, all receive.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{recv, send, RecvFlags, SendFlags};

use crate::clock::{nanoseconds, Nanoseconds};
use crate::connection::{Connection, Shared};
use crate::failure::{Broken, Failure};
use crate::plan::Plan;
use crate::poll::{Events, TICKED};
use crate::window::{Belonging, Measured, Window};

/// How long a probe is waited for before the next: those that had not been accepted missed it.
const PROBE: Duration = Duration::from_millis(50);

/// Measures deliveries: a message has been delivered to every connection before the next is sent.
pub(crate) fn run(plan: &Plan, shared: &mut Shared) -> Result<Measured, Failure> {
    let mut audience = Audience::dial(plan, shared)?;
    audience.gather(shared)?;
    let mut window = Window::begin(plan, Belonging::Answered, shared)?;
    let mut budget = window.budget();
    while budget > 0 {
        let now = audience.deliver(shared)?;
        budget = budget.saturating_sub(plan.connections);
        window.open_if_due(now, shared)?;
        if window.due_to_close(now) {
            window.close(now, shared)?;
            budget = 0;
        }
    }
    window.close_with_last_answer(shared)?;
    Ok(window.measured())
}

/// All connections; number 0 is the one that sends.
struct Audience {
    connections: Vec<Connection>,
    events: Events,
    timeout: Duration,
}

impl Audience {
    fn dial(plan: &Plan, shared: &Shared) -> Result<Self, Failure> {
        let mut dialler = plan.dialler();
        let mut connections = Vec::new();
        for token in 0..plan.connections {
            // All have the same part of the script: they receive the same bytes.
            let connection = dialler.lasting().and_then(|socket| Connection::new(socket, token, 0, shared));
            connections.push(connection.map_err(Failure::system("cannot connect"))?);
        }
        Ok(Self { connections, events: Events::new(), timeout: plan.timeout })
    }

    /// Sends probes, one byte each and each another, until one has reached all: from then on, all receive everything.
    fn gather(&mut self, shared: &Shared) -> Result<(), Failure> {
        let begun = shared.clock.now();
        let mut last = vec![None; self.connections.len()];
        for probe in (0..=u8::MAX).cycle() {
            send(self.connections[0].socket(), &[probe], SendFlags::NOSIGNAL)
                .map_err(Failure::system("cannot send"))?;
            if self.heard(probe, &mut last, shared)? {
                return Ok(());
            }
            if shared.clock.now() - begun > nanoseconds(self.timeout) {
                break;
            }
        }
        let without = last.iter().filter(|heard| heard.is_none()).count();
        Err(Failure::measurement(format!("{without} connections received no broadcast")))
    }

    /// Whether a probe reaches all in time.
    fn heard(&mut self, probe: u8, last: &mut [Option<u8>], shared: &Shared) -> Result<bool, Failure> {
        let until = shared.clock.now() + nanoseconds(PROBE);
        let mut missing = last.len();
        while missing > 0 && shared.clock.now() < until {
            shared.poll.wait(&mut self.events)?;
            for ready in self.events.iter().filter(|ready| ready.token != TICKED) {
                let index = ready.token as usize;
                if let Some(byte) = newest(&self.connections[index])? {
                    last[index] = Some(byte);
                    missing -= usize::from(byte == probe);
                }
            }
        }
        Ok(missing == 0)
    }

    /// One message to all. Returns when the last had it.
    fn deliver(&mut self, shared: &mut Shared) -> Result<Nanoseconds, Failure> {
        let now = shared.clock.now();
        for listener in &mut self.connections[1..] {
            listener.expect(1, now);
        }
        self.connections[0].ask(1, now, shared).map_err(broken)?;
        let mut missing = self.connections.len() as u64;
        while missing > 0 {
            shared.poll.wait(&mut self.events)?;
            for ready in self.events.iter() {
                if ready.token == TICKED {
                    self.check_silence(now, missing, shared)?;
                } else {
                    missing -= self.connections[ready.token as usize].ready(ready, shared).map_err(broken)?;
                }
            }
        }
        Ok(shared.tally.last_answer)
    }

    fn check_silence(&self, asked: Nanoseconds, missing: u64, shared: &Shared) -> Result<(), Failure> {
        let heard = shared.tally.last_answer.max(asked);
        if shared.clock.now().saturating_sub(heard) > nanoseconds(self.timeout) {
            return Err(Failure::measurement(format!("{missing} connections did not receive a broadcast")));
        }
        Ok(())
    }
}

/// Without one of them, there is no broadcast to all.
fn broken(broken: Broken) -> Failure {
    Failure::measurement(broken.to_string())
}

/// The last of the probes that have come.
fn newest(connection: &Connection) -> Result<Option<u8>, Failure> {
    let mut probes = [0; 256];
    match recv(connection.socket(), &mut probes[..], RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Err(broken(Broken::Closed)),
        Ok((count, _)) => Ok(Some(probes[count - 1])),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(broken(errno.into())),
    }
}

//! The load generator: one thread, one poller, as cheap per request as a bare loop, for it shares the machine with
//! what it measures. Every answer is checked; a wrong one counts as none.

mod arguments;
mod background;
mod broadcast;
mod churn;
mod clients;
mod clock;
mod closed;
mod connection;
mod connections;
mod datagrams;
mod failure;
mod hoarders;
mod http;
mod idle;
mod incoming;
mod open;
mod outgoing;
mod pattern;
mod plan;
mod poll;
mod report;
mod script;
mod slow_readers;
mod tally;
mod target;
mod watch;
mod window;

use std::process::ExitCode;

use arguments::Arguments;
use background::Background;
use clap::Parser;
use clock::Clock;
use connection::Shared;
use connections::Connections;
use datagrams::Datagrams;
use failure::Failure;
use plan::Mode;
use plan::Plan;
use report::Report;
use target::Target;
use window::Measured;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let plan = arguments.plan()?;
    idle::raise_descriptor_limit()?;
    let mut shared = Shared::new(plan.script(), Clock::start())?;
    let report = match (&plan.watch, plan.mode) {
        (Some(watch), Mode::Idle) => idle::run(&plan, watch, &mut shared)?,
        (_, mode) => {
            let measured = run(&plan, &mut shared)?;
            Report::new(mode.name(), plan.connections, &shared.tally, measured)
        }
    };
    complain(&shared)?;
    Ok(report.json())
}

fn run(plan: &Plan, shared: &mut Shared) -> Result<Measured, Failure> {
    let mut background = Background::begin(plan, shared.clock)?;
    let measured = match (&plan.target, plan.mode) {
        (Target::Udp(_), Mode::Open) => {
            open::run(plan, &mut Datagrams::dial(plan, false, shared)?, &mut background, shared)
        }
        (Target::Udp(_), _) => {
            closed::run(plan, &mut Datagrams::dial(plan, true, shared)?, &mut background, shared)
        }
        (_, Mode::Open) => open::run(plan, &mut Connections::dial(plan, shared)?, &mut background, shared),
        (_, Mode::Churn) => churn::run(plan, &mut background, shared),
        (_, Mode::Broadcast) => broadcast::run(plan, shared),
        (_, Mode::Closed | Mode::Idle) => {
            closed::run(plan, &mut Connections::dial(plan, shared)?, &mut background, shared)
        }
    }?;
    background.finish(&mut shared.tally)?;
    Ok(measured)
}

/// Errors are said, and without a single right answer there is no result.
fn complain(shared: &Shared) -> Result<(), Failure> {
    let first = shared.tally.first_error.as_deref();
    if shared.tally.requests == 0 && shared.tally.wrong == 0 {
        return Err(Failure::measurement(first.unwrap_or("no answer")));
    }
    if let Some(first) = first {
        eprintln!("load: {} errors, the first: {first}", shared.tally.errors);
    }
    Ok(())
}

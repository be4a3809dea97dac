//! The engine in Rust, for the kinds of the benchmark that the examples do not cover.
//!
//! `reactor-bench-servers KIND URL`, with KIND `frames`, `answers`, `broadcast` or `budget`. One loop, all else as the engine
//! has it by default (TCP_NODELAY on, a backlog of 4,096).

mod broadcast;
mod frames;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use broadcast::Broadcast;
use frames::{Answers, Frames};
use reactor_core::{Config, ConnOptions, Handler, ListenOptions, Server};

type Failure = Box<dyn Error>;

/// What the server of kind `budget` may hold: so little that a few unfinished frames exceed it.
const SMALL_BUDGET: usize = 16 << 20;

/// Bad use: an unknown kind, too few arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["frames", url] => serve(url, Frames, frames::options(), 0),
        ["answers", url] => serve(url, Answers::default(), frames::options(), 0),
        ["broadcast", url] => serve(url, Broadcast::default(), ConnOptions::default(), 0),
        ["budget", url] => serve(url, Frames, frames::options(), SMALL_BUDGET),
        _ => {
            complain("usage: reactor-bench-servers {frames|answers|broadcast|budget} URL");
            return ExitCode::from(USAGE);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT, with a byte budget; 0 is the default.
fn serve(url: &str, handler: impl Handler, conns: ConnOptions, byte_budget: usize) -> Result<(), Failure> {
    let config = Config { loops: 1, byte_budget, ..Config::default() };
    let server = Server::new(handler, &config)?;
    let handle = server.handle().clone();
    ctrlc::set_handler(move || handle.stop())?;
    let listening = server.listen_with(url, &ListenOptions::default(), &conns)?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", listening.address)?;
    out.flush()?;
    Ok(server.run()?)
}

fn complain(message: &str) {
    // Nobody is left to be told that standard error is closed.
    let _ = writeln!(std::io::stderr(), "reactor-bench-servers: {message}");
}

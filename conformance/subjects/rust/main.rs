//! The Rust subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the
//! protocol in `conformance/PROTOCOL.md`.
//!
//! The main thread starts the server and waits for it; another one carries out the commands from standard input. Or, with
//! `--hosted`, the main thread does everything.

mod call;
mod conn_call;
mod context;
mod control;
mod detached;
mod dialled;
mod forks;
mod framing;
mod hosted;
mod input;
mod metrics;
mod options;
mod outcome;
mod report;
mod script;
mod server_call;
mod subject;
mod terms;
mod text;
mod threads;
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::thread;

use reactor_core::Server;
use serde_json::json;

use crate::control::Control;
use crate::options::Options;
use crate::report::{emit, Logger};
use crate::subject::Subject;
use crate::world::World;

/// Listens as the command line says: the addresses.
fn listen(world: &World, server: &Server, options: &Options) -> reactor_core::Result<Vec<String>> {
    let terms = &options.listen_options;
    let mut all = Vec::new();
    for url in &options.urls {
        all.push(server_call::listen_at(world, server, url, terms)?);
    }
    if options.listen_inherited {
        all.extend(server_call::listen_inherited(world, server, terms)?);
    }
    Ok(all.into_iter().map(|listening| listening.address).collect())
}

/// Serves until the server has stopped; the command thread goes on until standard input ends.
fn serve() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    log::set_logger(&Logger).map_err(|error| error.to_string())?;
    log::set_max_level(options.log);
    let world = Arc::new(World::default());
    let server = Arc::new(Server::new(Subject::new(&options, Arc::clone(&world)), &options.config)?);
    world.set_server(&server);
    if options.signals {
        server.stop_on_signals()?;
    }
    let urls = listen(&world, &server, &options)?;
    let listens = !urls.is_empty();
    if listens {
        emit("listening", json!({ "urls": urls }));
    }
    if options.forks {
        forks::go_on_in_child();
    }
    match options.hosted {
        true => serve_hosted(server, world),
        false => serve_on_threads(server, world, listens),
    }
}

fn serve_hosted(server: Arc<Server>, world: Arc<World>) -> Result<(), Box<dyn Error>> {
    let (started, _) = channel();
    let control = Control::new(Arc::clone(&world), started);
    hosted::drive(&server, &control)?;
    world.end_other();
    emit("ended", json!({}));
    drop(server);
    control.run();
    Ok(())
}

fn serve_on_threads(server: Arc<Server>, world: Arc<World>, start: bool) -> Result<(), Box<dyn Error>> {
    let (started, may_wait) = channel();
    if start {
        server.start()?;
        started.send(())?;
    }
    let control = Control::new(Arc::clone(&world), started);
    let commands = thread::spawn(move || control.run());
    // An error means that standard input ended before the start.
    if may_wait.recv().is_ok() {
        server.wait()?;
        world.end_other();
        emit("ended", json!({}));
    }
    drop(server);
    commands.join().map_err(|_| "the command thread panicked")?;
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = serve() else { return ExitCode::SUCCESS };
    match error.downcast::<reactor_core::Error>() {
        Ok(error) => {
            let (kind, message) = (error.kind().name(), error.message());
            emit("error", json!({ "kind": kind, "message": message, "errno": error.errno() }));
        }
        Err(error) => report::complain(&error.to_string()),
    }
    ExitCode::FAILURE
}

//! The Rust subject of the conformance cases: a small server that shows whatever behaviour a case asks for, by the
//! protocol in `conformance/PROTOCOL.md`.
//!
//! The main thread starts the server and waits for it; another one carries out the commands from standard input.

mod control;
mod options;
mod report;
mod script;
mod subject;

use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread;

use reactor_core::Server;

use crate::control::Control;
use crate::options::Options;
use crate::report::emit;
use crate::subject::Subject;

/// Serves until the server has stopped; the command thread goes on until standard input ends.
fn serve() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let back = Arc::new(OnceLock::new());
    let server = Arc::new(Server::new(Subject::new(&options, Arc::clone(&back)), &options.config)?);
    // The handler's way back to the server, for the calls that only a server has; weak, as the server owns the handler.
    let fresh = back.set(Arc::downgrade(&server));
    debug_assert!(fresh.is_ok());
    let urls = options.urls.iter().map(|url| server.listen(url)).collect::<Result<Vec<_>, _>>()?;
    if !urls.is_empty() {
        emit("listening", serde_json::json!({ "urls": urls }));
        server.start()?;
    }
    let (started, may_wait) = channel();
    if !urls.is_empty() {
        started.send(())?;
    }
    let control = Control::new(Arc::downgrade(&server), started);
    let commands = thread::spawn(move || control.run());
    // An error means that standard input ended before the start.
    if may_wait.recv().is_ok() {
        server.wait()?;
        emit("ended", serde_json::json!({}));
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
            emit("error", serde_json::json!({ "kind": kind, "message": message, "errno": error.errno() }));
        }
        Err(error) => report::complain(&error.to_string()),
    }
    ExitCode::FAILURE
}

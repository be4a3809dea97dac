//! Sends back every byte, and closes when the peer has closed its side and everything has been sent.
//!
//! `echo --listen URL [--listen URL]... [--loops N]`

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use lexopt::prelude::*;
use reactor_core::{Action, Config, Conn, Handler, Server};

struct Echo;

impl Handler for Echo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        // A write is refused only if the connection is closed already. One that goes above the high-water
        // mark needs no care here: the engine stops reading from this connection until the peer has caught
        // up.
        conn.write(data).map_or(Action::Close, |_| Action::None)
    }
}

struct Options {
    urls: Vec<String>,
    config: Config,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { urls: Vec::new(), config: Config::default() };
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("listen") => options.urls.push(args.value()?.string()?),
            Long("loops") => options.config.loops = args.value()?.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    if options.urls.is_empty() {
        return Err("--listen URL is missing".into());
    }
    Ok(options)
}

fn serve() -> Result<(), Box<dyn Error>> {
    let Options { urls, config } = options()?;
    let server = Server::new(Echo, &config)?;
    let handle = server.handle().clone();
    ctrlc::set_handler(move || handle.stop())?;
    for url in urls {
        let mut out = std::io::stdout();
        writeln!(out, "listening on {}", server.listen(&url)?)?;
        out.flush()?;
    }
    match server.run() {
        // A signal came before the start.
        Err(error) if error.kind() == reactor_core::ErrorKind::Stopped => Ok(()),
        result => Ok(result?),
    }
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

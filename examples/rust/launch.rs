//! What every example does around its handler: the command line, the addresses, the signals.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use reactor_core::{Config, ConnOptions, Handler, ListenOptions, Server};

/// How long connections may go on after a signal. A second signal ends them at once.
const GRACE: Duration = Duration::from_secs(1);

/// Whatever ends an example early; its text is for the person who started it.
pub type Failure = Box<dyn Error>;

/// What the flags that all examples have in common ask for: `--listen URL [--listen URL]... [--loops N]`.
#[derive(Default)]
pub struct Launch {
    urls: Vec<String>,
    /// The server's options; the loops are from the command line.
    pub config: Config,
    /// What connections begin with.
    pub conns: ConnOptions,
}

impl Launch {
    /// Reads the command line. `own` takes the flags of one example, and says whether it knows the name.
    pub fn from_args(
        mut own: impl FnMut(&str, &mut lexopt::Parser) -> Result<bool, lexopt::Error>,
    ) -> Result<Launch, Failure> {
        let mut launch = Launch::default();
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => launch.urls.push(args.value()?.string()?),
                Long("loops") => launch.config.loops = args.value()?.parse()?,
                Long(name) => {
                    let name = name.to_owned();
                    if !own(&name, &mut args)? {
                        return Err(format!("invalid option '--{name}'").into());
                    }
                }
                _ => return Err(arg.unexpected().into()),
            }
        }
        if launch.urls.is_empty() {
            return Err("--listen URL is missing".into());
        }
        Ok(launch)
    }

    /// For protocols that need a connection.
    pub fn streams_only(self) -> Result<Launch, Failure> {
        match self.urls.iter().find(|url| url.starts_with("udp")) {
            Some(url) => Err(format!("{url:?}: this example speaks over connections, not datagrams").into()),
            None => Ok(self),
        }
    }

    /// Serves until a signal ends it: it says where it listens, and so does in steps what `reactor_core::serve` does.
    pub fn run(mut self, handler: impl Handler) -> Result<(), Failure> {
        self.config.stop_deadline = GRACE;
        let server = Server::new(handler, &self.config)?;
        server.stop_on_signals()?;
        match self.listen_and_run(&server) {
            // A signal came before the start.
            Err(_) if server.handle().is_stopping() && server.handle().loops() == 0 => Ok(()),
            result => result,
        }
    }

    fn listen_and_run(&self, server: &Server) -> Result<(), Failure> {
        let mut out = std::io::stdout();
        for url in &self.urls {
            let listening = server.listen_with(url, &ListenOptions::default(), &self.conns)?;
            writeln!(out, "listening on {}", listening.address)?;
            out.flush()?;
        }
        Ok(server.run()?)
    }
}

/// Runs an example, and says on one line why it failed.
pub fn main(name: &str, serve: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

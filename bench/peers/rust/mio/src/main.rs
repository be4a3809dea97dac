//! The peer mio: `mio KIND URL`, with KIND `echo`, `frames`, `udp` or `broadcast`.
//!
//! After mio's documentation (`Poll`, "Draining readiness": a socket is read until it would block) and its examples
//! `tcp_server` and `udp_server`. Set here: TCP_NODELAY on, a backlog of 4,096 (mio's own is 128). Mio is epoll and
//! sockets: what waits to be sent is kept by hand.

mod connection;
mod datagrams;
mod server;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use server::{Kind, Server};

pub(crate) type Failure = Box<dyn Error>;

/// Bad use: an unknown kind, too few arguments.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["echo", url] => serve(url, Kind::Echo),
        ["frames", url] => serve(url, Kind::Frames),
        ["broadcast", url] => serve(url, Kind::Broadcast),
        ["udp", url] => address(url, "udp://").and_then(datagrams::serve),
        _ => {
            eprintln!("usage: mio {{echo|frames|udp|broadcast}} URL");
            return ExitCode::from(USAGE);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mio: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(url: &str, kind: Kind) -> Result<(), Failure> {
    Server::new(address(url, "tcp://")?, kind)?.run()
}

/// The address in a URL of this scheme.
fn address(url: &str, scheme: &str) -> Result<SocketAddr, Failure> {
    let rest = url.strip_prefix(scheme).ok_or_else(|| format!("{url:?} does not begin with {scheme:?}"))?;
    Ok(rest.parse()?)
}

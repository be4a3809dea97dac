//! The peer tokio: `tokio KIND URL`, with KIND `echo`, `frames`, `http`, `udp` or `broadcast`.
//!
//! After tokio's tutorial (chapters "I/O" and "Framing"), its examples `echo-tcp` and `echo-udp`, and hyper's guide
//! "Getting Started with a Server". Set here: the current-thread runtime, a backlog of 4,096, TCP_NODELAY on. All else
//! is as tokio and hyper have it.

mod broadcast;
mod echo;
mod frames;
mod http;
mod udp;

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

const BACKLOG: u32 = 4096;
/// Bad use: an unknown kind, too few arguments.
const USAGE: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["echo", url] => serve(url, echo::session).await,
        ["frames", url] => serve(url, frames::session).await,
        ["http", url] => serve(url, http::session).await,
        ["broadcast", url] => serve(url, broadcast::sessions()).await,
        ["udp", url] => udp::serve(url).await,
        _ => {
            eprintln!("usage: tokio {{echo|frames|http|udp|broadcast}} URL");
            return ExitCode::from(USAGE);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tokio: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The address in a URL of this scheme.
pub(crate) fn address(url: &str, scheme: &str) -> Result<SocketAddr, Failure> {
    let rest = url.strip_prefix(scheme).ok_or_else(|| format!("{url:?} does not begin with {scheme:?}"))?;
    Ok(rest.parse()?)
}

fn listen(url: &str) -> Result<TcpListener, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address(url, "tcp://")?)?;
    Ok(socket.listen(BACKLOG)?)
}

/// Gives each connection a task of its own.
async fn serve<S, F, E>(url: &str, mut session: S) -> Result<(), Failure>
where
    S: FnMut(TcpStream) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let listener = listen(url)?;
    println!("listening on tcp://{}", listener.local_addr()?);
    loop {
        match accept(&listener).await {
            // How a connection ends, and be it by a reset, concerns nobody else.
            Ok(stream) => drop(tokio::spawn(session(stream))),
            // Out of descriptors, say: some will be free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

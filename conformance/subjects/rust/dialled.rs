//! Sockets that the subject connects by itself, to give them to the engine.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use crate::outcome::Failure;

/// A socket connected to a URL, or for `null` what is no socket.
pub(crate) fn socket(url: &str) -> Result<OwnedFd, Failure> {
    Ok(connect(url).map_err(|error| format!("{url}: {error}"))?)
}

fn connect(url: &str) -> io::Result<OwnedFd> {
    if url == "null" {
        return Ok(File::open("/dev/null")?.into());
    }
    match url.split_once("://") {
        Some(("tcp", address)) => Ok(TcpStream::connect(address)?.into()),
        Some(("unix", path)) => match path.strip_prefix('@') {
            Some(name) => Ok(UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?.into()),
            None => Ok(UnixStream::connect(path)?.into()),
        },
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither tcp nor unix")),
    }
}

//! Descriptors that the engine has handed out.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::{fs, thread};

use reactor_core::Detached;

/// Whether a descriptor is non-blocking, by what the system says of it.
pub(crate) fn is_nonblocking(descriptor: &OwnedFd) -> bool {
    // O_NONBLOCK on Linux.
    const NONBLOCK: u32 = 0o4000;
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
    let text = fs::read_to_string(path).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & NONBLOCK != 0)
}

/// Serves a descriptor on a thread of its own, until the peer ends.
pub(crate) fn serve(held: Detached) {
    // A peer that is gone is told nothing.
    thread::spawn(move || drop(echo(held)));
}

fn echo(held: Detached) -> io::Result<()> {
    // Also for a Unix socket: sending and receiving are the same for both.
    let mut stream = TcpStream::from(held.descriptor);
    stream.set_nonblocking(false)?;
    stream.write_all(&held.output)?;
    stream.write_all(b"detached\n")?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            size => stream.write_all(&buffer[..size])?,
        }
    }
}

//! What the operating system offers: every system call on a socket, and all `unsafe` of the core, is here.

#![allow(unsafe_code)]

pub(crate) mod affinity;
mod call;
pub(crate) mod clock;
pub(crate) mod datagram;
pub(crate) mod fork;
pub(crate) mod memory;
pub(crate) mod on_thread;
pub(crate) mod poller;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod socket_options;
pub(crate) mod time;
pub(crate) mod timer;
pub(crate) mod waker;

use std::io;

/// Turns the -1 of a system call into the error it left behind.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The same for calls that return a size.
#[cfg(not(target_arch = "x86_64"))]
fn check_size(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

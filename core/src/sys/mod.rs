//! What the operating system offers: every system call on a socket, and all `unsafe` of the core, is here.
//!
//! What all systems share is in this folder. What one of them has by itself is in a folder of its own, which is `system`
//! to the others: each has the same names.

#![allow(unsafe_code)]

pub(crate) mod cancel;
pub(crate) mod clock;
pub(crate) mod copies;
pub(crate) mod datagram;
pub(crate) mod fork;
pub(crate) mod memory;
pub(crate) mod on_thread;
pub(crate) mod once_box;
pub(crate) mod poller;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod socket_options;
pub(crate) mod stop_signals;
pub(crate) mod time;
pub(crate) mod waker;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
compile_error!("reactor runs on Linux only so far: another system needs a folder like core/src/sys/linux");

use std::io;

pub(crate) use system::affinity;

/// Turns the -1 of a system call into the error it left behind.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

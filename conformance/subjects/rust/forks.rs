//! Forks: a server that is bound in one process and runs in another, and one that is asked in the wrong one. There is no
//! fork without unsafe code.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use serde_json::json;

use crate::report::emit;

/// What the subject's descriptors may be, besides the standard ones.
const DESCRIPTORS: std::ops::Range<RawFd> = 3..1024;

/// Forks, and returns in the child only; the parent lets go of what was bound, and ends as the child does.
pub(crate) fn go_on_in_child() {
    // SAFETY: this process has one thread so far.
    match unsafe { libc::fork() } {
        0 => emit("forked", json!({ "pid": std::process::id() })),
        child => {
            for descriptor in DESCRIPTORS {
                // SAFETY: nothing uses the descriptors any more: this process only waits.
                unsafe { libc::close(descriptor) };
            }
            // SAFETY: ends this process without running anything that was meant for the child.
            unsafe { libc::_exit(wait_for(child)) };
        }
    }
}

/// The exit code of a child.
fn wait_for(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: the status outlives the call.
    unsafe { libc::waitpid(child, &mut status, 0) };
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        1
    }
}

/// Makes a call in a child, and gives its result.
pub(crate) fn call_in_child(call: impl FnOnce() -> String) -> std::io::Result<String> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made them, and nobody else owns them.
    let [from, to] = ends.map(|end| File::from(unsafe { OwnedFd::from_raw_fd(end) }));
    // SAFETY: the child has this thread only, makes one call of the engine's, which is what is to be shown, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let written = (&to).write_all(call().as_bytes());
        // SAFETY: as in `go_on_in_child`.
        unsafe { libc::_exit(i32::from(written.is_err())) };
    }
    drop(to);
    let mut result = String::new();
    (&from).read_to_string(&mut result)?;
    wait_for(child);
    Ok(result)
}

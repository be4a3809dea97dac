//! Standard error, for messages that nobody asked for: a program that has closed the other end must not die of them.

use std::mem::MaybeUninit;
use std::ptr;

/// Writes a line, in one piece. What cannot be written is lost.
pub(crate) fn write_line(line: &str) {
    let sigpipe = one_signal(libc::SIGPIPE);
    let blocked_before = block(&sigpipe);
    let was_pending = is_pending(libc::SIGPIPE);
    // SAFETY: the bytes are valid while the call runs.
    let written = unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    if written < 0 && !was_pending && is_pending(libc::SIGPIPE) {
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both structures are valid while the call runs, and nothing is to be known of the signal.
        unsafe { libc::sigtimedwait(&sigpipe, ptr::null_mut(), &at_once) };
    }
    restore(&blocked_before);
}

fn one_signal(signal: i32) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the first call fills the set, whose memory is valid for both; the signal is one.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        set.assume_init()
    }
}

/// Blocks these signals on this thread; gives what was blocked before.
fn block(set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = one_signal(libc::SIGPIPE);
    // SAFETY: both sets are valid while the call runs.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, &mut before) };
    before
}

fn restore(set: &libc::sigset_t) {
    // SAFETY: the set is valid while the call runs.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, ptr::null_mut()) };
}

fn is_pending(signal: i32) -> bool {
    let mut pending = one_signal(signal);
    // SAFETY: the set is valid while the calls run, and the first fills it.
    unsafe { libc::sigpending(&mut pending) == 0 && libc::sigismember(&pending, signal) == 1 }
}

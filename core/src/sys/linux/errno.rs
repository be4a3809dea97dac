//! The error number of the calling thread.

/// Makes a call that leaves errno as it was: for signal handlers.
pub(in crate::sys) fn preserved<T>(call: impl FnOnce() -> T) -> T {
    // SAFETY: the call takes nothing and cannot fail.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: errno is this thread's own, and always there.
    let before = unsafe { *errno };
    let result = call();
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}

//! The system's clock that never goes back.

/// Nanoseconds on the monotonic clock, which counts from some moment before this process began.
pub(crate) fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call. It cannot fail: the clock is there and the pointer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_by_nanoseconds() {
        let (before, instant) = (monotonic(), std::time::Instant::now());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let passed = monotonic() - before;
        assert!(passed >= 20_000_000 && u128::from(passed) <= instant.elapsed().as_nanos() + 1_000_000_000);
    }
}

//! System calls of Linux without the C library's wrappers: those are points where a thread may be cancelled, which costs more
//! than what the engine does between two calls. So does finding `errno` when there is nothing to read.

use std::io;

/// Calls the kernel, with up to six arguments.
///
/// # Safety
/// As the call itself: see its page in section 2 of the manual.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(in crate::sys) unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> io::Result<usize> {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the kernel keeps all registers but these (System V ABI, AMD64 supplement, A.2.1); what it reads and
    // writes is what the caller promises.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    match usize::try_from(result) {
        Ok(result) => Ok(result),
        Err(_) => Err(error(result)),
    }
}

/// The error in a negative result, which is -1 to -4095. A call of its own, so that nothing is done for one without.
#[cfg(target_arch = "x86_64")]
#[cold]
#[inline(never)]
fn error(result: isize) -> io::Error {
    io::Error::from_raw_os_error(-result as i32)
}

/// Calls the kernel, with up to six arguments.
///
/// # Safety
/// As the call itself: see its page in section 2 of the manual.
#[cfg(not(target_arch = "x86_64"))]
pub(in crate::sys) unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> io::Result<usize> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: what the caller promises.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_errors_are_told_apart() {
        // SAFETY: neither call touches memory.
        let (process, closed) =
            unsafe { (call(libc::SYS_getpid, [0; 6]), call(libc::SYS_close, [usize::MAX, 0, 0, 0, 0, 0])) };
        assert_eq!(process.unwrap(), std::process::id() as usize);
        assert_eq!(closed.unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}

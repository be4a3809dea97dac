//! A counter that all copies of the engine in a process find: in a page of memory at a place that follows from the random
//! bytes which the kernel gives each program that it starts, getauxval(3). Whoever comes first maps it there. Mapping what is
//! mapped already fails (MAP_FIXED_NOREPLACE, mmap(2)), so two never take each other's place.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::sys::check;

/// What is in the page. It begins as zeros, and never changes its form: copies of different versions share it.
#[repr(C)]
struct Page {
    /// Says that the page is ours.
    mark: AtomicU64,
    next: AtomicU32,
}

/// Where the page may lie: between what programs have at the bottom of their memory and at the top, on every processor of 64
/// bits; at a multiple of the largest pages.
const FIRST: u64 = 64 << 30;
const PLACES: u64 = (192 << 30) / STEP;
const STEP: u64 = 64 << 10;
/// Looks at a page whose owner has mapped it and not marked it yet.
const LOOKS: usize = 10_000;

/// The counter; `None` if the place is somebody else's, or nothing can be mapped there.
pub(in crate::sys) fn counter() -> Option<&'static AtomicU32> {
    let (place, mark) = place_and_mark()?;
    let found = match map(place) {
        Ok(()) => true,
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => waits_for(place, mark),
        Err(_) => false,
    };
    // SAFETY: the page was mapped just now, or is one of ours that another copy has mapped: its mark says so. It is never
    // unmapped, begins as zeros, is aligned, and has atomics only.
    let page = found.then(|| unsafe { &*(place as *const Page) })?;
    page.mark.store(mark, Ordering::Release);
    Some(&page.next)
}

/// Where the page lies in this process, and the mark that it has.
fn place_and_mark() -> Option<(usize, u64)> {
    // SAFETY: it reads what the kernel has left for the process.
    let random = unsafe { libc::getauxval(libc::AT_RANDOM) } as *const [u64; 2];
    if random.is_null() || cfg!(not(target_pointer_width = "64")) {
        return None;
    }
    // SAFETY: the kernel has put 16 bytes there, for the life of the process; perhaps not aligned.
    let [place, mark] = unsafe { random.read_unaligned() };
    let place = usize::try_from(FIRST + place % PLACES * STEP).ok()?;
    // Neither what a fresh page has, nor what cannot be read by `look`.
    Some((place, (mark | 1) >> 1 | 1))
}

/// Maps a page at this place, if nothing is mapped there.
fn map(place: usize) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new private mapping, which touches no memory that exists.
    let mapped = unsafe { libc::mmap(place as *mut libc::c_void, size_of::<Page>(), access, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    if mapped as usize == place {
        return Ok(());
    }
    // A kernel before 4.17 takes the place for a wish.
    // SAFETY: mapped just now, and nobody knows of it.
    unsafe { libc::munmap(mapped, size_of::<Page>()) };
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Whether the page is ours, or becomes it soon.
fn waits_for(place: usize, mark: u64) -> bool {
    for _ in 0..LOOKS {
        match look(place) {
            Ok(0) => std::thread::yield_now(),
            found => return found.is_ok_and(|found| found == mark),
        }
    }
    false
}

/// Reads a number where there may be no memory, or none that can be read: the kernel says so, by way of an eventfd(2).
fn look(place: usize) -> io::Result<u64> {
    // SAFETY: the call takes no pointer.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: opened just now, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the kernel reads from there, and fails if it cannot.
    let written = unsafe { libc::write(fd.as_raw_fd(), place as *const libc::c_void, size_of::<u64>()) };
    if written < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = 0_u64;
    // SAFETY: there is room for the number. Of zero there is nothing to read, and it stays.
    unsafe { libc::read(fd.as_raw_fd(), (&raw mut found).cast(), size_of::<u64>()) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn whoever_comes_later_finds_the_same() {
        let Some(first) = counter() else { return };
        assert!(counter().is_some_and(|again| std::ptr::eq(first, again)));
    }

    #[test]
    fn looking_tells_what_is_there_and_that_nothing_can_be_read() {
        let (number, zero) = (77_u64, 0_u64);
        assert_eq!(look(&raw const number as usize).unwrap(), 77);
        assert_eq!(look(&raw const zero as usize).unwrap(), 0);
        assert_eq!(look(8).unwrap_err().raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn somebody_elses_memory_is_left_alone() {
        let theirs = [0x5555_5555_u64; 2];
        assert!(!waits_for(&raw const theirs as usize, 7));
        assert_eq!(theirs, [0x5555_5555; 2]);
    }
}

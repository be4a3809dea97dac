//! Memory for what one call receives.

use std::io;
use std::ptr::NonNull;

use super::SLOTS;

/// Distance between two slots: the buffer, rounded up to whole pages.
const STRIDE: usize = 65_536;

/// The slots of a batch, in pages of their own.
pub(super) struct Slots {
    pub(super) start: NonNull<u8>,
}

impl Slots {
    pub(super) const SIZE: usize = SLOTS * STRIDE;

    pub(super) fn new() -> io::Result<Self> {
        let (any, flags) = (std::ptr::null_mut(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new private mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe { libc::mmap(any, Self::SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        let start = NonNull::new(start.cast::<u8>()).filter(|_| start != libc::MAP_FAILED);
        let slots = Slots { start: start.ok_or_else(io::Error::last_os_error)? };
        // Small datagrams shall take their pages only, not a huge page. A kernel without huge pages refuses,
        // which is as good.
        // SAFETY: the mapping has this size.
        unsafe { libc::madvise(slots.start.as_ptr().cast(), Self::SIZE, libc::MADV_NOHUGEPAGE) };
        Ok(slots)
    }

    /// The first `len` bytes of a slot, for the kernel to write to.
    pub(super) fn vector(&mut self, slot: usize, len: usize) -> libc::iovec {
        debug_assert!(slot < SLOTS && len <= STRIDE);
        // SAFETY: the slot begins within the mapping.
        libc::iovec { iov_base: unsafe { self.start.as_ptr().add(slot * STRIDE) }.cast(), iov_len: len }
    }

    pub(super) fn bytes(&self, slot: usize, len: usize) -> &[u8] {
        assert!(slot < SLOTS && len <= STRIDE);
        // SAFETY: the range lies within the mapping, which is zeroes or what the kernel wrote, and lives as
        // long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(slot * STRIDE), len) }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, has this size, and nothing borrows it any more.
        unsafe {
            if libc::munmap(self.start.as_ptr().cast(), Self::SIZE) != 0 {
                // The process has too many mappings to split one. The address stays taken, the memory does
                // not.
                libc::madvise(self.start.as_ptr().cast(), Self::SIZE, libc::MADV_DONTNEED);
            }
        }
    }
}

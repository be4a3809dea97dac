//! Memory straight from the kernel, and straight back: what a burst needed does not stay with the allocator,
//! which gives back only what happens to lie at the end of its heaps.

use std::io;
use std::ptr::NonNull;

pub(crate) use super::system::memory::usable;

/// A buffer of a fixed capacity in pages of its own. Only pages that were written to take memory.
#[derive(Debug)]
pub(crate) struct Mapped {
    start: NonNull<u8>,
    len: usize,
    /// The most bytes that were ever in it: their pages take memory until it is dropped.
    most: usize,
}

// SAFETY: the mapping belongs to this value alone, like a box's memory.
unsafe impl Send for Mapped {}

impl Mapped {
    /// Bytes of a buffer: large enough that mapping costs little for each byte, small enough to come in
    /// numbers.
    pub(crate) const CAPACITY: usize = 256 << 10;

    pub(crate) fn new() -> io::Result<Self> {
        let (any, flags) = (std::ptr::null_mut(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new private mapping at an address of the kernel's choice touches no memory that exists.
        let start =
            unsafe { libc::mmap(any, Self::CAPACITY, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        match NonNull::new(start.cast()).filter(|_| start != libc::MAP_FAILED) {
            Some(start) => Ok(Mapped { start, len: 0, most: 0 }),
            None => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `len` bytes of the mapping were written, and it lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Appends what fits, and says how much that is.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> usize {
        let fits = bytes.len().min(Self::CAPACITY - self.len);
        // SAFETY: the target lies within the mapping by the line above, is ours alone, and so is not what is
        // borrowed.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(self.len), fits) };
        self.len += fits;
        self.most = self.most.max(self.len);
        fits
    }

    /// Bytes of memory that it takes, in pages of the usual size.
    pub(crate) fn memory(&self) -> usize {
        self.most.next_multiple_of(4 << 10)
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, has this size, and nothing borrows it any more.
        unsafe {
            if libc::munmap(self.start.as_ptr().cast(), Self::CAPACITY) != 0 {
                // The process has too many mappings to split one. The address stays taken, the memory does
                // not.
                libc::madvise(self.start.as_ptr().cast(), Self::CAPACITY, libc::MADV_DONTNEED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_its_capacity_and_no_more() {
        let mut buffer = Mapped::new().unwrap();
        let bytes: Vec<u8> = (0..Mapped::CAPACITY).map(|index| (index % 251) as u8).collect();
        assert_eq!((buffer.memory(), buffer.extend(&bytes[..1000]), buffer.memory()), (0, 1000, 4096));
        assert_eq!(buffer.extend(&bytes[1000..]), Mapped::CAPACITY - 1000);
        assert_eq!(buffer.extend(b"more"), 0);
        assert!(buffer.as_slice() == bytes);
        buffer.clear();
        assert_eq!((buffer.as_slice(), buffer.memory()), (&b""[..], Mapped::CAPACITY));
        assert_eq!(buffer.extend(b"again"), 5);
        assert_eq!(buffer.as_slice(), b"again");
    }
}

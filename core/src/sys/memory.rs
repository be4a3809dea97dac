//! Memory straight from the kernel, and straight back: what a burst needed does not stay with the allocator,
//! which gives back only what happens to lie at the end of its heaps.

use std::io;
use std::ptr::NonNull;

/// A buffer of a fixed capacity in pages of its own. Only pages that were written to take memory.
#[derive(Debug)]
pub(crate) struct Mapped {
    start: NonNull<u8>,
    len: usize,
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
            Some(start) => Ok(Mapped { start, len: 0 }),
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
        fits
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

/// Bytes of memory that this process may use: the machine's, or what its control group (cgroups(7), version 2 and
/// version 1) or its resource limits (getrlimit(2)) leave it.
pub(crate) fn usable() -> usize {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups
        .lines()
        .flat_map(group_limits)
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok());
    let resources = [libc::RLIMIT_AS, libc::RLIMIT_DATA].map(resource);
    limits.chain(resources).chain([physical()]).min().unwrap_or(usize::MAX)
}

/// The files that may hold the limit of one line of /proc/self/cgroup, those of the groups above included.
fn group_limits(line: &str) -> Vec<String> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or("/"));
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let groups = std::path::Path::new(path.trim_start_matches('/')).ancestors();
    groups.map(|group| format!("{root}/{}/{file}", group.display())).collect()
}

/// A limit of the process in bytes.
fn resource(which: libc::__rlimit_resource_t) -> usize {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the kernel fills the structure, which outlives the call; where it does not, there is no limit.
    unsafe { libc::getrlimit(which, &mut limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Bytes of memory that the machine has.
fn physical() -> usize {
    // SAFETY: the calls take no pointer.
    let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(usize::try_from(size).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usable_memory_is_some_of_the_machines() {
        assert!(usable() > 1 << 20 && usable() <= physical());
    }

    #[test]
    fn a_groups_limit_and_those_above_are_looked_for() {
        let files =
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup//memory.max"];
        assert_eq!(group_limits("0::/a/b"), files);
        assert_eq!(group_limits("4:memory:/x")[0], "/sys/fs/cgroup/memory/x/memory.limit_in_bytes");
        assert!(group_limits("3:cpu,cpuacct:/x").is_empty());
    }

    #[test]
    fn it_takes_its_capacity_and_no_more() {
        let mut buffer = Mapped::new().unwrap();
        let bytes: Vec<u8> = (0..Mapped::CAPACITY).map(|index| (index % 251) as u8).collect();
        assert_eq!(buffer.extend(&bytes[..1000]), 1000);
        assert_eq!(buffer.extend(&bytes[1000..]), Mapped::CAPACITY - 1000);
        assert_eq!(buffer.extend(b"more"), 0);
        assert!(buffer.as_slice() == bytes);
        buffer.clear();
        assert_eq!(buffer.as_slice(), b"");
        assert_eq!(buffer.extend(b"again"), 5);
        assert_eq!(buffer.as_slice(), b"again");
    }
}

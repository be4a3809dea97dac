//! How much memory there is.

/// Bytes of memory that this process may use: the machine's, or what its control group (cgroups(7), version 2 and
/// version 1) or its resource limits (getrlimit(2)) leave it.
pub(crate) fn usable() -> usize {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups
        .lines()
        .flat_map(group_limits)
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok());
    // C libraries have different types for the number.
    let resources = [libc::RLIMIT_AS, libc::RLIMIT_DATA].map(|which| {
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the kernel fills the structure, which outlives the call; where it does not, there is no limit.
        unsafe { libc::getrlimit(which, &mut limit) };
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    });
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
}

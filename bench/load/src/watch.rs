//! What another process uses.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Failure;

/// Reads a process's accounts.
#[derive(Clone)]
pub(crate) struct Watch {
    folder: PathBuf,
}

impl Watch {
    /// The process must exist, and be this user's.
    pub(crate) fn new(process: u32) -> Result<Self, Failure> {
        let watch = Self { folder: PathBuf::from(format!("/proc/{process}")) };
        watch.processor_time()?;
        Ok(watch)
    }

    /// What all its threads have had of the processors until now: `schedstat` counts nanoseconds, where `stat` counts
    /// hundredths of a second. A thread that has ended is no longer in it.
    pub(crate) fn processor_time(&self) -> Result<Duration, Failure> {
        let threads = self.folder.join("task");
        let threads = fs::read_dir(&threads).map_err(|error| self.failed("task", error))?;
        let mut sum = 0;
        for thread in threads.flatten() {
            // A thread may end while it is looked at.
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            sum += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Resident memory in bytes, from the page tables themselves: the counters in `status` may be off by some
    /// hundred pages.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        let text = fs::read_to_string(self.folder.join("smaps_rollup"))
            .map_err(|error| self.failed("smaps_rollup", error))?;
        text.lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|kilobytes| kilobytes * 1024)
            .ok_or_else(|| self.failed("smaps_rollup", "no Rss"))
    }

    fn failed(&self, what: &str, error: impl std::fmt::Display) -> Failure {
        Failure::measurement(format!("cannot watch {}/{what}: {error}", self.folder.display()))
    }
}

//! What a program is told of a write: the pressure that it left, and how it was completed.

use reactor_core::{Completed, Pressure};

/// The queue of unsent output is at or below the high-water mark: go on writing.
pub const REACTOR_PRESSURE_LOW: u32 = 0;
/// The queue of unsent output is above the high-water mark: better wait for on_drain. The bytes were
/// accepted.
pub const REACTOR_PRESSURE_HIGH: u32 = 1;

/// A completion is told it: the kernel has taken the write's last byte. That the peer has it, only an answer
/// of the peer's can tell.
pub const REACTOR_COMPLETED_SENT: i32 = 0;
/// A completion is told it: the connection ended, or was detached, before.
pub const REACTOR_COMPLETED_CANCELLED: i32 = 1;

pub(crate) fn pressure(pressure: Pressure) -> u32 {
    match pressure {
        Pressure::Low => REACTOR_PRESSURE_LOW,
        Pressure::High => REACTOR_PRESSURE_HIGH,
    }
}

pub(crate) fn completed(completed: Completed) -> i32 {
    match completed {
        Completed::Sent => REACTOR_COMPLETED_SENT,
        Completed::Cancelled => REACTOR_COMPLETED_CANCELLED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_have_the_numbers_of_the_engine() {
        for outcome in [Completed::Sent, Completed::Cancelled] {
            assert_eq!(completed(outcome), outcome as i32);
        }
    }
}

//! Numbers in options that say more than a number: default, on, off, never.

use std::time::Duration;

use reactor_core::Result;

use crate::call::Call;

/// For members where 0 is the default: on.
pub const REACTOR_ON: u32 = 1;
/// For members where 0 is the default: off.
pub const REACTOR_OFF: u32 = 2;

/// For times in milliseconds: never, for ever, without a limit.
pub const REACTOR_NEVER: i64 = -1;
/// For linger_ms: a connection closed by this side does not wait for the peer.
pub const REACTOR_NO_LINGER: i64 = -1;
/// For byte_budget: no budget.
pub const REACTOR_UNLIMITED: usize = -1_isize as usize;

/// 0, `REACTOR_ON` or `REACTOR_OFF`.
pub(crate) fn switch(value: u32, call: Call, member: &str) -> Result<Option<bool>> {
    match value {
        0 => Ok(None),
        REACTOR_ON => Ok(Some(true)),
        REACTOR_OFF => Ok(Some(false)),
        _ => Err(call.invalid(format_args!("{member} is {value}, not 0, REACTOR_ON or REACTOR_OFF"))),
    }
}

/// A time that cannot be negative.
pub(crate) fn time(ms: i64, call: Call, member: &str) -> Result<Duration> {
    let negative = |_| call.invalid(format_args!("{member} is {ms}, a negative time"));
    u64::try_from(ms).map(Duration::from_millis).map_err(negative)
}

/// A time-out that is zero where there is none: by 0, which is its default, and by `REACTOR_NEVER`.
pub(crate) fn timeout(ms: i64, call: Call, member: &str) -> Result<Duration> {
    match ms {
        REACTOR_NEVER => Ok(Duration::ZERO),
        _ => time(ms, call, member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::F;

    #[test]
    fn a_switch_has_three_positions() {
        assert_eq!(switch(0, F, "m"), Ok(None));
        assert_eq!(switch(REACTOR_ON, F, "m"), Ok(Some(true)));
        assert_eq!(switch(REACTOR_OFF, F, "m"), Ok(Some(false)));
        assert!(switch(3, F, "m").unwrap_err().message().contains("f: m is 3"));
    }

    #[test]
    fn only_a_timeout_can_be_never() {
        assert_eq!(time(1500, F, "m"), Ok(Duration::from_millis(1500)));
        assert!(time(-1, F, "m").unwrap_err().message().contains("m is -1"));
        assert_eq!(timeout(REACTOR_NEVER, F, "m"), Ok(Duration::ZERO));
        assert!(timeout(-2, F, "m").unwrap_err().message().contains("m is -2"));
    }
}

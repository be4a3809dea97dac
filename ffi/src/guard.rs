//! The border that no panic crosses.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

use reactor_core::{Error, ErrorKind, Result};

use crate::last_error;
use crate::status::{self, reactor_status, REACTOR_OK};

/// Runs the body of an exported function: its error, or a panic, becomes the status and the thread's last
/// error.
pub(crate) fn guard(body: impl FnOnce() -> Result<()>) -> reactor_status {
    let failed = |error: &Error| {
        last_error::set(error);
        status::of(error.kind())
    };
    // What a panic leaves half done is only ever reached again through the engine's own poison-proof locks.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => REACTOR_OK,
        Ok(Err(error)) => failed(&error),
        Err(panic) => failed(&Error::new(ErrorKind::Internal, format!("panic: {}", text(&*panic)))),
    }
}

/// Runs the body of an exported function that cannot fail: a panic becomes `otherwise`. Does not allocate.
pub(crate) fn guard_value<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::status::{REACTOR_STATUS_FULL, REACTOR_STATUS_INTERNAL};

    fn message() -> String {
        // SAFETY: the pointer is valid until this thread's next call, and copied before.
        unsafe { CStr::from_ptr(last_error::reactor_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_text() {
        assert_eq!(guard(|| panic!("number {}", 7)), REACTOR_STATUS_INTERNAL);
        assert_eq!(message(), "panic: number 7");
        assert_eq!(guard(|| std::panic::panic_any(7)), REACTOR_STATUS_INTERNAL);
        assert_eq!(message(), "panic: without a text");
        assert_eq!(guard_value(3, || panic!("no value")), 3);
    }

    #[test]
    fn an_error_becomes_its_status_and_success_leaves_the_message() {
        assert_eq!(guard(|| Err(Error::new(ErrorKind::Full, "no room"))), REACTOR_STATUS_FULL);
        assert_eq!(guard(|| Ok(())), REACTOR_OK);
        assert_eq!(message(), "no room");
    }
}

//! A call of an exported function: the name that its errors carry, and the border that no panic crosses.

use std::any::Any;
use std::fmt::Display;
use std::panic::{catch_unwind, AssertUnwindSafe};

use reactor_core::{Error, ErrorKind, Result};

use crate::last_error;
use crate::status::{self, reactor_status, REACTOR_OK};

/// A call of the exported function of that name. Each function makes one, under its own name, and passes it on
/// to whatever may fail.
#[derive(Clone, Copy)]
pub(crate) struct Call(&'static str);

impl Call {
    pub(crate) const fn new(function: &'static str) -> Self {
        Call(function)
    }

    /// Runs the function's body: its error, or a panic, becomes the status and the thread's last error.
    pub(crate) fn run(self, body: impl FnOnce() -> Result<()>) -> reactor_status {
        let failed = |error: &Error| {
            last_error::set(error);
            status::of(error.kind())
        };
        // What a panic leaves half done is only ever reached again through the engine's own poison-proof locks.
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => REACTOR_OK,
            Ok(Err(error)) => failed(&error),
            Err(panic) => {
                failed(&self.error(ErrorKind::Internal, format_args!("panic: {}", text_of(&*panic))))
            }
        }
    }

    /// What was wrong with the call.
    pub(crate) fn error(self, kind: ErrorKind, what: impl Display) -> Error {
        Error::new(kind, format!("{}: {what}", self.0))
    }

    /// An argument outside what the function accepts.
    pub(crate) fn invalid(self, what: impl Display) -> Error {
        self.error(ErrorKind::InvalidArgument, what)
    }

    /// What the system refused.
    pub(crate) fn system(self, what: impl Display, error: &std::io::Error) -> Error {
        Error::system(format_args!("{}: {what}", self.0), error)
    }
}

/// Runs the body of an exported function that cannot fail: a panic becomes `otherwise`. Does not allocate.
pub(crate) fn value_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// For tests: the call of a function `f`.
#[cfg(test)]
pub(crate) const F: Call = Call::new("f");

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::last_error::message;
    use crate::status::{REACTOR_STATUS_FULL, REACTOR_STATUS_INTERNAL};

    #[test]
    fn a_panic_becomes_a_status_with_its_text() {
        assert_eq!(F.run(|| panic!("number {}", 7)), REACTOR_STATUS_INTERNAL);
        assert_eq!(message(), "f: panic: number 7");
        assert_eq!(F.run(|| std::panic::panic_any(7)), REACTOR_STATUS_INTERNAL);
        assert_eq!(message(), "f: panic: without a text");
        assert_eq!(value_or(3, || panic!("no value")), 3);
    }

    #[test]
    fn an_error_becomes_its_status_and_success_leaves_the_message() {
        assert_eq!(F.run(|| Err(F.error(ErrorKind::Full, "no room"))), REACTOR_STATUS_FULL);
        assert_eq!(F.run(|| Ok(())), REACTOR_OK);
        assert_eq!(message(), "f: no room");
    }

    #[test]
    fn every_function_that_can_fail_goes_by_its_own_name() {
        let mut named = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
            let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            for function in code.split("#[no_mangle]\n").skip(1) {
                let name = function.split("fn ").nth(1).unwrap().split('(').next().unwrap();
                let own = function.matches(&format!("Call::new(\"{name}\")")).count();
                assert_eq!(function.matches("Call::new(").count(), own, "{name} uses another's name");
                assert_eq!(own, usize::from(!function.contains("value_or(")), "{name}");
                named += own;
            }
        }
        assert!(named > 40, "{named}");
    }
}

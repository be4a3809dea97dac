//! Where user code may panic: callbacks, destructors and loggers. None of that unwinds into the engine.

use std::any::Any;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::notice::{tell, Kind};

/// Calls user code; a panic becomes its text.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_payload(call).map_err(caught)
}

/// The same, where every instruction counts; [`caught`] makes the text.
#[inline(always)]
pub(crate) fn catch_payload<T>(call: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(call))
}

/// The text of a panic.
#[cold]
pub(crate) fn caught(payload: Box<dyn Any + Send>) -> String {
    let text = text_of(&*payload).to_owned();
    // The payload is the user's, too: dropping it may panic, and that panic's payload is not dropped.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
    text
}

/// A function of the user's failed: that is told, as notices are.
pub(crate) fn report(message: fmt::Arguments<'_>) {
    tell(Kind::Handler, message);
}

/// Logs what is no more than a matter for debugging.
pub(crate) fn debug(message: fmt::Arguments<'_>) {
    // There is nobody left to tell of a logger that panics.
    let _ = catch(|| log::debug!("{message}"));
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Grenade;

    impl Drop for Grenade {
        fn drop(&mut self) {
            std::panic::panic_any(Grenade);
        }
    }

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| panic!("plain")), Err::<(), _>("plain".into()));
        assert_eq!(catch(|| panic!("with {}", 1)), Err::<(), _>("with 1".into()));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_goes_no_further() {
        assert_eq!(catch(|| std::panic::panic_any(Grenade)), Err::<(), _>("without a message".into()));
    }
}

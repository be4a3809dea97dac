//! Each thread's last error, in words.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, CString};

use reactor_core::Error;

use crate::call::value_or;

/// What the last failed call of a thread left behind.
#[derive(Default)]
struct LastError {
    message: CString,
    errno: c_int,
}

thread_local! {
    static LAST: RefCell<LastError> = RefCell::default();
}

/// The message of the last call that failed on the calling thread: what was done and what was wrong with it.
/// Empty if none has failed; never NULL. Valid until the next call of this library on this thread; never
/// freed.
#[no_mangle]
pub extern "C" fn reactor_last_error() -> *const c_char {
    // The thread-local is gone only while its thread ends.
    value_or(c"".as_ptr(), || LAST.try_with(|last| last.borrow().message.as_ptr()).unwrap_or(c"".as_ptr()))
}

/// The system's error number for the last call that failed on the calling thread, or 0 if the system had no
/// part in it.
#[no_mangle]
pub extern "C" fn reactor_last_errno() -> c_int {
    value_or(0, || LAST.try_with(|last| last.borrow().errno).unwrap_or(0))
}

/// Keeps an error for the calling thread to ask about.
pub(crate) fn set(error: &Error) {
    let message = CString::new(error.message().replace('\0', "\u{fffd}")).unwrap_or_default();
    let last = LastError { message, errno: error.errno().unwrap_or(0) };
    // A thread that ends has nobody left to ask.
    let _ = LAST.try_with(|slot| slot.replace(last));
}

/// For tests: the calling thread's last message.
#[cfg(test)]
pub(crate) fn message() -> String {
    // SAFETY: the pointer is valid until this thread's next call, and copied before.
    unsafe { std::ffi::CStr::from_ptr(reactor_last_error()) }.to_str().unwrap().to_owned()
}

#[cfg(test)]
mod tests {
    use reactor_core::ErrorKind;

    use super::*;

    #[test]
    fn each_thread_has_its_own() {
        set(&Error::system("do it", &std::io::Error::from_raw_os_error(24)));
        assert!(message().starts_with("do it: "), "{}", message());
        assert_eq!(reactor_last_errno(), 24);
        std::thread::spawn(|| assert_eq!((message().as_str(), reactor_last_errno()), ("", 0)))
            .join()
            .unwrap();
        set(&Error::new(ErrorKind::Closed, "later"));
        assert_eq!((message().as_str(), reactor_last_errno()), ("later", 0));
    }

    #[test]
    fn a_zero_byte_does_not_cut_it_short() {
        set(&Error::new(ErrorKind::Closed, "a\0b"));
        assert_eq!(message(), "a\u{fffd}b");
    }
}

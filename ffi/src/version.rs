//! The version.

use std::ffi::{c_char, CStr};

use crate::call::value_or;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the library, as "0.1.0". Static text: never NULL, never freed.
#[no_mangle]
pub extern "C" fn reactor_version() -> *const c_char {
    value_or(c"".as_ptr(), || VERSION.as_ptr())
}

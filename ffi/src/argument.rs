//! Arguments as they come from C, checked. Errors name the function and the parameter.

use std::ffi::{c_char, CStr};

use reactor_core::{Error, ErrorKind, Result};

/// An argument outside what `function` accepts.
pub(crate) fn invalid(function: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{function}: {what}"))
}

/// Refuses a NULL. Where it is an `out_` parameter: before anything is done.
pub(crate) fn not_null<T>(pointer: *const T, function: &str, parameter: &str) -> Result<()> {
    match pointer.is_null() {
        true => Err(invalid(function, format_args!("{parameter} is NULL"))),
        false => Ok(()),
    }
}

/// What a pointer points to.
///
/// # Safety
/// It is NULL or valid for reads for `'a`, and nobody has or makes a `&mut` to it meanwhile.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, function: &str, parameter: &str) -> Result<&'a T> {
    not_null(pointer, function, parameter)?;
    // SAFETY: not NULL, and the rest is what the caller promises.
    Ok(unsafe { &*pointer })
}

/// Bytes: a pointer and a length; NULL is fine for none.
///
/// # Safety
/// The pointer is NULL or valid for reads of `len` bytes for `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, function: &str) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if len > isize::MAX as usize {
        return Err(invalid(function, format_args!("len is {len}, more than there can be")));
    }
    not_null(data, function, "data")?;
    // SAFETY: not NULL, not too long, and the rest is what the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// A listen URL.
///
/// # Safety
/// The pointer is NULL or points to a string that ends with a zero byte and stays as it is for `'a`.
pub(crate) unsafe fn url<'a>(url: *const c_char, function: &str) -> Result<&'a str> {
    not_null(url, function, "url")?;
    // SAFETY: not NULL, and the rest is what the caller promises.
    let url = unsafe { CStr::from_ptr(url) };
    url.to_str().map_err(|_| {
        let message = format!("listen address {:?}: not UTF-8", url.to_string_lossy());
        Error::new(ErrorKind::InvalidAddress, message)
    })
}

//! Arguments as they come from C, checked. Errors name the function and the parameter.

use std::ffi::{c_char, CStr};
use std::mem::size_of;

use libc::iovec;
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
#[inline]
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

/// Runs of bytes that are gathered on the stack: an allocation for a call of more is not noticed beside the rest.
const FEW: usize = 16;

/// Calls with several runs of bytes.
///
/// # Safety
/// The pointer is NULL or valid for reads of `count` elements, each of which is valid as [`bytes`] says, during
/// the call.
pub(crate) unsafe fn with_slices<T>(
    slices: *const iovec,
    count: usize,
    function: &str,
    call: impl FnOnce(&[&[u8]]) -> Result<T>,
) -> Result<T> {
    if count == 0 {
        return call(&[]);
    }
    not_null(slices, function, "slices")?;
    if count > isize::MAX as usize / size_of::<iovec>() {
        return Err(invalid(function, format_args!("count is {count}, more than there can be")));
    }
    // SAFETY: not NULL, not too many, and the rest is what the caller promises.
    let slices = unsafe { std::slice::from_raw_parts(slices, count) };
    // SAFETY: what the caller promises.
    let checked = |slice: &iovec| unsafe { bytes(slice.iov_base.cast::<u8>(), slice.iov_len, function) };
    let mut few = [[].as_slice(); FEW];
    let Some(few) = few.get_mut(..count) else {
        let many = slices.iter().map(checked).collect::<Result<Vec<_>>>()?;
        return call(countable(&many, function)?);
    };
    for (few, slice) in few.iter_mut().zip(slices) {
        *few = checked(slice)?;
    }
    call(countable(few, function)?)
}

/// Refuses runs whose bytes are too many to be counted.
fn countable<'a, 'b>(slices: &'b [&'a [u8]], function: &str) -> Result<&'b [&'a [u8]]> {
    let total = slices.iter().try_fold(0_usize, |sum, slice| sum.checked_add(slice.len()));
    let too_long = || invalid(function, "the slices together have more bytes than there can be");
    total.map(|_| slices).ok_or_else(too_long)
}

/// A URL to listen at or connect to.
///
/// # Safety
/// The pointer is NULL or points to a string that ends with a zero byte and stays as it is for `'a`.
pub(crate) unsafe fn url<'a>(url: *const c_char, function: &str) -> Result<&'a str> {
    not_null(url, function, "url")?;
    // SAFETY: not NULL, and the rest is what the caller promises.
    let url = unsafe { CStr::from_ptr(url) };
    url.to_str().map_err(|_| {
        let message = format!("address {:?}: not UTF-8", url.to_string_lossy());
        Error::new(ErrorKind::InvalidAddress, message)
    })
}

/// A text that may be left out: `None` for NULL.
///
/// # Safety
/// As for [`url`].
pub(crate) unsafe fn text<'a>(
    text: *const c_char,
    function: &str,
    parameter: &str,
) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the rest is what the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    let not_utf8 =
        |_| invalid(function, format_args!("{parameter} is {:?}: not UTF-8", text.to_string_lossy()));
    text.to_str().map(Some).map_err(not_utf8)
}

/// Gives a result that the caller may not want.
///
/// # Safety
/// The pointer is NULL or has room for the value.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not NULL, and the rest is what the caller promises.
        unsafe { out.write(value) };
    }
}

/// Gives a text, with a zero byte behind it, and its length without; to a NULL with room for nothing, only
/// the length.
///
/// # Safety
/// `buffer` is NULL or has room for `capacity` bytes; `out_length` is NULL or has room for a number.
pub(crate) unsafe fn put_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
    function: &str,
) -> Result<()> {
    if !buffer.is_null() || capacity > 0 {
        not_null(buffer, function, "buffer")?;
        let needed = text.len() + 1;
        if capacity < needed {
            return Err(invalid(function, format_args!("capacity is {capacity}, needed are {needed} bytes")));
        }
        let buffer = buffer.cast::<u8>();
        // SAFETY: the room is enough, as was checked, and Rust's text does not overlap with C's buffer.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr(), text.len());
            buffer.add(text.len()).write(0);
        }
    }
    // SAFETY: what the caller promises.
    unsafe { put(out_length, text.len()) };
    Ok(())
}

/// Gives a list and its length; to a NULL with room for nothing, only the length.
///
/// # Safety
/// `buffer` is NULL or has room for `capacity` elements; `out_count` is NULL or has room for a number.
pub(crate) unsafe fn put_list<T: Copy>(
    list: &[T],
    buffer: *mut T,
    capacity: usize,
    out_count: *mut usize,
    function: &str,
) -> Result<()> {
    if !buffer.is_null() || capacity > 0 {
        not_null(buffer, function, "buffer")?;
        let needed = list.len();
        if capacity < needed {
            return Err(invalid(function, format_args!("capacity is {capacity}, needed are {needed}")));
        }
        // SAFETY: the room is enough, as was checked, and Rust's list does not overlap with C's buffer.
        unsafe { buffer.copy_from_nonoverlapping(list.as_ptr(), needed) };
    }
    // SAFETY: what the caller promises.
    unsafe { put(out_count, list.len()) };
    Ok(())
}

/// A function of the program's that must be there.
pub(crate) fn function<F>(given: Option<F>, function: &str, parameter: &str) -> Result<F> {
    given.ok_or_else(|| invalid(function, format_args!("{parameter} is NULL")))
}

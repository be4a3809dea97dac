//! Arguments as they come from C, checked. Errors name the function and the parameter.

use std::ffi::{c_char, CStr};
use std::mem::size_of;

use libc::iovec;
use reactor_core::{Error, ErrorKind, Result};

use crate::call::Call;

/// Runs of bytes that are gathered on the stack: an allocation for a call of more is not noticed beside the rest.
const FEW: usize = 16;

impl Call {
    /// Refuses a NULL.
    pub(crate) fn not_null<T>(self, pointer: *const T, parameter: &str) -> Result<()> {
        match pointer.is_null() {
            true => Err(self.invalid(format_args!("{parameter} is NULL"))),
            false => Ok(()),
        }
    }

    /// What must not be left out, and was if it is `None`.
    pub(crate) fn required<T>(self, given: Option<T>, parameter: &str) -> Result<T> {
        given.ok_or_else(|| self.invalid(format_args!("{parameter} is NULL")))
    }

    /// Bytes: a pointer and a length; NULL is fine for none.
    ///
    /// # Safety
    /// The pointer is NULL or valid for reads of `len` bytes for `'a`.
    #[inline]
    pub(crate) unsafe fn bytes<'a>(self, data: *const u8, len: usize) -> Result<&'a [u8]> {
        if len == 0 {
            return Ok(&[]);
        }
        if len > isize::MAX as usize {
            return Err(self.invalid(format_args!("len is {len}, more than there can be")));
        }
        self.not_null(data, "data")?;
        // SAFETY: not NULL, not too long, and the rest is what the caller promises.
        Ok(unsafe { std::slice::from_raw_parts(data, len) })
    }

    /// Calls with several runs of bytes.
    ///
    /// # Safety
    /// The pointer is NULL or valid for reads of `count` elements, each of which is valid as [`Call::bytes`]
    /// says, while `use_them` runs.
    pub(crate) unsafe fn with_slices<T>(
        self,
        slices: *const iovec,
        count: usize,
        use_them: impl FnOnce(&[&[u8]]) -> Result<T>,
    ) -> Result<T> {
        if count == 0 {
            return use_them(&[]);
        }
        self.not_null(slices, "slices")?;
        if count > isize::MAX as usize / size_of::<iovec>() {
            return Err(self.invalid(format_args!("count is {count}, more than there can be")));
        }
        // SAFETY: not NULL, not too many, and the rest is what the caller promises.
        let slices = unsafe { std::slice::from_raw_parts(slices, count) };
        // SAFETY: what the caller promises.
        let checked = |slice: &iovec| unsafe { self.bytes(slice.iov_base.cast::<u8>(), slice.iov_len) };
        let mut few = [[].as_slice(); FEW];
        let Some(few) = few.get_mut(..count) else {
            let many = slices.iter().map(checked).collect::<Result<Vec<_>>>()?;
            return use_them(self.countable(&many)?);
        };
        for (few, slice) in few.iter_mut().zip(slices) {
            *few = checked(slice)?;
        }
        use_them(self.countable(few)?)
    }

    /// Refuses runs whose bytes are too many to be counted.
    fn countable<'a, 'b>(self, slices: &'b [&'a [u8]]) -> Result<&'b [&'a [u8]]> {
        let total = slices.iter().try_fold(0_usize, |sum, slice| sum.checked_add(slice.len()));
        let too_long = || self.invalid("the slices together have more bytes than there can be");
        total.map(|_| slices).ok_or_else(too_long)
    }

    /// A URL to listen at or connect to.
    ///
    /// # Safety
    /// The pointer is NULL or points to a string that ends with a zero byte and stays as it is for `'a`.
    pub(crate) unsafe fn url<'a>(self, url: *const c_char) -> Result<&'a str> {
        // SAFETY: what the caller promises.
        unsafe { self.url_of(url, "url") }
    }

    /// URLs to listen at; NULL is fine for none.
    ///
    /// # Safety
    /// The pointer is NULL or valid for reads of `count` elements, each of which is as for [`Call::url`].
    pub(crate) unsafe fn urls<'a>(self, urls: *const *const c_char, count: usize) -> Result<Vec<&'a str>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.not_null(urls, "urls")?;
        if count > isize::MAX as usize / size_of::<*const c_char>() {
            return Err(self.invalid(format_args!("url_count is {count}, more than there can be")));
        }
        // SAFETY: not NULL, not too many, and the rest is what the caller promises.
        let urls = unsafe { std::slice::from_raw_parts(urls, count) };
        // SAFETY: what the caller promises.
        let checked =
            |(index, url): (usize, &*const c_char)| unsafe { self.url_of(*url, &format!("urls[{index}]")) };
        urls.iter().enumerate().map(checked).collect()
    }

    /// # Safety
    /// As for [`Call::url`].
    unsafe fn url_of<'a>(self, url: *const c_char, parameter: &str) -> Result<&'a str> {
        self.not_null(url, parameter)?;
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
    /// As for [`Call::url`].
    pub(crate) unsafe fn text<'a>(self, text: *const c_char, parameter: &str) -> Result<Option<&'a str>> {
        if text.is_null() {
            return Ok(None);
        }
        // SAFETY: not NULL, and the rest is what the caller promises.
        let text = unsafe { CStr::from_ptr(text) };
        let not_utf8 =
            |_| self.invalid(format_args!("{parameter} is {:?}: not UTF-8", text.to_string_lossy()));
        text.to_str().map(Some).map_err(not_utf8)
    }
}

//! What exported functions give through their `out_` parameters and into buffers: only when they succeed.

use std::ffi::c_char;

use reactor_core::Result;

use crate::call::Call;

/// Gives a result that the caller may not want.
///
/// # Safety
/// The pointer is NULL or has room for the value.
pub(crate) unsafe fn offer<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not NULL, and the rest is what the caller promises.
        unsafe { out.write(value) };
    }
}

impl Call {
    /// Gives a result; a NULL is refused before anything is done.
    ///
    /// # Safety
    /// The pointer is NULL or has room for the value.
    pub(crate) unsafe fn give<T>(
        self,
        out: *mut T,
        parameter: &str,
        value: impl FnOnce() -> Result<T>,
    ) -> Result<()> {
        self.not_null(out, parameter)?;
        let value = value()?;
        // SAFETY: not NULL, and the rest is what the caller promises.
        unsafe { out.write(value) };
        Ok(())
    }

    /// Gives a text, with a zero byte behind it, and its length without; to a NULL with room for nothing, only
    /// the length.
    ///
    /// # Safety
    /// `buffer` is NULL or has room for `capacity` bytes; `out_length` is NULL or has room for a number.
    pub(crate) unsafe fn give_text(
        self,
        text: &str,
        buffer: *mut c_char,
        capacity: usize,
        out_length: *mut usize,
    ) -> Result<()> {
        if self.has_room(buffer, capacity, text.len() + 1, " bytes")? {
            let buffer = buffer.cast::<u8>();
            // SAFETY: the room is enough, and Rust's text does not overlap with C's buffer.
            unsafe {
                buffer.copy_from_nonoverlapping(text.as_ptr(), text.len());
                buffer.add(text.len()).write(0);
            }
        }
        // SAFETY: what the caller promises.
        unsafe { offer(out_length, text.len()) };
        Ok(())
    }

    /// Gives a list and its length; to a NULL with room for nothing, only the length.
    ///
    /// # Safety
    /// `buffer` is NULL or has room for `capacity` elements; `out_count` is NULL or has room for a number.
    pub(crate) unsafe fn give_list<T: Copy>(
        self,
        list: &[T],
        buffer: *mut T,
        capacity: usize,
        out_count: *mut usize,
    ) -> Result<()> {
        if self.has_room(buffer, capacity, list.len(), "")? {
            // SAFETY: the room is enough, and Rust's list does not overlap with C's buffer.
            unsafe { buffer.copy_from_nonoverlapping(list.as_ptr(), list.len()) };
        }
        // SAFETY: what the caller promises.
        unsafe { offer(out_count, list.len()) };
        Ok(())
    }

    /// Says whether there is a buffer to be filled, and refuses one that is too small.
    fn has_room<T>(self, buffer: *mut T, capacity: usize, needed: usize, unit: &str) -> Result<bool> {
        if buffer.is_null() && capacity == 0 {
            return Ok(false);
        }
        self.not_null(buffer, "buffer")?;
        match capacity < needed {
            true => Err(self.invalid(format_args!("capacity is {capacity}, needed are {needed}{unit}"))),
            false => Ok(true),
        }
    }
}

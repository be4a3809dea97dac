//! Structures that carry their size, so that old programs and new libraries understand each other, and the
//! other way round.

use std::mem::{size_of, MaybeUninit};

use reactor_core::Result;

use crate::call::Call;

/// The size that a structure may say of itself at most, so that garbage does not make us read all of memory:
/// a page, as for Linux's system calls.
const MOST: usize = 4096;

/// A structure that C passes in, or has filled in: plain data, whose first member is its size.
///
/// # Safety
/// `repr(C)`, the first member is a `usize`, there is no padding, all zeroes is a valid value, and `ENDS` are
/// offsets of members.
pub(crate) unsafe trait SizedStruct: Copy {
    /// Where a structure of an older program may end, in ascending order: at the members that may be missing.
    /// The first is the least size.
    const ENDS: &'static [usize];
}

/// The offsets of the members that may be missing, for [`SizedStruct::ENDS`]: those behind the semicolon. All are
/// named, in order, so that what lies between them is seen: on 64-bit systems there must be no padding.
macro_rules! ends {
    ($of:ty: $($first:ident),+; $($member:ident),+ $(,)?) => {{
        #[cfg(target_pointer_width = "64")]
        const _: () = assert!(
            size_of::<$of>() == 0
                $(+ $crate::sized::size_of_member(|of: &$of| &of.$first))+
                $(+ $crate::sized::size_of_member(|of: &$of| &of.$member))+
        );
        &[$(std::mem::offset_of!($of, $member)),+]
    }};
}
pub(crate) use ends;

pub(crate) const fn size_of_member<T, M>(_: fn(&T) -> &M) -> usize {
    size_of::<M>()
}

/// Copies a structure, with the rules of Linux's `copy_struct_from_user` (include/linux/uaccess.h): what a
/// shorter one of an older program lacks is zero; what a longer one of a newer program has in excess must be
/// zero, because it asks for something that this library does not know.
///
/// # Safety
/// The pointer is NULL or valid for reads of as many bytes as the structure says at its beginning.
pub(crate) unsafe fn read<T: SizedStruct>(pointer: *const T, call: Call, parameter: &str) -> Result<T> {
    // SAFETY: what the caller promises.
    let size = unsafe { size(pointer, call, parameter) }?;
    let (bytes, known) = (pointer.cast::<u8>(), size.min(size_of::<T>()));
    // SAFETY: the caller promises `size` bytes, and `known` is not more.
    let excess = unsafe { std::slice::from_raw_parts(bytes.add(known), size - known) };
    if excess.iter().any(|&byte| byte != 0) {
        let what = format_args!("{parameter} uses members that this version of the library does not know");
        return Err(call.invalid(what));
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes are readable there and fit here; zeroes, and what C wrote as this type, are
    // valid.
    unsafe {
        value.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes, known);
        Ok(value.assume_init())
    }
}

/// Copies a structure that may be left out: `None` for NULL.
///
/// # Safety
/// As for [`read`].
pub(crate) unsafe fn optional<T: SizedStruct>(
    pointer: *const T,
    call: Call,
    parameter: &str,
) -> Result<Option<T>> {
    match pointer.is_null() {
        true => Ok(None),
        // SAFETY: what the caller promises.
        false => unsafe { read(pointer, call, parameter) }.map(Some),
    }
}

/// Fills a structure in, as far as the program knows its members; what it knows beyond is zero. Its size
/// stays as it is. One that says a size that cannot be is refused before anything is done.
///
/// # Safety
/// The pointer is NULL or has room for as many bytes as the structure says at its beginning.
pub(crate) unsafe fn fill<T: SizedStruct>(
    out: *mut T,
    call: Call,
    parameter: &str,
    value: impl FnOnce() -> Result<T>,
) -> Result<()> {
    // SAFETY: what the caller promises.
    let size = unsafe { size(out, call, parameter) }?;
    let (value, first, known) = (value()?, size_of::<usize>(), size.min(size_of::<T>()));
    let (from, to) = (std::ptr::from_ref(&value).cast::<u8>(), out.cast::<u8>());
    // SAFETY: `known` bytes are in both, and the rest is inside of what C passes.
    unsafe {
        to.add(first).copy_from_nonoverlapping(from.add(first), known - first);
        to.add(known).write_bytes(0, size - known);
    }
    Ok(())
}

/// The size that a structure says, if it can be.
///
/// # Safety
/// The pointer is NULL or valid for reads of a size.
unsafe fn size<T: SizedStruct>(pointer: *const T, call: Call, parameter: &str) -> Result<usize> {
    call.not_null(pointer, parameter)?;
    // SAFETY: the size is there, and it is read without asking for alignment.
    let size = unsafe { pointer.cast::<usize>().read_unaligned() };
    match is_possible::<T>(size) {
        true => Ok(size),
        false => Err(call.invalid(format_args!(
            "{parameter}->size is {size}, at which no structure ends: set it to sizeof"
        ))),
    }
}

/// Whether a structure may have this size: half a member would be half a pointer.
fn is_possible<T: SizedStruct>(size: usize) -> bool {
    T::ENDS.contains(&size) || (size_of::<T>()..=MOST).contains(&size)
}

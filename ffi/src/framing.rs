//! How input is cut into frames.

use std::ffi::c_void;

use reactor_core::{ByteOrder, Framing, LengthField, Result, Width};

use crate::call::Call;
use crate::owned::{hand_over, reactor_destroy, Owned};
use crate::sized::{self, ends, SizedStruct};
use crate::status::reactor_status;

/// For the order of a length field's bytes: the highest first, network order. The default.
pub const REACTOR_BYTE_ORDER_BIG: u32 = 1;
/// For the order of a length field's bytes: the lowest first.
pub const REACTOR_BYTE_ORDER_LITTLE: u32 = 2;
/// For the width of a length field: an unsigned number of up to 64 bits in one to ten bytes, seven bits in
/// each and the lowest first; the highest bit says that another byte follows. Known as LEB128, and as
/// protobuf's varint. It has no byte order.
pub const REACTOR_WIDTH_VARINT: u32 = 128;
/// For strip: the frame is delivered whole.
pub const REACTOR_STRIP_NOTHING: usize = -1_isize as usize;

/// A way to cut a byte stream into frames, before on_data sees it. Made by one of the constructors, which
/// give it to the caller; shared into the options and connections that use it, so that it may be freed at any
/// time by reactor_framing_free(). Never changes, and may be used by any thread.
///
/// max_frame is the size of the largest frame in bytes; 0 means 16 MiB. It counts all that a frame takes in
/// the stream, whether delivered or not: the header, the delimiter, the line's CR and LF. A larger frame is a
/// protocol error as soon as it is known to be larger. A framing that contradicts itself is made all the
/// same, and refused with REACTOR_STATUS_INVALID_ARGUMENT where it is used.
pub struct reactor_framing(Framing);

/// Where a frame's length stands, and what it counts. Set size to sizeof. A frame has as many bytes as offset,
/// width, the field's value and adjustment say together; of them the first strip are not delivered. A frame
/// that would end before its field does, or that is shorter than strip, is malformed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_length_field {
    /// sizeof(struct reactor_length_field).
    pub size: usize,
    /// Bytes in front of the field.
    pub offset: usize,
    /// The bytes of the field: 1, 2, 3, 4 or 8 of an unsigned number, or REACTOR_WIDTH_VARINT. Not 0.
    pub width: u32,
    /// The order of these bytes: REACTOR_BYTE_ORDER_.... Default: the highest first.
    pub order: u32,
    /// What to add to the value to get the number of bytes behind the field: 0 if the value counts just
    /// these, -(offset + width) if it counts the whole frame, positive if more of the header follows the
    /// field and the value does not count it.
    pub adjustment: i64,
    /// Bytes not delivered, from the front of the frame; REACTOR_STRIP_NOTHING for none. Default: all up to
    /// the end of the field. With a varint, that or at most offset.
    pub strip: usize,
}

// SAFETY: integers only, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_length_field {
    const ENDS: &'static [usize] = ends!(reactor_length_field: size, offset, width; order, adjustment, strip);
}

/// Measures a frame, for reactor_framing_custom(): it is given the input from the beginning of a frame, at
/// least one byte, and answers how many bytes that frame has in all, those not yet there included. 0 means
/// that the input is too short to tell, and a negative number that it is malformed, which ends the connection
/// with REACTOR_CLOSE_PROTOCOL.
pub type reactor_measure =
    Option<unsafe extern "C" fn(user_data: *mut c_void, data: *const u8, len: usize) -> isize>;

/// Every frame has len bytes, at least one.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_fixed(
    len: usize,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    // SAFETY: the caller passes NULL or room for a pointer.
    unsafe { make(Call::new("reactor_framing_fixed"), max_frame, out_framing, || Ok(Framing::fixed(len))) }
}

/// A frame ends before the next delimiter, of delimiter_len bytes, at least one, and is delivered without it.
/// The delimiter is copied.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_delimiter(
    delimiter: *const u8,
    delimiter_len: usize,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_delimiter");
    // SAFETY: as for `reactor_framing_fixed`, and `delimiter_len` bytes.
    unsafe {
        make(call, max_frame, out_framing, || call.bytes(delimiter, delimiter_len).map(Framing::delimiter))
    }
}

/// A frame ends before the next LF, and is delivered without it and without the CR that may stand in front of
/// it.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_line(
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    // SAFETY: as for `reactor_framing_fixed`.
    unsafe { make(Call::new("reactor_framing_line"), max_frame, out_framing, || Ok(Framing::line())) }
}

/// A frame has a header that says how long it is. field is copied.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, and members out of range.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_length_field(
    field: *const reactor_length_field,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_length_field");
    // SAFETY: as for `reactor_framing_fixed`, and a structure of the size that it says.
    unsafe {
        make(call, max_frame, out_framing, || {
            sized::read(field, call, "field")?.to_core(call).map(Framing::length_field)
        })
    }
}

/// A frame is as long as measure says, and is delivered whole. measure is called on the threads of the loops,
/// on several at once, and must be able to tell from no more than max_frame bytes. While the input is too
/// short it is asked again from the beginning, so a frame that comes in small pieces costs the square of what
/// it takes to tell.
///
/// destroy, which may be NULL, is called once, when the framing was freed and no option and no connection
/// uses it any more; on any thread.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL. user_data is the caller's then.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_custom(
    measure: reactor_measure,
    user_data: *mut c_void,
    destroy: reactor_destroy,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_custom");
    let custom = || {
        let measure = call.required(measure, "measure")?;
        hand_over(user_data, destroy, |owned: Owned| {
            Ok(Framing::custom(move |input| {
                // SAFETY: the program's own function, with its data; the bytes are valid while it runs.
                let size = unsafe { measure(owned.data(), input.as_ptr(), input.len()) };
                match usize::try_from(size) {
                    Ok(0) => Ok(None),
                    Ok(size) => Ok(Some(size)),
                    Err(_) => Err(format!("the program's function returned {size}").into()),
                }
            }))
        })
    };
    // SAFETY: as for `reactor_framing_fixed`.
    unsafe { make(call, max_frame, out_framing, custom) }
}

/// Gives a framing up; options and connections that use it go on using it. NULL is fine. Free it once.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_free(framing: *mut reactor_framing) -> reactor_status {
    Call::new("reactor_framing_free").run(|| {
        if !framing.is_null() {
            // SAFETY: made by `Box::into_raw`, and the caller promises to use it no more.
            drop(unsafe { Box::from_raw(framing) });
        }
        Ok(())
    })
}

/// The body of a constructor.
///
/// # Safety
/// `out` is NULL or has room for a pointer.
unsafe fn make(
    call: Call,
    max_frame: usize,
    out: *mut *mut reactor_framing,
    framing: impl FnOnce() -> Result<Framing>,
) -> reactor_status {
    let boxed = || Ok(Box::into_raw(Box::new(reactor_framing(framing()?.max_frame(max_frame)))));
    // SAFETY: what the caller promises.
    call.run(|| unsafe { call.give(out, "out_framing", boxed) })
}

/// What a program passes where a framing may be left out.
///
/// # Safety
/// The pointer is NULL or a framing that is not freed meanwhile.
pub(crate) unsafe fn cloned(framing: *const reactor_framing) -> Option<Framing> {
    // SAFETY: what the caller promises; nobody ever has a `&mut` to a framing.
    unsafe { framing.as_ref() }.map(|framing| framing.0.clone())
}

impl reactor_length_field {
    fn to_core(self, call: Call) -> Result<LengthField> {
        let width = match self.width {
            1 => Width::One,
            2 => Width::Two,
            3 => Width::Three,
            4 => Width::Four,
            8 => Width::Eight,
            REACTOR_WIDTH_VARINT => Width::Varint,
            width => return Err(call.invalid(format_args!("field->width is {width}, which is none"))),
        };
        let order = match self.order {
            0 | REACTOR_BYTE_ORDER_BIG => ByteOrder::Big,
            REACTOR_BYTE_ORDER_LITTLE => ByteOrder::Little,
            order => return Err(call.invalid(format_args!("field->order is {order}, which is none"))),
        };
        let mut field = LengthField::new(width, order);
        (field.offset, field.adjustment) = (self.offset, self.adjustment);
        field.strip = match self.strip {
            0 => LengthField::STRIP_HEADER,
            REACTOR_STRIP_NOTHING => 0,
            strip => strip,
        };
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::call::F;

    const FIELD: reactor_length_field = reactor_length_field {
        size: size_of::<reactor_length_field>(),
        offset: 3,
        width: 2,
        order: REACTOR_BYTE_ORDER_LITTLE,
        adjustment: -5,
        strip: 4,
    };

    #[test]
    fn every_member_arrives() {
        let field = FIELD.to_core(F).unwrap();
        assert_eq!((field.offset, field.width, field.order), (3, Width::Two, ByteOrder::Little));
        assert_eq!((field.adjustment, field.strip), (-5, 4));
        let strip = |strip| reactor_length_field { strip, ..FIELD }.to_core(F).unwrap().strip;
        assert_eq!((strip(0), strip(REACTOR_STRIP_NOTHING)), (LengthField::STRIP_HEADER, 0));
        let order = |order| reactor_length_field { order, ..FIELD }.to_core(F).map(|field| field.order);
        assert_eq!((order(0), order(REACTOR_BYTE_ORDER_BIG)), (Ok(ByteOrder::Big), Ok(ByteOrder::Big)));
        assert!(order(3).is_err());
    }

    #[test]
    fn widths_are_those_that_there_are() {
        let width = |width| reactor_length_field { width, ..FIELD }.to_core(F).map(|field| field.width);
        let widths = [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight, Width::Varint];
        for (number, expected) in [1, 2, 3, 4, 8, REACTOR_WIDTH_VARINT].into_iter().zip(widths) {
            assert_eq!(width(number), Ok(expected));
        }
        for number in [0, 5, 9, u32::MAX] {
            assert!(width(number).unwrap_err().message().contains("field->width"));
        }
    }
}

//! A frame's length, where a header says it.

use reactor_core::{ByteOrder, LengthField, Result, Width};

use crate::call::Call;
use crate::sized::{ends, SizedStruct};

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

impl reactor_length_field {
    pub(crate) fn to_core(self, call: Call) -> Result<LengthField> {
        let width = match self.width {
            1 => Width::One,
            2 => Width::Two,
            3 => Width::Three,
            4 => Width::Four,
            8 => Width::Eight,
            REACTOR_WIDTH_VARINT => Width::Varint,
            width => {
                let known = "1, 2, 3, 4, 8 and REACTOR_WIDTH_VARINT";
                return Err(
                    call.invalid(format_args!("field->width is {width}, which is none (known: {known})"))
                );
            }
        };
        let order = match self.order {
            0 | REACTOR_BYTE_ORDER_BIG => ByteOrder::Big,
            REACTOR_BYTE_ORDER_LITTLE => ByteOrder::Little,
            order => {
                let known = "REACTOR_BYTE_ORDER_BIG and REACTOR_BYTE_ORDER_LITTLE";
                return Err(
                    call.invalid(format_args!("field->order is {order}, which is none (known: {known})"))
                );
            }
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
        assert!(order(3).unwrap_err().message().contains("(known: REACTOR_BYTE_ORDER_BIG and "));
    }

    #[test]
    fn widths_are_those_that_there_are() {
        let width = |width| reactor_length_field { width, ..FIELD }.to_core(F).map(|field| field.width);
        let widths = [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight, Width::Varint];
        for (number, expected) in [1, 2, 3, 4, 8, REACTOR_WIDTH_VARINT].into_iter().zip(widths) {
            assert_eq!(width(number), Ok(expected));
        }
        for number in [0, 5, 9, u32::MAX] {
            let error = width(number).unwrap_err();
            let expected = format!(
                "field->width is {number}, which is none (known: 1, 2, 3, 4, 8 and REACTOR_WIDTH_VARINT)"
            );
            assert!(error.message().contains(&expected), "{}", error.message());
        }
    }
}

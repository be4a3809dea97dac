//! Frames whose header says how long they are.

use super::encode::Head;
use super::{invalid, Cut, FrameError};
use crate::base::error;

/// A varint's bytes at most: 64 bits in groups of seven.
const MAX_VARINT: usize = 10;

/// The bytes of a length field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Width {
    /// An unsigned number of 8 bits.
    One,
    /// An unsigned number of 16 bits.
    Two,
    /// An unsigned number of 24 bits.
    Three,
    /// An unsigned number of 32 bits.
    Four,
    /// An unsigned number of 64 bits.
    Eight,
    /// An unsigned number of up to 64 bits in one to ten bytes, seven bits in each and the lowest first; the
    /// highest bit says that another byte follows. Known as LEB128, and as protobuf's varint. It has no byte
    /// order.
    Varint,
}

impl Width {
    /// The bytes of the field; of a varint, the least.
    pub(super) fn least(self) -> usize {
        match self {
            Width::One | Width::Varint => 1,
            Width::Two => 2,
            Width::Three => 3,
            Width::Four => 4,
            Width::Eight => 8,
        }
    }

    /// The bytes of the field, if it always has as many.
    pub(super) fn fixed(self) -> Option<usize> {
        (self != Width::Varint).then(|| self.least())
    }

    /// The greatest value that the field can hold.
    fn greatest(self) -> u64 {
        match self {
            Width::Varint | Width::Eight => u64::MAX,
            _ => (1 << (8 * self.least())) - 1,
        }
    }
}

/// The order of a length field's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The highest byte first: network order.
    Big,
    /// The lowest byte first.
    Little,
}

/// Where a frame's length stands, and what it counts; as in Netty's `LengthFieldBasedFrameDecoder`, from
/// which the names are.
///
/// ```text
///   0         offset                    header
///   +-----------+-----------------------+-----------------------------+
///   |    ...    | field, `width` bytes  |  `value + adjustment` bytes |
///   +-----------+-----------------------+-----------------------------+
/// ```
///
/// A frame has `offset + width + value + adjustment` bytes; of them the first `strip` are not delivered. A
/// frame that would end before its field does, or that is shorter than `strip`, is malformed.
///
/// ```
/// use reactor_core::{Framing, LengthField, Width};
///
/// // Two bytes of length that count themselves, then a payload.
/// let field = LengthField { width: Width::Two, adjustment: -2, ..LengthField::default() };
/// let framing = Framing::length_field(field).max_frame(65_535);
/// # let _ = framing;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthField {
    /// Bytes in front of the field.
    pub offset: usize,
    /// The bytes of the field.
    pub width: Width,
    /// The order of these bytes; without a meaning for a varint.
    pub order: ByteOrder,
    /// What to add to the value to get the number of bytes behind the field: 0 if the value counts just
    /// these, `-(offset + width)` if it counts the whole frame, positive if more of the header follows the
    /// field and the value does not count it.
    pub adjustment: i64,
    /// Bytes not delivered, from the front of the frame; [`STRIP_HEADER`](Self::STRIP_HEADER) for all up to
    /// the end of the field. With a varint, that or at most `offset`.
    pub strip: usize,
}

impl Default for LengthField {
    /// Four bytes, the highest first, in front of the payload that they count; just that is delivered. The largest
    /// frame is the framing's: [`Framing::DEFAULT_MAX_FRAME`](super::Framing::DEFAULT_MAX_FRAME).
    fn default() -> LengthField {
        LengthField::new(Width::Four, ByteOrder::Big)
    }
}

impl LengthField {
    /// For [`strip`](Self::strip): all up to the end of the field, however long that is.
    pub const STRIP_HEADER: usize = usize::MAX;

    /// A field at the front that counts the bytes behind it; just these are delivered.
    #[must_use]
    pub fn new(width: Width, order: ByteOrder) -> LengthField {
        LengthField { offset: 0, width, order, adjustment: 0, strip: Self::STRIP_HEADER }
    }

    pub(super) fn check(&self, max: usize) -> error::Result<()> {
        let header = self.offset.saturating_add(self.width.least());
        if header > max {
            return invalid(format!(
                "a length field that ends at byte {header} is beyond the maximum frame of {max}"
            ));
        }
        if self.strip != Self::STRIP_HEADER {
            self.check_strip(max)?;
        }
        let (shortest, longest) = (self.size(header, 0), self.size(header, self.width.greatest()));
        if shortest > max as i128 || longest < header as i128 {
            let adjustment = self.adjustment;
            return invalid(format!(
                "with an adjustment of {adjustment} no value of the length field is right"
            ));
        }
        Ok(())
    }

    fn check_strip(&self, max: usize) -> error::Result<()> {
        let (strip, offset) = (self.strip, self.offset);
        if strip > max {
            return invalid(format!("strip is {strip} bytes, beyond the maximum frame of {max}"));
        }
        if self.width == Width::Varint && strip > offset {
            return invalid(format!(
                "strip is {strip} bytes, beyond the offset of {offset} of a varint, whose end varies"
            ));
        }
        Ok(())
    }

    /// The size of a frame whose header has `header` bytes and whose field says `value`. Three numbers of 64
    /// bits cannot overflow one of 128.
    fn size(&self, header: usize, value: u64) -> i128 {
        header as i128 + i128::from(value) + i128::from(self.adjustment)
    }

    pub(super) fn cut(&self, input: &[u8]) -> Result<Cut, FrameError> {
        let field = input.get(self.offset..).unwrap_or_default();
        let Some((value, width)) = self.read(field)? else {
            return Ok(Cut::Need((self.offset + self.width.least()).max(input.len() + 1)));
        };
        let header = self.offset + width;
        let size = self.size(header, value);
        let strip = if self.strip == Self::STRIP_HEADER { header } else { self.strip };
        if size < header.max(strip) as i128 {
            let adjustment = self.adjustment;
            return Err(FrameError::Malformed(format!(
                "a length of {value}, adjusted by {adjustment}, makes a frame of {size} bytes: too short"
            )));
        }
        // What saturates is above the maximum, and refused for that.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        match size <= input.len() {
            true => Ok(Cut::Frame { frame: strip..size, consumed: size }),
            false => Ok(Cut::Need(size)),
        }
    }

    /// The value of the field that `bytes` begin with, and how many bytes it has; `None` if there are more to
    /// come.
    fn read(&self, bytes: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
        if self.width == Width::Varint {
            return read_varint(bytes);
        }
        let width = self.width.least();
        let join = |value, byte: &u8| value << 8 | u64::from(*byte);
        Ok(bytes.get(..width).map(|field| match self.order {
            ByteOrder::Big => (field.iter().fold(0, join), width),
            ByteOrder::Little => (field.iter().rev().fold(0, join), width),
        }))
    }

    /// The header of a frame with a payload of `payload` bytes; all but the field is zero.
    pub(super) fn head(&self, payload: usize) -> error::Result<Head> {
        let least = self.offset.saturating_add(self.width.least());
        // What is stripped behind the field counts as length.
        let rest = if self.strip == Self::STRIP_HEADER { 0 } else { self.strip.saturating_sub(least) };
        let value = payload as i128 + rest as i128 - i128::from(self.adjustment);
        let fits = u64::try_from(value).ok().filter(|value| *value <= self.width.greatest());
        let Some(value) = fits else {
            return invalid(format!("cannot encode a frame: its length field cannot say {value}"));
        };
        let (field, width) = self.write(value);
        let mut head = Head::zeroed(self.offset.saturating_add(width).saturating_add(rest))?;
        head.as_mut_slice()[self.offset..][..width].copy_from_slice(&field[..width]);
        Ok(head)
    }

    /// The field's bytes, and how many they are. The value fits.
    fn write(&self, value: u64) -> ([u8; MAX_VARINT], usize) {
        let (mut field, width) = ([0; MAX_VARINT], self.width.least());
        match (self.width, self.order) {
            (Width::Varint, _) => return write_varint(value),
            (_, ByteOrder::Big) => field[..width].copy_from_slice(&value.to_be_bytes()[8 - width..]),
            (_, ByteOrder::Little) => field[..width].copy_from_slice(&value.to_le_bytes()[..width]),
        }
        (field, width)
    }
}

/// Takes what is longer than it needs to be, as protobuf does, but no more than 64 bits.
fn read_varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        // Nine groups of seven bits leave one bit for the last.
        if index == MAX_VARINT - 1 && *byte > 1 {
            return Err(FrameError::Malformed("the varint of its length has more than 64 bits".into()));
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    Ok(None)
}

fn write_varint(mut value: u64) -> ([u8; MAX_VARINT], usize) {
    let (mut field, mut width) = ([0; MAX_VARINT], 0);
    while value > 0x7f {
        field[width] = value as u8 | 0x80;
        value >>= 7;
        width += 1;
    }
    field[width] = value as u8;
    (field, width + 1)
}

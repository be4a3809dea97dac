//! The short way of a length field: what nearly every frame is, in few instructions.

use std::ops::Range;

use super::encode::ShortHead;
use super::length_field::{ByteOrder, LengthField};
use super::Kind;

/// A field of at most four bytes whose numbers all have 32 bits, worked out beforehand. What it does not answer,
/// [`LengthField`] tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quick {
    offset: u32,
    /// What to add to the field's value to get the size of the frame.
    extra: i32,
    strip: u32,
    /// The smallest and the largest frame.
    least: u32,
    max: u32,
    /// Of the word of 64 bits that begins with the field, those that are not the field's.
    spare: u8,
    /// The bytes of a header that is written; 0 for one that is not written this way.
    head: u8,
    order: ByteOrder,
}

impl Quick {
    pub(super) fn of(kind: &Kind, max: usize) -> Option<Quick> {
        let Kind::LengthField(field) = kind else { return None };
        let width = field.width.fixed().filter(|width| *width <= 4)?;
        let header = u32::try_from(field.offset.checked_add(width)?).ok()?;
        let strip = match field.strip {
            LengthField::STRIP_HEADER => header,
            strip => u32::try_from(strip).ok()?,
        };
        Some(Quick {
            offset: header - width as u32,
            extra: i32::try_from(i64::from(header).checked_add(field.adjustment)?).ok()?,
            strip,
            least: header.max(strip),
            max: u32::try_from(max).unwrap_or(u32::MAX),
            spare: 64 - 8 * width as u8,
            head: if header <= ShortHead::ROOM as u32 && strip <= header { header as u8 } else { 0 },
            order: field.order,
        })
    }

    /// What to deliver of the first frame in `input`, which ends where the frame does, if that is there whole and there
    /// are eight bytes from its field on.
    #[inline(always)]
    pub(super) fn cut(&self, input: &[u8]) -> Option<Range<usize>> {
        let at = self.offset as usize;
        let word = *input.get(at..at + 8)?.first_chunk()?;
        let value = match self.order {
            ByteOrder::Big => u64::from_be_bytes(word) >> self.spare,
            ByteOrder::Little => u64::from_le_bytes(word) << self.spare >> self.spare,
        };
        // One below zero is larger than any input.
        let size = (value as i64 + i64::from(self.extra)) as usize;
        let fits = (self.least as usize..=self.max as usize).contains(&size) && size <= input.len();
        fits.then_some(self.strip as usize..size)
    }

    /// What goes in front of a payload of `payload` bytes; all but the field is zero.
    #[inline(always)]
    pub(super) fn head(&self, payload: usize) -> Option<ShortHead> {
        let len = usize::from(self.head);
        let size = payload + len;
        if len == 0 || size > self.max as usize {
            return None;
        }
        // One below zero is larger than any field can say.
        let value = (size as i64 - i64::from(self.extra)) as u64;
        let bytes = match self.order {
            ByteOrder::Big => (value << (64 - 8 * len)).to_be_bytes(),
            ByteOrder::Little => (value << (8 * self.offset)).to_le_bytes(),
        };
        (value <= u64::MAX >> self.spare).then_some(ShortHead { bytes, len })
    }
}

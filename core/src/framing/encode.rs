//! Writing frames: what goes in front of a payload and behind it, so that the payload need not be copied.

use memchr::memchr;

use super::delimiters::Delimiters;
use super::{invalid, Cut, Framing, Kind};
use crate::base::error;

/// The largest header that is written. A framing with a larger one can only be read.
const MAX_HEAD: usize = 32;

/// A header, kept inline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    bytes: [u8; MAX_HEAD],
    len: usize,
}

impl Head {
    const NONE: Head = Head { bytes: [0; MAX_HEAD], len: 0 };

    /// A header of `len` zeroes.
    pub(super) fn zeroed(len: usize) -> error::Result<Head> {
        match len <= MAX_HEAD {
            true => Ok(Head { len, ..Head::NONE }),
            false => {
                invalid(format!("cannot encode a frame: a header of {len} bytes, the maximum is {MAX_HEAD}"))
            }
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// A header so short that it fits a register. What is behind `len` is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortHead {
    pub(super) bytes: [u8; Self::ROOM],
    pub(super) len: usize,
}

impl ShortHead {
    /// A number of 64 bits.
    pub(super) const ROOM: usize = 8;

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A frame is this head, the payload and this tail, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded<'a> {
    head: Head,
    tail: &'a [u8],
}

impl Encoded<'_> {
    /// What goes in front of the payload.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head.bytes[..self.head.len]
    }

    /// What goes behind the payload.
    pub(crate) fn tail(&self) -> &[u8] {
        self.tail
    }
}

impl Framing {
    /// What makes a frame of a payload. A peer with the same framing is delivered just the payload, unless
    /// the framing strips less than the header: then the peer is delivered the rest of the header in front of
    /// it. The payload never contains a header: the bytes of it that are not the length field are written as
    /// zeroes, in front of the field and, as far as they are stripped, behind it. A line ends with LF alone.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), with what is wrong: the frame would
    /// be above the maximum, or not of the fixed size; the length field cannot say its length; the header has
    /// more than 32 bytes; the payload contains the delimiter, or with its beginning makes one earlier, or a
    /// line contains LF or ends with CR; or, where the delimiter is kept, it does not end with it. A custom framing and that of
    /// commands cannot encode.
    pub(crate) fn encode(&self, payload: &[u8]) -> error::Result<Encoded<'_>> {
        let (head, tail): (Head, &[u8]) = match &self.kind {
            _ if self.keeps_delimiter => (self.check_kept(payload)?, b""),
            Kind::Fixed(len) => (check_fixed(*len, payload)?, b""),
            Kind::Delimiter(finder) => {
                (check_undelimited(finder.needle(), finder.find(payload), payload)?, finder.needle())
            }
            Kind::Delimiters(several) => (check_all_undelimited(several, payload)?, several.first()),
            Kind::Line => (check_line(payload)?, b"\n"),
            Kind::LengthField(field) => (field.head(payload.len())?, b""),
            Kind::Custom(_) => {
                return invalid("cannot encode a frame: the framing is a function that only reads")
            }
            Kind::Resp => {
                return invalid("cannot encode a frame: the framing reads commands, and writes none")
            }
        };
        let (size, max) = (head.len + payload.len() + tail.len(), self.max_frame);
        if size > max {
            return invalid(format!("cannot encode a frame of {size} bytes: the maximum is {max}"));
        }
        Ok(Encoded { head, tail })
    }

    /// A payload that has its delimiter itself, and no other: just what this framing cuts.
    fn check_kept(&self, payload: &[u8]) -> error::Result<Head> {
        match self.cut(payload, &mut 0) {
            Ok(Cut::Frame { consumed, .. }) if consumed == payload.len() => Ok(Head::NONE),
            Ok(Cut::Frame { consumed, .. }) => {
                invalid(format!("cannot encode a frame: it goes on behind a delimiter, at byte {consumed}"))
            }
            _ => invalid("cannot encode a frame: it does not end with the delimiter, which is kept"),
        }
    }
}

/// Finds what a peer would cut otherwise, over the place where payload and delimiter meet, too.
fn check_all_undelimited(several: &Delimiters, payload: &[u8]) -> error::Result<Head> {
    if let Some((end, _)) = several.find_end(payload, 0) {
        return invalid(format!("cannot encode a frame: it contains a delimiter, which ends at byte {end}"));
    }
    let longest = several.all().map(<[u8]>::len).max().unwrap_or(0);
    let seam = [&payload[payload.len().saturating_sub(longest)..], several.first()].concat();
    match several.find_end(&seam, 0) {
        Some((end, width)) if end == seam.len() && width == several.first().len() => Ok(Head::NONE),
        _ => invalid("cannot encode a frame: its end and the delimiter make another one"),
    }
}

fn check_fixed(len: usize, payload: &[u8]) -> error::Result<Head> {
    match payload.len() {
        size if size == len => Ok(Head::NONE),
        size => invalid(format!("cannot encode a frame: it has {size} bytes, and not {len}")),
    }
}

fn check_undelimited(delimiter: &[u8], found: Option<usize>, payload: &[u8]) -> error::Result<Head> {
    if let Some(at) = found {
        return invalid(format!("cannot encode a frame: it contains the delimiter, at byte {at}"));
    }
    // "--" behind "text-" is found one byte too early.
    let early = (1..delimiter.len())
        .any(|part| delimiter.starts_with(&delimiter[part..]) && payload.ends_with(&delimiter[..part]));
    match early {
        true => invalid("cannot encode a frame: its end and the delimiter make one earlier"),
        false => Ok(Head::NONE),
    }
}

fn check_line(payload: &[u8]) -> error::Result<Head> {
    match memchr(b'\n', payload) {
        Some(at) => invalid(format!("cannot encode a line: it contains LF, at byte {at}")),
        None if payload.ends_with(b"\r") => {
            invalid("cannot encode a line: it ends with CR, which is not delivered")
        }
        None => Ok(Head::NONE),
    }
}

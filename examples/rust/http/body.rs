//! The bodies of requests. Nobody wants them here: they are skipped, and so read to their ends.

/// Extensions of a chunk and trailers may have so many bytes.
const MAX_EXTRA: usize = 16 << 10;

/// What has not come yet of a request's body.
pub enum Body {
    /// So many bytes.
    Length(u64),
    Chunks(Chunks),
}

/// What came is no body in chunks. Nobody knows where the next request would begin.
pub struct Malformed;

/// A body in chunks, each with its size in front.
pub struct Chunks {
    next: Part,
    /// Bytes of the chunk that have not come yet, or its size as far as that has come.
    left: u64,
    /// Bytes of extensions and trailers.
    extra: usize,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Size,
    MoreSize,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineOfTrailers,
    Trailer,
    TrailerLf,
    LastLf,
    Nothing,
}

impl Default for Body {
    fn default() -> Body {
        Body::Length(0)
    }
}

impl Body {
    pub fn chunked() -> Body {
        Body::Chunks(Chunks { next: Part::Size, left: 0, extra: 0 })
    }

    pub fn is_over(&self) -> bool {
        match self {
            Body::Length(left) => *left == 0,
            Body::Chunks(chunks) => chunks.next == Part::Nothing,
        }
    }

    /// Says how many bytes at the front of the input are the body's.
    pub fn skip(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        match self {
            Body::Length(left) => Ok(take(left, input)),
            Body::Chunks(chunks) => chunks.skip(input).ok_or(Malformed),
        }
    }
}

/// How many of these bytes are among those that are left.
fn take(left: &mut u64, input: &[u8]) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= taken as u64;
    taken
}

impl Chunks {
    fn skip(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < input.len() && self.next != Part::Nothing {
            if self.next == Part::Data {
                at += take(&mut self.left, &input[at..]);
                if self.left == 0 {
                    self.next = Part::DataCr;
                }
            } else {
                self.next = self.after(input[at])?;
                at += 1;
            }
        }
        Some(at)
    }

    fn after(&mut self, byte: u8) -> Option<Part> {
        Some(match (self.next, byte) {
            (Part::Size | Part::MoreSize, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = self.left.checked_mul(16)? | u64::from(digit);
                Part::MoreSize
            }
            (Part::MoreSize, b';') => Part::Extension,
            (Part::MoreSize | Part::Extension, b'\r') => Part::SizeLf,
            (Part::SizeLf, b'\n') if self.left == 0 => Part::LineOfTrailers,
            (Part::SizeLf, b'\n') => Part::Data,
            (Part::DataCr, b'\r') => Part::DataLf,
            (Part::DataLf, b'\n') => Part::Size,
            (Part::LineOfTrailers, b'\r') => Part::LastLf,
            (Part::Trailer, b'\r') => Part::TrailerLf,
            (Part::TrailerLf, b'\n') => Part::LineOfTrailers,
            (Part::LastLf, b'\n') => Part::Nothing,
            (Part::Extension, _) => self.extra(byte, Part::Extension)?,
            (Part::LineOfTrailers | Part::Trailer, _) => self.extra(byte, Part::Trailer)?,
            _ => return None,
        })
    }

    fn extra(&mut self, byte: u8, part: Part) -> Option<Part> {
        self.extra += 1;
        let is_text = !byte.is_ascii_control() || byte == b'\t';
        (is_text && self.extra <= MAX_EXTRA).then_some(part)
    }
}

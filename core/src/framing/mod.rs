//! Framing: where one message of a byte stream ends and the next begins.
//!
//! A [`Framing`] says how, and is shared; a [`Framer`] reads the stream of one connection with it. Neither
//! does I/O or keeps bytes: the caller holds the input, and asks for the first frame in it.

mod delimiters;
mod encode;
mod framer;
mod length_field;
mod quick;
mod resp;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::base::error::{self, Error, ErrorKind};

pub use length_field::{ByteOrder, LengthField, Width};

use delimiters::Delimiters;
pub(crate) use framer::Framer;
use quick::Quick;
pub(crate) use resp::Command;
pub use resp::Place;

/// An error of the user's, of whatever type.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// See [`Framing::custom`].
type Measure = dyn Fn(&[u8]) -> Result<Option<usize>, BoxError> + Send + Sync;

/// How a byte stream is cut into frames, before the handler sees it.
///
/// A framing that contradicts itself is made all the same, and refused with [`ErrorKind::InvalidArgument`]
/// where it is used. Frames may be empty. A clone shares what is large.
#[derive(Clone)]
pub struct Framing {
    kind: Kind,
    max_frame: usize,
    /// Of lines and delimiters: frames are delivered with what ends them.
    keeps_delimiter: bool,
    /// Of lines and delimiters: what EOF ends is a frame, too.
    delivers_rest: bool,
    /// Of commands; 0 unless it was said.
    max_arguments: usize,
    /// Worked out from the first two.
    quick: Option<Quick>,
}

#[derive(Clone)]
enum Kind {
    Fixed(usize),
    Delimiter(Arc<Finder<'static>>),
    Delimiters(Arc<Delimiters>),
    Line,
    LengthField(LengthField),
    Custom(Arc<Measure>),
    Resp,
}

impl Framing {
    /// The largest frame unless [`max_frame`](Self::max_frame) says otherwise: 16 MiB.
    pub const DEFAULT_MAX_FRAME: usize = 16 << 20;

    /// Every frame has `len` bytes, at least one.
    #[must_use]
    pub fn fixed(len: usize) -> Framing {
        Framing::of(Kind::Fixed(len))
    }

    /// A frame ends before the next `delimiter`, of one or more bytes, and is delivered without it.
    #[must_use]
    pub fn delimiter(delimiter: impl Into<Vec<u8>>) -> Framing {
        let finder = Finder::new(&delimiter.into()).into_owned();
        Framing::of(Kind::Delimiter(Arc::new(finder)))
    }

    /// A frame ends before the next of several delimiters, each of one or more bytes: before whichever is whole first, and of
    /// those that end with the same byte before the longest. So `["\n", "\r\n"]` takes both, and a delimiter that begins
    /// with another one is refused: it would never be found. The first is the one that is written.
    #[must_use]
    pub fn delimiters<D: Into<Vec<u8>>>(delimiters: impl IntoIterator<Item = D>) -> Framing {
        let given = delimiters.into_iter().map(Into::into).collect();
        Framing::of(Kind::Delimiters(Arc::new(Delimiters::new(given))))
    }

    /// A frame ends before the next LF, and is delivered without it and without the CR that may stand in
    /// front of it. Where every line has to end with CR LF, use `Framing::delimiter("\r\n")`.
    #[must_use]
    pub fn line() -> Framing {
        Framing::of(Kind::Line)
    }

    /// A frame has a header that says how long it is.
    #[must_use]
    pub fn length_field(field: LengthField) -> Framing {
        Framing::of(Kind::LengthField(field))
    }

    /// A frame is as long as `measure` says. It is given the input from the beginning of a frame, at least
    /// one byte, and answers how many bytes that frame has in all, those not yet there included; the frame is
    /// delivered whole. `None` means that the input is too short to tell: `measure` is asked again, from the
    /// beginning, when there is more, so a frame that comes in small pieces costs the square of what it takes
    /// to tell. It must be able to tell from no more bytes than the largest frame has.
    ///
    /// `measure` is called on the threads of the loops. An error of it, a panic, or a frame of no bytes
    /// ends the connection as a protocol error.
    #[must_use]
    pub fn custom<F>(measure: F) -> Framing
    where
        F: Fn(&[u8]) -> Result<Option<usize>, Box<dyn std::error::Error + Send + Sync>>
            + Send
            + Sync
            + 'static,
    {
        Framing::of(Kind::Custom(Arc::new(measure)))
    }

    /// A frame is a command as the clients of Redis send them (RESP): an array of bulk strings, or words on a line. It is
    /// delivered as it came, and [`Conn::arguments`](crate::Conn::arguments) tells its arguments, of which it has at least
    /// one; what asks for nothing (an empty line, an empty array) is left out. Of a line with quotes, which are those of
    /// `redis-cli`, the arguments are delivered instead, one behind the other.
    ///
    /// The limits are Redis's: 512 MiB for an argument, 64 KiB for a line, and [`max_arguments`](Self::max_arguments). But
    /// [`max_frame`](Self::max_frame), which counts the whole command, is 16 MiB here, too, if nothing is said. What is
    /// malformed or too large is answered in Redis's words (`-ERR Protocol error: …`), behind what was written before, and
    /// ends the connection as a protocol error. Half a command at EOF is not answered. Frames cannot be written with it.
    #[must_use]
    pub fn resp() -> Framing {
        Framing::of(Kind::Resp)
    }

    /// The size of the largest frame in bytes; 0 means [`DEFAULT_MAX_FRAME`](Self::DEFAULT_MAX_FRAME). It
    /// counts all that a frame takes in the stream, whether delivered or not: the header, the delimiter, the
    /// line's CR and LF. A larger one is an error as soon as it is known to be larger: its header says so, or
    /// that many bytes came without a delimiter. A framing never waits for more bytes than this.
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Framing {
        self.max_frame = if bytes == 0 { Self::DEFAULT_MAX_FRAME } else { bytes };
        self.quick = Quick::of(&self.kind, self.max_frame);
        self
    }

    /// Of lines and delimiters: frames are delivered with what ends them, which tells them apart if there are several. A
    /// frame that is written has it already, then.
    #[must_use]
    pub fn keep_delimiter(self) -> Framing {
        Framing { keeps_delimiter: true, ..self }
    }

    /// Of lines and delimiters: what comes between the last delimiter and the peer's EOF is a frame, too, unless it is
    /// empty; of a line without a CR at its end. Otherwise it is a protocol error: nothing tells that such a frame is whole.
    #[must_use]
    pub fn deliver_rest(self) -> Framing {
        Framing { delivers_rest: true, ..self }
    }

    /// Of commands: how many arguments one has at most, its name included, up to 2,147,483,647; 0 means 1,048,576.
    #[must_use]
    pub fn max_arguments(self, count: usize) -> Framing {
        Framing { max_arguments: count, ..self }
    }

    fn of(kind: Kind) -> Framing {
        let max_frame = Self::DEFAULT_MAX_FRAME;
        let quick = Quick::of(&kind, max_frame);
        Framing { quick, kind, max_frame, keeps_delimiter: false, delivers_rest: false, max_arguments: 0 }
    }

    /// Whether it cuts commands, whose arguments have to be told.
    pub(crate) fn cuts_commands(&self) -> bool {
        matches!(self.kind, Kind::Resp)
    }

    /// What the peer is told of an error before the connection is closed; `None` if the protocol has no words for that.
    pub(crate) fn answer_to(&self, error: &FrameError) -> Option<String> {
        self.cuts_commands().then(|| resp::answer_to(error))
    }

    /// Whether frames end with what is searched for.
    fn is_delimited(&self) -> bool {
        matches!(self.kind, Kind::Delimiter(_) | Kind::Delimiters(_) | Kind::Line)
    }

    /// Whether the framing can be used, by a [`Framer`] or for encoding.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], with what is wrong.
    pub(crate) fn check(&self) -> error::Result<()> {
        let max = self.max_frame;
        // No buffer is larger; so a size that saturates is above every maximum.
        if isize::try_from(max).is_err() {
            return invalid(format!("the largest frame cannot be {max} bytes, the limit is {}", isize::MAX));
        }
        if (self.keeps_delimiter || self.delivers_rest) && !self.is_delimited() {
            let what = if self.keeps_delimiter { "keep a delimiter" } else { "deliver an unterminated rest" };
            return invalid(format!("only lines and frames with a delimiter can {what}"));
        }
        if self.max_arguments != 0 && !self.cuts_commands() {
            return invalid("only commands can have a maximum of arguments");
        }
        if i32::try_from(self.max_arguments).is_err() {
            let (max, limit) = (self.max_arguments, i32::MAX);
            return invalid(format!("a command cannot have {max} arguments, the limit is {limit}"));
        }
        match &self.kind {
            Kind::Fixed(0) => invalid("a fixed frame needs at least one byte"),
            Kind::Fixed(len) if *len > max => {
                invalid(format!("a fixed frame of {len} bytes is above the maximum of {max}"))
            }
            Kind::Delimiter(finder) => check_delimiter(finder.needle().len(), max),
            Kind::Delimiters(several) if several.all().next().is_none() => invalid("there is no delimiter"),
            Kind::Delimiters(several) => several
                .all()
                .try_for_each(|one| check_delimiter(one.len(), max))
                .and_then(|()| several.check()),
            Kind::LengthField(field) => field.check(max),
            Kind::Fixed(_) | Kind::Line | Kind::Custom(_) | Kind::Resp => Ok(()),
        }
    }

    /// Refuses what is above the maximum.
    #[inline(always)]
    fn bounded(&self, cut: Cut) -> Result<Cut, FrameError> {
        let (Cut::Frame { consumed: size, .. } | Cut::Need(size)) = cut;
        match size <= self.max_frame {
            true => Ok(cut),
            false => Err(FrameError::TooLarge { size, max: self.max_frame }),
        }
    }

    /// The first frame in the input, whatever its size. `progress` is what an earlier call learned about the
    /// same frame, and 0 for a fresh one.
    #[inline(always)]
    fn cut(&self, input: &[u8], progress: &mut usize) -> Result<Cut, FrameError> {
        match &self.kind {
            Kind::Fixed(len) => Ok(Cut::first(*len, input)),
            Kind::Delimiter(finder) => {
                let width = finder.needle().len();
                Ok(self.keeping(self.cut_delimited(input, progress, width, |bytes| finder.find(bytes))))
            }
            Kind::Delimiters(several) => {
                Ok(self.keeping(several.cut(&input[..input.len().min(self.max_frame)], progress)))
            }
            Kind::Line => {
                let cut = self.cut_delimited(input, progress, 1, |bytes| memchr(b'\n', bytes));
                Ok(self.keeping(without_cr(cut, input)))
            }
            Kind::LengthField(field) => field.cut(input),
            Kind::Custom(measure) => cut_measured(&**measure, input, progress),
            // By `Framer::command`.
            Kind::Resp => Ok(Cut::Need(input.len() + 1)),
        }
    }

    /// The frame with what ends it, if that is kept.
    #[inline(always)]
    fn keeping(&self, cut: Cut) -> Cut {
        match cut {
            Cut::Frame { consumed, .. } if self.keeps_delimiter => {
                Cut::Frame { frame: 0..consumed, consumed }
            }
            other => other,
        }
    }

    /// What is left at EOF, as a frame; there is some, and no delimiter in it.
    fn rest(&self, input: &[u8]) -> Cut {
        let whole = Cut::first(input.len(), input);
        match self.kind {
            Kind::Line if !self.keeps_delimiter => without_cr(whole, input),
            _ => whole,
        }
    }

    /// Searches no byte twice, but for the beginning of a delimiter that may stand at the end of the input.
    #[inline(always)]
    fn cut_delimited(
        &self,
        input: &[u8],
        searched: &mut usize,
        width: usize,
        find: impl Fn(&[u8]) -> Option<usize>,
    ) -> Cut {
        let within = &input[..input.len().min(self.max_frame)];
        let from = within.len().min(*searched);
        match find(&within[from..]) {
            Some(found) => Cut::Frame { frame: 0..from + found, consumed: from + found + width },
            None => {
                *searched = (within.len() + 1).saturating_sub(width);
                Cut::Need(within.len() + 1)
            }
        }
    }
}

#[cold]
fn invalid<T>(message: impl Into<String>) -> error::Result<T> {
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

fn check_delimiter(width: usize, max: usize) -> error::Result<()> {
    match width {
        0 => invalid("a delimiter needs at least one byte"),
        _ if width > max => {
            invalid(format!("a delimiter of {width} bytes is above the maximum frame of {max}"))
        }
        _ => Ok(()),
    }
}

#[inline(always)]
fn without_cr(cut: Cut, input: &[u8]) -> Cut {
    match cut {
        Cut::Frame { frame, consumed } if input[frame.clone()].ends_with(b"\r") => {
            Cut::Frame { frame: frame.start..frame.end - 1, consumed }
        }
        other => other,
    }
}

/// `known` is the size once `measure` has told it, so that it is asked no more while the rest comes in.
fn cut_measured(measure: &Measure, input: &[u8], known: &mut usize) -> Result<Cut, FrameError> {
    if *known == 0 && !input.is_empty() {
        match measure(input) {
            Ok(Some(0)) => return Err(FrameError::Malformed("the framing found a frame of no bytes".into())),
            Ok(Some(size)) => *known = size,
            Ok(None) => {}
            Err(error) => return Err(FrameError::Malformed(error.to_string())),
        }
    }
    Ok(match *known {
        0 => Cut::Need(input.len() + 1),
        size => Cut::first(size, input),
    })
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parameters = f.debug_struct("Framing");
        parameters.field("kind", &self.kind).field("max_frame", &self.max_frame);
        let settings = [("keeps_delimiter", self.keeps_delimiter), ("delivers_rest", self.delivers_rest)];
        for (name, on) in settings.iter().filter(|(_, on)| *on) {
            parameters.field(name, on);
        }
        if self.max_arguments != 0 {
            parameters.field("max_arguments", &self.max_arguments);
        }
        parameters.finish()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Fixed(len) => write!(f, "Fixed({len})"),
            Kind::Delimiter(finder) => write!(f, "Delimiter(\"{}\")", finder.needle().escape_ascii()),
            Kind::Delimiters(several) => {
                let shown = several.all().map(|one| format!("\"{}\"", one.escape_ascii()));
                write!(f, "Delimiters({})", shown.collect::<Vec<_>>().join(", "))
            }
            Kind::Line => f.write_str("Line"),
            Kind::LengthField(field) => field.fmt(f),
            Kind::Custom(_) => f.write_str("Custom"),
            Kind::Resp => f.write_str("Resp"),
        }
    }
}

/// What a [`Framer`] found at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A whole frame: `frame` is what to deliver, and the next frame begins behind the `consumed` bytes, of
    /// which there is at least one.
    Frame { frame: Range<usize>, consumed: usize },
    /// The first frame is not whole. It cannot be before the input has this many bytes in all; never more
    /// than the largest frame has.
    Need(usize),
}

impl Cut {
    /// The first `size` bytes, to be delivered whole.
    fn first(size: usize, input: &[u8]) -> Cut {
        match size <= input.len() {
            true => Cut::Frame { frame: 0..size, consumed: size },
            false => Cut::Need(size),
        }
    }
}

/// The stream cannot be cut any further: the connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// The frame has at least `size` bytes, which is above `max`.
    TooLarge { size: usize, max: usize },
    /// What is wrong, for a person.
    Malformed(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { size, max } => {
                write!(f, "frame too large: at least {size} bytes, the maximum is {max}")
            }
            FrameError::Malformed(what) => write!(f, "malformed frame: {what}"),
        }
    }
}

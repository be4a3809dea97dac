//! A framing on the stream of one connection.

use std::ops::Range;
use std::sync::Arc;

use super::encode::ShortHead;
use super::resp::{Command, Place, Reading, MAX_ARGUMENTS};
use super::{Cut, FrameError, Framing, Kind};

/// Cuts the stream of one connection. Belongs to the connection, on its loop's thread.
#[derive(Debug)]
pub(crate) struct Framer {
    framing: Arc<Framing>,
    /// What is known about the frame that is not whole yet; 0 at the beginning of a frame.
    progress: usize,
    /// Of a command that is not whole: how many arguments are missing behind that.
    missing: u32,
    /// EOF was seen: see [`end`](Self::end).
    ended: bool,
}

impl Framer {
    /// `framing` has passed its [`check`](Framing::check).
    pub(crate) fn new(framing: Arc<Framing>) -> Self {
        Framer { framing, progress: 0, missing: 0, ended: false }
    }

    pub(crate) fn framing(&self) -> &Arc<Framing> {
        &self.framing
    }

    /// What goes in front of the payload, if that is a short header with a length and nothing goes behind it.
    /// It is what [`Framing::encode`] says, which also tells of all else.
    #[inline(always)]
    pub(crate) fn short_head(&self, payload: &[u8]) -> Option<ShortHead> {
        self.framing.quick.as_ref()?.head(payload.len())
    }

    /// Nothing more will come. Says whether what is left is a frame then, which [`next`](Self::next) answers from now on.
    pub(crate) fn end(&mut self) -> bool {
        self.ended = self.framing.delivers_rest;
        self.ended
    }

    /// Whether frames are only found the long way: a function of the user's runs in [`next`](Self::next), or it cuts
    /// commands.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.framing.kind, Kind::Custom(_) | Kind::Resp)
    }

    /// Looks for the first command in `input`, as [`next`](Self::next) for frames, and says where its arguments stand.
    /// The places are empty unless there is a whole one.
    #[inline]
    pub(crate) fn command(&mut self, input: &[u8], places: &mut Vec<Place>) -> Result<Command, FrameError> {
        let Framing { max_frame, max_arguments: max, .. } = *self.framing;
        let max_arguments = if max == 0 { MAX_ARGUMENTS } else { max };
        let (at, missing) = (&mut self.progress, &mut self.missing);
        let found = Reading { max_frame, max_arguments, at, missing, places }.next(input);
        if !matches!(found, Ok(Command::Whole(_) | Command::Unquoted(..))) {
            places.clear();
        }
        found
    }

    /// Forgets what it knows of a frame that is not whole: it is looked for anew.
    pub(crate) fn begin_anew(&mut self) {
        (self.progress, self.missing) = (0, 0);
    }

    /// Looks for the first frame in `input`. After a frame, call it with what is behind the bytes consumed;
    /// after [`Cut::Need`], with the same bytes and more behind them. A user's function may run, and panic.
    #[inline]
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<Cut, FrameError> {
        // Nothing is learned about such a frame before it is whole.
        if let Some(frame) = self.framing.quick.as_ref().and_then(|quick| quick.cut(input)) {
            return Ok(Cut::Frame { consumed: frame.end, frame });
        }
        self.next_of_any(input)
    }

    /// What to deliver of the first frame in `input`, and where the next begins; `None` if it is not there whole, or if
    /// only [`next`](Self::next) can tell. None of the user's functions runs.
    #[inline(always)]
    pub(crate) fn whole(&mut self, input: &[u8]) -> Option<(Range<usize>, usize)> {
        if let Some(frame) = self.framing.quick.as_ref().and_then(|quick| quick.cut(input)) {
            return Some((frame.clone(), frame.end));
        }
        self.whole_of_any(input)
    }

    #[inline(never)]
    fn whole_of_any(&mut self, input: &[u8]) -> Option<(Range<usize>, usize)> {
        if self.is_slow() {
            return None;
        }
        match self.next_of_any(input) {
            Ok(Cut::Frame { frame, consumed }) => Some((frame, consumed)),
            _ => None,
        }
    }

    #[inline(never)]
    fn next_of_any(&mut self, input: &[u8]) -> Result<Cut, FrameError> {
        let cut = self.framing.cut(input, &mut self.progress)?;
        if matches!(cut, Cut::Frame { .. }) {
            self.progress = 0;
        }
        match self.framing.bounded(cut)? {
            Cut::Need(_) if self.ended && !input.is_empty() => Ok(self.framing.rest(input)),
            cut => Ok(cut),
        }
    }
}

//! Redis's commands: an array of bulk strings, or words on a line, as a person types them. They are cut as Redis cuts
//! them, and what is wrong with one is said in its words.

use memchr::{memchr, memchr2};

use super::FrameError;

/// Arguments of a command at most, unless the user says otherwise: as in Redis 6.
pub(super) const MAX_ARGUMENTS: usize = 1 << 20;
/// As Redis's proto-max-bulk-len: bytes of an argument.
const MAX_BULK: usize = 512 << 20;
/// As Redis's PROTO_INLINE_MAX_SIZE: bytes of a line in front of its LF.
const MAX_INLINE: usize = 64 << 10;
/// Digits of a number at most. No length has more.
const DIGITS: usize = 18;
/// What the shortest argument takes: `$0`, CR LF, CR LF.
const LEAST_ARGUMENT: usize = 6;

/// Where an argument of a command stands in the bytes that are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Place {
    /// Of its first byte.
    pub offset: usize,
    /// Its bytes.
    pub len: usize,
}

/// What stands at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A command of so many bytes, to be delivered as they are. The table has the places of its arguments.
    Whole(usize),
    /// A line with quotes, of so many bytes. To be delivered instead are these, its arguments without quotes, to which
    /// the places refer.
    Unquoted(Vec<u8>, usize),
    /// So many bytes ask for nothing.
    Nothing(usize),
    /// A command that is not whole.
    Need,
}

/// Reads the commands of one connection.
pub(super) struct Reading<'a> {
    pub(super) max_frame: usize,
    pub(super) max_arguments: usize,
    /// Of a command that is not whole: where to go on, and how many arguments are missing from there on. None of a line.
    pub(super) at: &'a mut usize,
    pub(super) missing: &'a mut u32,
    /// Where the arguments stand; of a command that is not whole, whatever was there.
    pub(super) places: &'a mut Vec<Place>,
}

/// A number with CR LF behind it.
enum Number {
    /// The number, and where the next byte stands.
    Whole(usize, usize),
    Part,
    Wrong,
}

impl Reading<'_> {
    /// Looks for the first command in `input`. After [`Command::Need`], call it with the same bytes and more behind them.
    #[inline]
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Command, FrameError> {
        let within = &input[..input.len().min(self.max_frame)];
        let command = match (*self.missing, within.first()) {
            (0, Some(b'*')) => self.begin(within)?,
            (0, Some(_)) => return self.line(input),
            (0, None) => Command::Need,
            _ => self.go_on(within)?,
        };
        match command {
            Command::Need if input.len() >= self.max_frame => Err(self.too_large(self.max_frame + 1)),
            command => Ok(command),
        }
    }

    #[inline]
    fn begin(&mut self, within: &[u8]) -> Result<Command, FrameError> {
        self.places.clear();
        let short = short_number(within, 0, b'*').map(|(count, at)| Number::Whole(count, at));
        let (count, at) = match short.unwrap_or_else(|| number(within, 1)) {
            Number::Whole(0, at) => return Ok(Command::Nothing(at)),
            Number::Whole(count, at) if count <= self.max_arguments => (count, at),
            Number::Part => return Ok(Command::Need),
            _ => return below_zero(within),
        };
        let least = at.saturating_add(count.saturating_mul(LEAST_ARGUMENT));
        match least <= self.max_frame {
            true => self.arguments(within, at, count as u32),
            false => Err(self.too_large(least)),
        }
    }

    /// Nothing is read twice before the command is whole. Then all of it is, for the places.
    fn go_on(&mut self, within: &[u8]) -> Result<Command, FrameError> {
        match self.arguments(within, *self.at, *self.missing)? {
            Command::Whole(end) => {
                (*self.at, *self.missing) = (0, 0);
                self.begin(&within[..end])
            }
            other => Ok(other),
        }
    }

    #[inline]
    fn arguments(&mut self, within: &[u8], mut at: usize, missing: u32) -> Result<Command, FrameError> {
        let most = MAX_BULK.min(self.max_frame);
        for left in (1..=missing).rev() {
            let (len, offset) = match short_number(within, at, b'$') {
                Some(found) => found,
                None => match bulk_length(within, at)? {
                    Number::Whole(len, offset) => (len, offset),
                    Number::Part => return self.rest(at, left),
                    Number::Wrong => return wrong("invalid bulk length"),
                },
            };
            if len > most {
                return wrong("invalid bulk length");
            }
            // Like Redis, whatever stands where CR LF should.
            let end = offset + len + 2;
            if end > within.len() {
                return if end > self.max_frame { Err(self.too_large(end)) } else { self.rest(at, left) };
            }
            self.places.push(Place { offset, len });
            at = end;
        }
        Ok(Command::Whole(at))
    }

    #[cold]
    fn rest(&mut self, at: usize, missing: u32) -> Result<Command, FrameError> {
        (*self.at, *self.missing) = (at, missing);
        Ok(Command::Need)
    }

    /// Words on a line. No byte is searched twice for its end.
    fn line(&mut self, input: &[u8]) -> Result<Command, FrameError> {
        let limit = (MAX_INLINE + 1).min(self.max_frame);
        let within = &input[..input.len().min(limit)];
        let searched = *self.at;
        let Some(found) = memchr(b'\n', &within[searched..]) else {
            *self.at = within.len();
            return if within.len() == limit { wrong("too big inline request") } else { Ok(Command::Need) };
        };
        *self.at = 0;
        self.places.clear();
        let end = searched + found;
        let line = within[..end].strip_suffix(b"\r").unwrap_or(&within[..end]);
        let text = match memchr2(b'"', b'\'', line) {
            Some(_) => Some(unquote(line, self.places).ok_or_else(unbalanced)?),
            None => {
                split(line, self.places);
                None
            }
        };
        match (self.places.len(), text) {
            (0, _) => Ok(Command::Nothing(end + 1)),
            (count, _) if count > self.max_arguments => wrong("too many arguments in inline request"),
            (_, Some(text)) => Ok(Command::Unquoted(text, end + 1)),
            (_, None) => Ok(Command::Whole(end + 1)),
        }
    }

    #[cold]
    fn too_large(&self, size: usize) -> FrameError {
        FrameError::TooLarge { size, max: self.max_frame }
    }
}

#[cold]
fn wrong<T>(what: impl Into<String>) -> Result<T, FrameError> {
    Err(FrameError::Malformed(what.into()))
}

/// Like Redis, which puts a space for what would end the line of its answer; but what is no text is escaped.
#[cold]
fn no_bulk<T>(found: u8) -> Result<T, FrameError> {
    match found {
        b'\r' | b'\n' => wrong("expected '$', got ' '"),
        b' '..=b'~' => wrong(format!("expected '$', got '{}'", char::from(found))),
        other => wrong(format!("expected '$', got '{}'", other.escape_ascii())),
    }
}

#[cold]
fn unbalanced() -> FrameError {
    FrameError::Malformed("unbalanced quotes in request".to_owned())
}

/// What Redis says about an error to the peer, before it closes the connection.
pub(super) fn answer_to(error: &FrameError) -> String {
    let what = match error {
        FrameError::TooLarge { .. } => "too big request",
        FrameError::Malformed(what) => what,
    };
    format!("-ERR Protocol error: {what}\r\n")
}

/// A count that is no number of arguments: below zero it asks for nothing.
#[cold]
fn below_zero(within: &[u8]) -> Result<Command, FrameError> {
    match (within.get(1), number(within, 2)) {
        (Some(b'-'), Number::Part) if within.get(2) != Some(&b'0') => Ok(Command::Need),
        (Some(b'-'), Number::Whole(1.., at)) => Ok(Command::Nothing(at)),
        _ => wrong("invalid multibulk length"),
    }
}

/// How long the argument is that begins at a place.
#[inline(never)]
fn bulk_length(within: &[u8], at: usize) -> Result<Number, FrameError> {
    match within.get(at) {
        Some(b'$') => Ok(number(within, at + 1)),
        Some(other) => no_bulk(*other),
        None => Ok(Number::Part),
    }
}

/// What nearly every number is: one digit or two behind its mark, with CR LF, and eight bytes from the mark on. The number, and
/// where the next byte stands. What it does not answer, [`number`] tells.
#[inline(always)]
fn short_number(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    const CRLF: u64 = u16::from_le_bytes(*b"\r\n") as u64;
    let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    let digit = |place: u32| ((word >> (8 * place)) as u8).wrapping_sub(b'0');
    if word & 0xffff_00ff == CRLF << 16 | u64::from(mark) && digit(1) <= 9 {
        return Some((digit(1).into(), at + 4));
    }
    let is_long = word & 0xff_ff00_00ff == CRLF << 24 | u64::from(mark);
    let fits = is_long && (1..=9).contains(&digit(1)) && digit(2) <= 9;
    fits.then(|| (usize::from(digit(1)) * 10 + usize::from(digit(2)), at + 5))
}

/// The number that begins at a place, without leading zeroes. Like Redis, whatever stands where its LF should.
#[inline(always)]
fn number(bytes: &[u8], from: usize) -> Number {
    let (mut at, mut value) = (from, 0_u64);
    loop {
        let Some(byte) = bytes.get(at) else { return Number::Part };
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return match at > from && *byte == b'\r' {
                true if at + 1 < bytes.len() => Number::Whole(value as usize, at + 2),
                true => Number::Part,
                false => Number::Wrong,
            };
        }
        if at > from && (value == 0 || at - from == DIGITS) {
            return Number::Wrong;
        }
        value = value * 10 + u64::from(digit);
        at += 1;
    }
}

/// C's isspace.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What ends a word.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the next word of a line begins; `None` if there is none.
fn next_word(line: &[u8], at: usize) -> Option<usize> {
    line[at..].iter().position(|byte| !is_space(*byte)).map(|spaces| at + spaces)
}

/// The words of a line without quotes.
fn split(line: &[u8], places: &mut Vec<Place>) {
    let mut at = 0;
    while let Some(offset) = next_word(line, at) {
        let rest = &line[offset..];
        let len = rest.iter().position(|byte| ends_word(*byte)).unwrap_or(rest.len());
        places.push(Place { offset, len });
        at = offset + len;
    }
}

/// The words of a line, one behind the other, without their quotes, as Redis's sdssplitargs has them. `None` if the quotes
/// are unbalanced, or not at the end of a word.
fn unquote(line: &[u8], places: &mut Vec<Place>) -> Option<Vec<u8>> {
    let (mut text, mut at) = (Vec::with_capacity(line.len()), 0);
    while let Some(begin) = next_word(line, at) {
        let offset = text.len();
        at = unquote_word(line, begin, &mut text)?;
        places.push(Place { offset, len: text.len() - offset });
    }
    Some(text)
}

/// Says where the word ends. A quote may begin inside it, and ends it.
fn unquote_word(line: &[u8], mut at: usize, text: &mut Vec<u8>) -> Option<usize> {
    while let Some(byte) = line.get(at).copied().filter(|byte| !ends_word(*byte)) {
        at += 1;
        let end = match byte {
            b'"' => double_quoted(line, at, text)?,
            b'\'' => single_quoted(line, at, text)?,
            _ => {
                text.push(byte);
                continue;
            }
        };
        return line.get(end).is_none_or(|byte| is_space(*byte)).then_some(end);
    }
    Some(at)
}

/// Says what stands behind the closing quote.
fn double_quoted(line: &[u8], mut at: usize, text: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, len) = match *line.get(at..)? {
            [] => return None,
            [b'"', ..] => return Some(at + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(high) << 4 | hex_digit(low), 4)
            }
            [b'\\', escaped, ..] => (unescaped(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        text.push(byte);
        at += len;
    }
}

fn single_quoted(line: &[u8], mut at: usize, text: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, len) = match *line.get(at..)? {
            [] => return None,
            [b'\'', ..] => return Some(at + 1),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (byte, 1),
        };
        text.push(byte);
        at += len;
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

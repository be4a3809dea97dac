//! The Redis protocol: requests are cut in place, replies are gathered and written together.

use std::cell::RefCell;

use reactor_core::{Conn, Pressure};

use crate::transaction::Transaction;
use crate::watch::Watch;

// Limits as in Redis: PROTO_INLINE_MAX_SIZE, proto-max-bulk-len, and the arguments of Redis 6.
const MAX_INLINE: usize = 64 << 10;
const MAX_BULK: usize = 512 << 20;
const MAX_ARGUMENTS: usize = 1 << 20;
/// Bytes of one whole request, as Redis's client-query-buffer-limit.
const MAX_REQUEST: usize = 1 << 30;
/// A value of at least this many bytes goes to the connection without a detour through the buffer.
const LARGE: usize = 16 << 10;
/// Replies are written when there are so many bytes of them, and at the end of the input.
const FULL: usize = 64 << 10;

/// What stands at the front of the input.
pub enum Parsed {
    /// A whole request of so many bytes. It may have no arguments, and then asks for nothing.
    Request(usize),
    /// The beginning of one: call again with the same bytes and more behind them.
    Partial,
    /// Not the protocol.
    Wrong(String),
}

/// Cuts the requests of one connection into arguments. It remembers how far it came in a request that is not
/// whole yet, so that one that comes in many pieces is read once.
#[derive(Default)]
pub struct Parser {
    /// Where the arguments of the request begin and end, counted from the request's first byte.
    spans: Vec<(usize, usize)>,
    /// Where to go on.
    at: usize,
    /// Arguments that are missing.
    missing: usize,
    /// The request cannot be whole before the input has so many bytes.
    need: usize,
}

impl Parser {
    /// Reads on in the request at the front of the input.
    pub fn parse(&mut self, input: &[u8]) -> Parsed {
        if input.len() < self.need {
            return Parsed::Partial;
        }
        let result = match (self.missing, input.first()) {
            (0, Some(b'*')) => self.begin(input),
            (0, _) => self.inline(input),
            _ => self.arguments(input),
        };
        match result {
            Ok(true) => Parsed::Request(std::mem::take(&mut self.at)),
            Ok(false) => Parsed::Partial,
            Err(message) => Parsed::Wrong(format!("Protocol error: {message}")),
        }
    }

    /// The arguments of the request that was found at the front of this input.
    pub fn arguments_of<'a>(&'a self, input: &'a [u8]) -> Arguments<'a> {
        Arguments { input, spans: &self.spans }
    }

    fn begin(&mut self, input: &[u8]) -> Result<bool, String> {
        self.clear();
        let Some((count, taken)) = number(&input[1..]).ok_or("invalid multibulk length")? else {
            return Ok(false);
        };
        if count > MAX_ARGUMENTS as i64 {
            return Err("invalid multibulk length".to_owned());
        }
        self.at = 1 + taken;
        self.missing = usize::try_from(count).unwrap_or(0);
        self.arguments(input)
    }

    fn arguments(&mut self, input: &[u8]) -> Result<bool, String> {
        while self.missing > 0 {
            let rest = &input[self.at..];
            let Some(first) = rest.first() else { return Ok(false) };
            if *first != b'$' {
                return Err(format!("expected '$', got '{}'", first.escape_ascii()));
            }
            let Some((len, taken)) = number(&rest[1..]).ok_or("invalid bulk length")? else {
                return Ok(false);
            };
            let len =
                usize::try_from(len).ok().filter(|len| *len <= MAX_BULK).ok_or("invalid bulk length")?;
            let begin = self.at + 1 + taken;
            self.need = begin + len + 2;
            if input.len() < self.need {
                return if self.need <= MAX_REQUEST { Ok(false) } else { Err("too big request".to_owned()) };
            }
            self.spans.push((begin, begin + len));
            self.at = self.need;
            self.missing -= 1;
        }
        self.need = 0;
        Ok(true)
    }

    /// A request as a person types it: words on a line. Unlike in Redis, and in Python, quotes are part of them.
    fn inline(&mut self, input: &[u8]) -> Result<bool, String> {
        let searched = self.at;
        let Some(found) = input[searched..].iter().position(|byte| *byte == b'\n') else {
            self.at = input.len();
            return if self.at <= MAX_INLINE { Ok(false) } else { Err("too big inline request".to_owned()) };
        };
        if searched + found > MAX_INLINE {
            return Err("too big inline request".to_owned());
        }
        self.clear();
        self.at = searched + found + 1;
        let line = &input[..self.at];
        let words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        for word in words {
            let begin = word.as_ptr() as usize - line.as_ptr() as usize;
            self.spans.push((begin, begin + word.len()));
        }
        Ok(true)
    }

    /// Forgets the request before; the memory of one with very many arguments, too.
    fn clear(&mut self) {
        self.spans.clear();
        self.spans.shrink_to(64);
        self.at = 0;
    }
}

/// A number's digits at most, its sign and the CR behind it included: as many as 64 bits take.
const DIGITS: usize = 20;

/// A number and CR LF, and how many bytes that takes. `None`: not a number. `Some(None)`: not whole yet.
fn number(input: &[u8]) -> Option<Option<(i64, usize)>> {
    let negative = input.first() == Some(&b'-');
    let mut value = 0_i64;
    for (at, byte) in input.iter().enumerate().skip(usize::from(negative)) {
        // Leading zeroes are digits, too: a number has an end.
        if at > DIGITS {
            return None;
        }
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?,
            b'\r' if input.len() == at + 1 => return Some(None),
            b'\r' => return Some(Some((if negative { -value } else { value }, at + 2))),
            _ => return None,
        }
    }
    Some(None)
}

/// The arguments of a request; the first is the command's name.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    input: &'a [u8],
    spans: &'a [(usize, usize)],
}

impl<'a> Arguments<'a> {
    /// Each span says where one begins and ends.
    pub fn new(input: &'a [u8], spans: &'a [(usize, usize)]) -> Self {
        Arguments { input, spans }
    }

    pub fn len(self) -> usize {
        self.spans.len()
    }

    /// The argument at `index`, which there must be.
    pub fn at(self, index: usize) -> &'a [u8] {
        let (begin, end) = self.spans[index];
        &self.input[begin..end]
    }

    /// The arguments from `index` on.
    pub fn from(self, index: usize) -> impl Iterator<Item = &'a [u8]> {
        self.spans[index..].iter().map(move |(begin, end)| &self.input[*begin..*end])
    }
}

thread_local! {
    /// The replies of the input that the loop is handling; kept for the next.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What to do after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Read,
    /// Answer no more until the queue has drained: the client does not keep up.
    Wait,
    /// Nothing may follow.
    Close,
}

/// What the server knows of a client.
pub struct Peer {
    /// A number of its own.
    pub id: i64,
    /// The name that it gave itself, or none.
    pub name: Vec<u8>,
    pub transaction: Option<Transaction>,
    pub watch: Watch,
}

/// The replies to one input.
pub struct Replies<'a> {
    conn: &'a Conn<'a>,
    pub peer: &'a mut Peer,
    buffer: Vec<u8>,
    /// Bytes that values may have from here on, if that is limited.
    pub room: Option<usize>,
    /// 2, or 3 if the client asked for it, which has words of its own for nothing, maps and sets.
    pub protocol: u8,
    pub next: Next,
}

impl<'a> Replies<'a> {
    pub fn new(conn: &'a Conn<'a>, peer: &'a mut Peer, protocol: u8) -> Self {
        Replies { conn, peer, buffer: BUFFER.take(), room: None, protocol, next: Next::Read }
    }

    /// Writes what is not written yet.
    pub fn finish(mut self) -> Next {
        if !self.buffer.is_empty() {
            self.write(&[]);
        }
        self.buffer.shrink_to(2 * FULL);
        BUFFER.set(self.buffer);
        self.next
    }

    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// Line breaks in the text would break the protocol; they become spaces.
    pub fn error(&mut self, text: &str) {
        self.line(b'-', text.replace(['\r', '\n'], " ").as_bytes());
    }

    pub fn integer(&mut self, value: i64) {
        self.buffer.push(b':');
        if value < 0 {
            self.buffer.push(b'-');
        }
        self.digits(value.unsigned_abs());
    }

    /// So many replies follow.
    pub fn array(&mut self, len: usize) {
        self.many(b'*', len);
    }

    /// So many different ones, in any order.
    pub fn set(&mut self, len: usize) {
        self.many(if self.protocol == 2 { b'*' } else { b'~' }, len);
    }

    /// So many pairs of a key and a value.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            2 => self.many(b'*', 2 * len),
            _ => self.many(b'%', len),
        }
    }

    fn many(&mut self, kind: u8, len: usize) {
        self.buffer.push(kind);
        self.digits(len as u64);
    }

    pub fn null(&mut self) {
        self.buffer.extend_from_slice(if self.protocol == 2 { b"$-1\r\n" } else { b"_\r\n" });
    }

    /// Where an array would be.
    pub fn null_array(&mut self) {
        self.buffer.extend_from_slice(if self.protocol == 2 { b"*-1\r\n" } else { b"_\r\n" });
    }

    pub fn bulk(&mut self, value: &[u8]) {
        if let Some(room) = &mut self.room {
            match room.checked_sub(value.len()) {
                Some(left) => *room = left,
                None => return self.error("ERR the values have more than 64 MiB together"),
            }
        }
        self.buffer.push(b'$');
        self.digits(value.len() as u64);
        if value.len() >= LARGE {
            self.write(&[value, b"\r\n"]);
            return;
        }
        self.buffer.extend_from_slice(value);
        self.buffer.extend_from_slice(b"\r\n");
        if self.buffer.len() >= FULL {
            self.write(&[]);
        }
    }

    pub fn text(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    pub fn optional(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.bulk(value),
            None => self.null(),
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buffer.push(kind);
        self.buffer.extend_from_slice(text);
        self.buffer.extend_from_slice(b"\r\n");
        if self.buffer.len() >= FULL {
            self.write(&[]);
        }
    }

    fn digits(&mut self, mut value: u64) {
        let mut digits = *b"00000000000000000000\r\n";
        let mut begin = 20;
        loop {
            begin -= 1;
            digits[begin] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[begin..]);
    }

    /// Writes what was gathered, and these behind it.
    fn write(&mut self, behind: &[&[u8]]) {
        let mut slices: [&[u8]; 3] = [&self.buffer, &[], &[]];
        slices[1..=behind.len()].copy_from_slice(behind);
        match self.conn.write_gathered(&slices) {
            Ok(Pressure::High) if self.next == Next::Read => self.next = Next::Wait,
            Ok(_) => {}
            Err(_) => self.next = Next::Close,
        }
        self.buffer.clear();
    }
}

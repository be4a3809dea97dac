//! What is asked, and what must be answered.

use crate::http::HttpAnswers;
use crate::pattern::{Cycle, Random};

/// As long as the pattern is at least. The largest prime below 64 KiB: blocks of a power of two never meet the same
/// bytes again soon, and it stays in the processor's second-level cache.
const PERIOD: usize = 65_521;

/// As much is received at a time.
pub(crate) const RECEIVE: usize = 256 * 1024;

/// So much at least may be sent at a time, for what has been held up,
const SEND_LEAST: usize = 64 * 1024;

/// and so much at most.
const SEND_MOST: usize = 4 * 1024 * 1024;

/// The same for all connections of a run; each begins at another place.
pub(crate) struct Script {
    /// Length of a request in bytes.
    pub(crate) request: usize,
    /// All requests, one behind the other.
    pub(crate) requests: Cycle,
    pub(crate) answers: Answers,
    /// Requests until they repeat; 0 if only bytes repeat.
    messages: u64,
}

/// The answers, one behind the other.
pub(crate) enum Answers {
    /// Their bytes are known in advance, and each has this length.
    Known { length: usize, bytes: Cycle },
    /// Their bytes are for the server to choose, within the rules of HTTP.
    Http(HttpAnswers),
}

impl Script {
    /// Every byte comes back. `depth` requests are sent at a time.
    pub(crate) fn raw(size: usize, depth: usize) -> Self {
        let pattern = Random::new(1).bytes(PERIOD);
        let answers = Answers::Known { length: size, bytes: Cycle::new(pattern.clone(), RECEIVE) };
        Self { request: size, requests: Cycle::new(pattern, window(size, depth)), answers, messages: 0 }
    }

    /// A length, as four bytes, and a body of `size` bytes; both come back.
    pub(crate) fn frames(size: usize, depth: usize) -> Self {
        let mut random = Random::new(2);
        Self::messages(depth, size + 4, size + 4, |request, answer| {
            request.extend_from_slice(&length_field(size));
            request.extend(random.bytes(size));
            answer.extend_from_slice(request);
        })
    }

    /// Frames whose body names the length of the answer's body and the byte that it is made of.
    pub(crate) fn answers(size: usize, reply: usize, depth: usize) -> Self {
        let mut random = Random::new(3);
        Self::messages(depth, size + 4, reply + 4, |request, answer| {
            let fill = random.byte();
            request.extend_from_slice(&length_field(size));
            request.extend_from_slice(&length_field(reply));
            request.push(fill);
            request.extend(random.bytes(size - 5));
            answer.extend_from_slice(&length_field(reply));
            answer.resize(reply + 4, fill);
        })
    }

    /// `GET /` of `host`, kept alive, which must be answered with `body`.
    pub(crate) fn http(host: &str, body: &str, depth: usize) -> Self {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        let length = request.len();
        Self {
            request: length,
            requests: Cycle::new(request, window(length, depth)),
            answers: Answers::Http(HttpAnswers::new(body.into())),
            messages: 1,
        }
    }

    /// As many messages as make up a period, three at least. `make` is given an empty request and answer to fill.
    fn messages(
        depth: usize,
        request: usize,
        answer: usize,
        mut make: impl FnMut(&mut Vec<u8>, &mut Vec<u8>),
    ) -> Self {
        let count = (PERIOD / request.max(answer)).max(3);
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (mut one_request, mut one_answer) = (Vec::new(), Vec::new());
            make(&mut one_request, &mut one_answer);
            requests.extend(one_request);
            answers.extend(one_answer);
        }
        let answers = Answers::Known { length: answer, bytes: Cycle::new(answers, RECEIVE) };
        Self {
            request,
            requests: Cycle::new(requests, window(request, depth)),
            answers,
            messages: count as u64,
        }
    }

    /// Where connection `number` begins in the requests and in the answers.
    pub(crate) fn begin(&self, number: u64) -> (usize, usize) {
        // Any odd number of about half the period spreads neighbours far apart.
        let start = number.wrapping_mul(32_749);
        match &self.answers {
            Answers::Http(_) => (0, 0),
            Answers::Known { bytes, .. } if self.messages == 0 => {
                (self.requests.position(start), bytes.position(start))
            }
            Answers::Known { length, bytes } => {
                let message = start % self.messages;
                (
                    self.requests.position(message * self.request as u64),
                    bytes.position(message * *length as u64),
                )
            }
        }
    }
}

/// `depth` messages leave in one call, if they are not too large.
fn window(size: usize, depth: usize) -> usize {
    size.saturating_mul(depth).clamp(SEND_LEAST, SEND_MOST)
}

fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("lengths were checked to be at most 4 MiB").to_be_bytes()
}

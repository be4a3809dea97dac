//! HTTP answers.

use httparse::{Response, Status, EMPTY_HEADER};

/// More header fields than any server here sends.
const FIELDS: usize = 64;

/// Knows what every answer must be.
pub(crate) struct HttpAnswers {
    body: Vec<u8>,
    /// The last whole answer that was right: most begin with the very same bytes, and need no parser.
    known: Vec<u8>,
}

/// What stands at the beginning of the received bytes.
#[derive(Debug, PartialEq)]
pub(crate) enum HttpAnswer {
    /// Too little to tell.
    Partial,
    /// A whole answer.
    Whole { length: usize, right: bool },
    /// Nothing that could be read on from.
    Malformed(&'static str),
}

impl HttpAnswers {
    pub(crate) fn new(body: Vec<u8>) -> Self {
        Self { body, known: Vec::new() }
    }

    /// Reads the first answer of `bytes`: status 200 and the body, byte by byte, make it a right one.
    pub(crate) fn first(&mut self, bytes: &[u8]) -> HttpAnswer {
        if !self.known.is_empty() && bytes.starts_with(&self.known) {
            return HttpAnswer::Whole { length: self.known.len(), right: true };
        }
        let answer = self.parse(bytes);
        if let HttpAnswer::Whole { length, right: true } = answer {
            self.known.clear();
            self.known.extend_from_slice(&bytes[..length]);
        }
        answer
    }

    fn parse(&self, bytes: &[u8]) -> HttpAnswer {
        let mut fields = [EMPTY_HEADER; FIELDS];
        let mut response = Response::new(&mut fields);
        let head = match response.parse(bytes) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => return HttpAnswer::Partial,
            Err(_) => return HttpAnswer::Malformed("not a head of HTTP"),
        };
        let Some(length) = content_length(&response) else {
            return HttpAnswer::Malformed("no Content-Length");
        };
        let Some(body) = bytes[head..].get(..length) else {
            return HttpAnswer::Partial;
        };
        HttpAnswer::Whole { length: head + length, right: response.code == Some(200) && body == self.body }
    }
}

fn content_length(response: &Response<'_, '_>) -> Option<usize> {
    let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"))?;
    std::str::from_utf8(field.value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!";

    fn first(bytes: &[u8]) -> HttpAnswer {
        HttpAnswers::new(b"Hello, world!".to_vec()).first(bytes)
    }

    #[test]
    fn a_right_answer_is_known_again_and_another_still_read() {
        let mut answers = HttpAnswers::new(b"Hello, world!".to_vec());
        let right = HttpAnswer::Whole { length: RIGHT.len(), right: true };
        assert_eq!(answers.first(RIGHT), right);
        assert_eq!(answers.first(&[RIGHT, RIGHT].concat()), right);
        let wrong = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!";
        assert_eq!(answers.first(wrong), HttpAnswer::Whole { length: wrong.len(), right: false });
    }

    #[test]
    fn every_cut_is_partial() {
        for cut in 0..RIGHT.len() {
            assert_eq!(first(&RIGHT[..cut]), HttpAnswer::Partial, "cut at {cut}");
        }
    }

    #[test]
    fn status_length_and_head_are_checked() {
        let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nHello, world!";
        assert_eq!(first(missing), HttpAnswer::Whole { length: missing.len(), right: false });
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, world";
        assert_eq!(first(short), HttpAnswer::Whole { length: short.len(), right: false });
        assert_eq!(first(b"HTTP/1.1 200 OK\r\n\r\n"), HttpAnswer::Malformed("no Content-Length"));
        assert_eq!(first(b"220 ready\r\n"), HttpAnswer::Malformed("not a head of HTTP"));
    }
}

//! A web server for one page: HTTP/1.1 with keep-alive and pipelining, and HTTP/1.0.
//!
//! `http --listen URL [--listen URL]... [--loops N]`; then `curl http://127.0.0.1:PORT/`.
//!
//! It is strict where two readers of the same bytes could see different requests: line ends, lengths, header names.

mod body;

use std::process::ExitCode;
use std::time::Duration;

use body::{Body, Malformed};
use httparse::{Header, Request, Status};
use launch::Launch;
use reactor_core::{Action, Conn, Handler};

const PAGE: &str = "Hello, world!";
/// Request line and headers may have so many bytes, and there may be so many headers.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// A client that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// What a connection remembers.
#[derive(Default)]
struct Client {
    /// Of the request that came last.
    body: Body,
}

/// What the head of a request says.
struct Head {
    /// Its bytes.
    len: usize,
    body: Body,
    keep_alive: bool,
    /// The client waits to be told to send the body.
    expects_continue: bool,
    is_head: bool,
    is_options: bool,
    status: &'static str,
    old: bool,
}

/// The status of the answer to what is no request.
struct Refused(&'static str);

/// Reads the request at the front of the input; `None` if it is not whole yet.
fn read_head(input: &[u8]) -> Result<Option<Head>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    let len = match request.parse(input) {
        Ok(Status::Complete(len)) if ends_lines_otherwise(&input[..len]) => return Err(BAD),
        Ok(Status::Partial) if ends_lines_otherwise(input) => return Err(BAD),
        Ok(Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(Status::Partial) if input.len() <= MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(BAD),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(BAD);
    };
    let old = version == 0;
    if values(request.headers, "host").count() > 1 || (!old && values(request.headers, "host").count() == 0) {
        return Err(BAD);
    }
    Ok(Some(Head {
        len,
        body: body_of(request.headers, old)?,
        keep_alive: keeps_alive(request.headers, old),
        expects_continue: !old && lists(request.headers, "expect", "100-continue"),
        is_head: method == "HEAD",
        is_options: method == "OPTIONS",
        status: status(method, target),
        old,
    }))
}

/// Whether a line ends in LF alone. The parser lets that pass.
fn ends_lines_otherwise(head: &[u8]) -> bool {
    head.first() == Some(&b'\n') || head.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

const BAD: Refused = Refused("400 Bad Request");
const TOO_LARGE: Refused = Refused("431 Request Header Fields Too Large");

fn status(method: &str, target: &str) -> &'static str {
    // A proxy may send the whole URL.
    let path = match target.split_at_checked(7) {
        Some((scheme, url)) if scheme.eq_ignore_ascii_case("http://") => {
            url.find(['/', '?']).filter(|&at| url[at..].starts_with('/')).map_or("/", |at| &url[at..])
        }
        _ => target,
    };
    let path = path.split('?').next();
    match method {
        // Of the server as a whole.
        "OPTIONS" if target == "*" => "200 OK",
        _ if path != Some("/") => "404 Not Found",
        "GET" | "HEAD" | "OPTIONS" => "200 OK",
        _ => "405 Method Not Allowed",
    }
}

fn values<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Whether a header with a list, `a, b`, has this word in it.
fn lists(headers: &[Header<'_>], name: &str, word: &str) -> bool {
    let mut words = values(headers, name).flat_map(|value| value.split(|byte| *byte == b','));
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

fn keeps_alive(headers: &[Header<'_>], old: bool) -> bool {
    match old {
        true => lists(headers, "connection", "keep-alive"),
        false => !lists(headers, "connection", "close"),
    }
}

/// What body follows. One whose end is in doubt ends the connection: what follows could be taken for requests that
/// the client never made.
fn body_of(headers: &[Header<'_>], old: bool) -> Result<Body, Refused> {
    let has_codings = values(headers, "transfer-encoding").next().is_some();
    let mut lengths = values(headers, "content-length");
    match lengths.next() {
        None if has_codings => body_in_codings(headers, old),
        None => Ok(Body::default()),
        Some(_) if has_codings || lengths.next().is_some() => Err(BAD),
        Some(digits) => number(digits).map(Body::Length).ok_or(BAD),
    }
}

/// `chunked` has to be the last coding, and is the only one that is known here.
fn body_in_codings(headers: &[Header<'_>], old: bool) -> Result<Body, Refused> {
    let listed = values(headers, "transfer-encoding").flat_map(|value| value.split(|byte| *byte == b','));
    let codings: Vec<&[u8]> = listed.map(<[u8]>::trim_ascii).collect();
    let chunked = codings.iter().position(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    match chunked {
        _ if old => Err(BAD),
        Some(at) if at + 1 < codings.len() => Err(BAD),
        Some(0) => Ok(Body::chunked()),
        _ => Err(Refused("501 Not Implemented")),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok()
}

/// Appends a response to `out`.
fn respond(status: &str, head: Option<&Head>, out: &mut Vec<u8>) {
    let is_options = head.is_some_and(|head| head.is_options);
    let body = match status.starts_with("200") {
        true if is_options => "",
        true => PAGE,
        false => status,
    };
    let connection = match head {
        Some(Head { keep_alive: true, old: false, .. }) => "",
        Some(Head { keep_alive: true, old: true, .. }) => "Connection: keep-alive\r\n",
        _ => "Connection: close\r\n",
    };
    let allow = if is_options || status.starts_with("405") { "Allow: GET, HEAD, OPTIONS\r\n" } else { "" };
    let len = body.len().to_string();
    let parts = ["HTTP/1.1 ", status, "\r\nContent-Type: text/plain\r\nContent-Length: ", &len, "\r\n"];
    parts.iter().chain(&[allow, connection, "\r\n"]).for_each(|part| out.extend_from_slice(part.as_bytes()));
    if !head.is_some_and(|head| head.is_head) {
        out.extend_from_slice(body.as_bytes());
    }
}

impl Client {
    /// Answers the requests in the input into `out`. Says how many bytes to keep for later; `None` means that
    /// the connection has to end.
    fn answer(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        loop {
            match self.body.skip(input) {
                Ok(skipped) => input = &input[skipped..],
                Err(Malformed) => return None,
            }
            if input.is_empty() {
                return Some(0);
            }
            match read_head(input) {
                Ok(Some(head)) => {
                    if head.expects_continue && !head.body.is_over() {
                        out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    respond(head.status, Some(&head), out);
                    self.body = head.body;
                    input = &input[head.len..];
                    if !head.keep_alive {
                        return None;
                    }
                }
                Ok(None) => return Some(input.len()),
                Err(Refused(status)) => {
                    respond(status, None, out);
                    return None;
                }
            }
        }
    }
}

struct Http;

impl Handler for Http {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        conn.set_context(Box::new(Client::default()));
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let mut out = Vec::new();
        let kept = conn.with_context(|client: &mut Client| client.answer(data, &mut out)).flatten();
        if !out.is_empty() && conn.write(&out).is_err() {
            return Action::Close;
        }
        match kept {
            Some(0) => Action::None,
            Some(len) => conn.keep(len).map_or(Action::Close, |()| Action::None),
            None => Action::Close,
        }
    }
}

fn main() -> ExitCode {
    launch::main("http", || {
        let mut launch = Launch::from_args(|_, _| Ok(false))?.streams_only()?;
        launch.conns.timeouts.idle = IDLE;
        launch.run(Http)
    })
}

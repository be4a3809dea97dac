//! Frames, answers and HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{count, fail, measure, server};

fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn send(stream: &mut TcpStream, body: &[u8]) {
    let mut message = (body.len() as u32).to_be_bytes().to_vec();
    message.extend(body);
    // The client may have seen enough.
    let _ = stream.write_all(&message);
}

#[test]
fn frames_come_back_whole() {
    let target = server(|mut stream| {
        while let Some(body) = frame(&mut stream) {
            assert_eq!(body.len(), 300);
            send(&mut stream, &body);
        }
    });
    let result = measure(&target, "--protocol frames --size 300 --requests 2000 --connections 3 --depth 5");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (2000, 0));
    assert_eq!(count(&result, "bytes"), 2000 * 304);
}

#[test]
fn frames_in_another_order_are_wrong() {
    let target = server(|mut stream| {
        while let (Some(first), Some(second)) = (frame(&mut stream), frame(&mut stream)) {
            send(&mut stream, &second);
            send(&mut stream, &first);
        }
    });
    let result = measure(&target, "--protocol frames --requests 40 --connections 1 --depth 2");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (0, 40));
}

fn answer(body: &[u8]) -> Vec<u8> {
    let length = u32::from_be_bytes(body[..4].try_into().unwrap());
    vec![body[4]; length as usize]
}

#[test]
fn answers_have_the_wanted_length_and_fill() {
    let target = server(|mut stream| {
        while let Some(body) = frame(&mut stream) {
            send(&mut stream, &answer(&body));
        }
    });
    let result = measure(
        &target,
        "--protocol answers --size 64 --reply-size 16384 --requests 500 --connections 3 --depth 2",
    );
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (500, 0));
    assert_eq!(count(&result, "bytes"), 500 * 16_388);
}

#[test]
fn answers_with_another_fill_are_wrong() {
    let target = server(|mut stream| {
        for number in 0.. {
            let Some(body) = frame(&mut stream) else { return };
            let mut answer = answer(&body);
            answer[999] ^= u8::from(number % 4 == 1);
            send(&mut stream, &answer);
        }
    });
    let result = measure(&target, "--protocol answers --reply-size 1000 --requests 20 --connections 1");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (15, 5));
}

/// Answers request number n with `answers[n % answers.len()]`, in pieces of `piece` bytes.
fn http(piece: usize, answers: &'static [&'static str]) -> String {
    server(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        let mut number = 0;
        while stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
            if head.ends_with(b"\r\n\r\n") {
                assert!(head.starts_with(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:"), "{}", head.escape_ascii());
                head.clear();
                for part in answers[number % answers.len()].as_bytes().chunks(piece) {
                    // The client may have seen enough.
                    let _ = stream.write_all(part);
                }
                number += 1;
            }
        }
    })
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, world!";
const DATED: &str =
    "HTTP/1.1 200 OK\r\ndate: Sat, 01 Jan 2000 00:00:00 GMT\r\ncontent-length: 13\r\n\r\nHello, world!";

#[test]
fn http_answers_may_differ_in_their_heads() {
    for piece in [7, 1000] {
        let result = measure(
            &http(piece, &[PLAIN, DATED]),
            "--protocol http --requests 300 --connections 2 --depth 4",
        );
        assert_eq!((count(&result, "requests"), count(&result, "wrong")), (300, 0));
    }
}

#[test]
fn http_status_length_and_body_are_checked() {
    let wrong = &[
        PLAIN,
        "HTTP/1.1 500 Oh\r\nContent-Length: 13\r\n\r\nHello, world!",
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, world",
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!",
    ];
    let result = measure(&http(1000, wrong), "--protocol http --requests 40 --connections 1");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (10, 30));
}

#[test]
fn http_body_as_given() {
    let target = http(1000, &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]);
    let result = measure(&target, "--protocol http --body ok --requests 10 --connections 1");
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (10, 0));
}

#[test]
fn what_is_not_http_ends_the_connection() {
    let target = http(1000, &["220 ready\r\n\r\n"]);
    let output = crate::support::run(&target, "--protocol http --requests 10 --connections 1");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((count(&result, "requests"), count(&result, "wrong")), (0, 1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("not a head of HTTP"));
    assert!(fail(&target, "--protocol answers --size 4", 2).contains("--size"));
}

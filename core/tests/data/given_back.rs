//! What the reader of a log gives back, and connections that are handed out of one (D2, L6).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::Receiver;

use crate::away::handing_over;
use crate::common::{loops, read_exactly, tcp, PATIENCE};
use reactor_core::binding::log::{HandOver, Kind, Record};
use reactor_core::{ConnOptions, ErrorKind, Framing, ListenOptions, Server};

/// A server whose hand-overs come to the test, and a client whose first one was answered.
struct Scene {
    server: Server,
    hand_overs: Receiver<HandOver>,
    client: TcpStream,
}

impl Scene {
    fn new(framing: Framing) -> Scene {
        let (server, hand_overs) = handing_over(&loops(1));
        let conns = ConnOptions { framing: Some(framing), ..ConnOptions::default() };
        let listening = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &conns).unwrap();
        server.start().unwrap();
        let client = tcp(&listening.address);
        let scene = Scene { server, hand_overs, client };
        assert_eq!(scene.next().records()[0].kind(), Kind::Open);
        scene
    }

    fn next(&self) -> HandOver {
        self.hand_overs.recv_timeout(PATIENCE).expect("nothing was handed over")
    }
}

/// What each record of input has, and its piece of the stream.
fn pieces(hand_over: &HandOver) -> Vec<(&[u8], &[u8])> {
    let mut end = 0;
    let mut pieces = Vec::new();
    for record in hand_over.records() {
        let place = record.place();
        let begin = std::mem::replace(&mut end, place.end + record.behind());
        let piece = if record.kind() == Kind::Command { begin..place.start } else { begin..end };
        pieces.push((&hand_over.bytes()[place], &hand_over.bytes()[piece]));
    }
    pieces
}

fn frames(hand_over: &HandOver) -> Vec<&[u8]> {
    assert!(hand_over.records().iter().all(|record| record.flags() & Record::FRAME != 0));
    pieces(hand_over).into_iter().map(|(frame, _)| frame).collect()
}

#[test]
fn frames_that_are_given_back_are_cut_as_is_said_now() {
    let mut scene = Scene::new(Framing::line());
    scene.client.write_all(b"one\ntwo\r\nthree").unwrap();
    let hand_over = scene.next();
    assert_eq!(pieces(&hand_over), [(&b"one"[..], &b"one\n"[..]), (b"two", b"two\r\n")]);
    let conn = hand_over.records()[0].conn().unwrap();
    scene.server.handle().set_framing(conn, Some(Framing::fixed(4))).unwrap();
    scene.server.handle().hand_over_again(conn, pieces(&hand_over)[1].1.to_vec()).unwrap();
    drop(hand_over);
    assert_eq!(frames(&scene.next()), [b"two\r"]);
    assert_eq!(frames(&scene.next()), [b"\nthr"]);
    // What was carried then is looked at together with what comes.
    scene.client.write_all(b"e, and so on").unwrap();
    assert_eq!(frames(&scene.next()), [b"eee,", b" and"]);
    assert_eq!(frames(&scene.next()), [b" so "]);
}

#[test]
fn what_is_given_back_comes_frame_by_frame_and_then_more_at_once() {
    let mut scene = Scene::new(Framing::fixed(1));
    scene.client.write_all(&[b'x'; 40]).unwrap();
    let conn = {
        let hand_over = scene.next();
        let conn = hand_over.records()[0].conn().unwrap();
        let handle = scene.server.handle();
        handle.set_framing(conn, Some(Framing::fixed(2))).unwrap();
        handle.hand_over_again(conn, hand_over.bytes().to_vec()).unwrap();
        conn
    };
    let more = |scene: &Scene| frames(&scene.next()).len();
    assert_eq!([more(&scene), more(&scene), more(&scene)], [1, 2, 4]);
    // And so it is whenever some come back.
    let hand_over = scene.next();
    assert_eq!(frames(&hand_over), [b"xx"; 8]);
    scene.server.handle().hand_over_again(conn, hand_over.bytes()[2..].to_vec()).unwrap();
    drop(hand_over);
    assert_eq!([more(&scene), more(&scene), more(&scene), more(&scene)], [1, 2, 4, 5]);
}

#[test]
fn without_a_framing_what_is_given_back_is_input_as_it_is() {
    let mut scene = Scene::new(Framing::fixed(2));
    scene.client.write_all(b"abcd").unwrap();
    let hand_over = scene.next();
    let conn = hand_over.records()[0].conn().unwrap();
    scene.server.handle().set_framing(conn, None).unwrap();
    scene.server.handle().hand_over_again(conn, b"cd".to_vec()).unwrap();
    drop(hand_over);
    let raw = scene.next();
    assert_eq!((raw.records()[0].flags(), raw.bytes()), (0, &b"cd"[..]));
}

#[test]
fn a_long_delimiter_is_told_of_behind_its_frame() {
    let delimiter = vec![b'-'; 20_000];
    let mut scene = Scene::new(Framing::delimiter(delimiter.clone()));
    let sent = [&b"one"[..], &delimiter, b"two", &delimiter].concat();
    scene.client.write_all(&sent).unwrap();
    let mut stream = Vec::new();
    while stream.len() < sent.len() {
        let hand_over = scene.next();
        for (record, (bytes, piece)) in hand_over.records().iter().zip(pieces(&hand_over)) {
            match record.kind() {
                Kind::Data => assert!([b"one", b"two"].iter().any(|frame| &frame[..] == bytes)),
                other => assert_eq!((other, bytes.len()), (Kind::CutOff, 20_000)),
            }
            stream.extend_from_slice(piece);
        }
    }
    assert!(stream == sent);
}

#[test]
fn a_command_lies_as_it_came_in_front_of_its_arguments() {
    let mut scene = Scene::new(Framing::resp());
    scene.client.write_all(b"SET  k \"a b\"\r\nPING\n").unwrap();
    let hand_over = scene.next();
    let told = pieces(&hand_over);
    assert_eq!(told[0], (&b"\x03\0\0\0SET\x01\0\0\0k\x03\0\0\0a b"[..], &b"SET  k \"a b\"\r\n"[..]));
    assert_eq!(told[1], (&b"\x04\0\0\0PING"[..], &b"PING\n"[..]));
}

#[test]
fn a_connection_is_handed_out_with_what_was_given_back_in_front_of_what_was_not_handed_over() {
    let mut scene = Scene::new(Framing::line());
    scene.client.write_all(b"one\ntwo\nthr").unwrap();
    let hand_over = scene.next();
    let conn = hand_over.records()[0].conn().unwrap();
    scene.server.handle().hand_over_again(conn, b"two\n".to_vec()).unwrap();
    scene.server.handle().detach(conn).unwrap();
    assert_eq!(scene.server.handle().detach(conn).unwrap_err().kind(), ErrorKind::Closed);
    drop(hand_over);
    let mut last = scene.next();
    assert_eq!(last.records().iter().map(Record::kind).collect::<Vec<_>>(), [Kind::Detached]);
    let (id, detached) = last.take_detached().pop().expect("something was handed out");
    assert_eq!((id, &detached.input[..], &detached.output[..]), (conn, &b"two\nthr"[..], &b""[..]));
    assert!(last.take_detached().is_empty());
    let mut stream = TcpStream::from(detached.descriptor);
    stream.set_nonblocking(false).unwrap();
    stream.write_all(b"yours").unwrap();
    assert_eq!(read_exactly(&mut scene.client, 5), b"yours");
}

#[test]
fn a_connection_that_is_handed_out_to_nobody_is_closed() {
    let mut scene = Scene::new(Framing::line());
    scene.client.write_all(b"one\n").unwrap();
    let conn = scene.next().records()[0].conn().unwrap();
    scene.server.handle().detach(conn).unwrap();
    drop(scene.next());
    assert_eq!(scene.client.read(&mut [0]).unwrap(), 0);
}

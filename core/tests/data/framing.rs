//! Framing over real sockets: however the stream is split, whole frames and nothing else come (D2).

use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_all, send, serve_conns, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly};
use reactor_core::{
    Action, ByteOrder, CloseReason, Config, ConnId, ConnOptions, ConnectOptions, ErrorKind, Framing,
    LengthField, Server, Width,
};

type Frames = Receiver<Vec<u8>>;

fn framed(framing: Framing) -> ConnOptions {
    ConnOptions { framing: Some(framing), ..ConnOptions::default() }
}

/// Tells the frames, and the end as a reason.
fn telling() -> (Hooks, Receiver<ConnId>, Frames, Receiver<CloseReason>) {
    let ((opened, ids), (told, frames), (closed, closes)) = (channel(), channel(), channel());
    let hooks = Hooks::new()
        .open(move |conn| {
            opened.send(conn.id()).unwrap();
            Action::None
        })
        .data(move |_, data| {
            told.send(data.to_vec()).unwrap();
            Action::None
        })
        .close(move |_, reason| closed.send(reason.reason).unwrap());
    (hooks, ids, frames, closes)
}

/// A framing by name, a stream, and the frames in it.
type Case = (&'static str, Framing, Vec<u8>, Vec<Vec<u8>>);

/// Every kind of framing.
fn cases() -> Vec<Case> {
    let strings = |frames: &[&str]| frames.iter().map(|frame| frame.as_bytes().to_vec()).collect::<Vec<_>>();
    let u16_be = Framing::length_field(LengthField::new(Width::Two, ByteOrder::Big));
    let varint = Framing::length_field(LengthField::new(Width::Varint, ByteOrder::Big));
    let custom = Framing::custom(|input| Ok(Some(usize::from(input[0]) + 1)));
    vec![
        ("fixed", Framing::fixed(3), b"abcdefghi".to_vec(), strings(&["abc", "def", "ghi"])),
        ("delimiter", Framing::delimiter("--"), b"a----b-c--".to_vec(), strings(&["a", "", "b-c"])),
        ("line", Framing::line(), b"one\r\n\ntwo\n".to_vec(), strings(&["one", "", "two"])),
        ("several", Framing::delimiters([";", "\r\n"]), b"a;;b\r\n".to_vec(), strings(&["a", "", "b"])),
        ("kept", Framing::line().keep_delimiter(), b"a\r\nb\n".to_vec(), strings(&["a\r\n", "b\n"])),
        ("rest", Framing::line().deliver_rest(), b"a\nb\n".to_vec(), strings(&["a", "b"])),
        ("length", u16_be, b"\0\x03abc\0\0\0\x01z".to_vec(), strings(&["abc", "", "z"])),
        ("varint", varint, b"\x03abc\0\x01z".to_vec(), strings(&["abc", "", "z"])),
        ("custom", custom, b"\x02ab\0\x01c".to_vec(), strings(&["\x02ab", "\0", "\x01c"])),
    ]
}

#[test]
fn every_framing_finds_its_frames_however_the_stream_is_split() {
    for (name, framing, stream, expected) in cases() {
        everywhere(|config, over| {
            let (hooks, ids, frames, closes) = telling();
            let (server, address) = serve_conns(over, hooks, config, &framed(framing.clone()));
            for at in 0..=stream.len() {
                let mut peer = peer(&address);
                let id = next(&ids);
                send(&mut peer, &stream[..at]);
                eventually("it is read", || server.handle().info(id).unwrap().received == at as u64);
                send(&mut peer, &stream[at..]);
                for frame in &expected {
                    assert_eq!(next(&frames), *frame, "{name} split at {at}");
                }
                finish(&peer);
                assert_eq!(read_all(&mut peer), b"");
                assert_eq!(next(&closes), CloseReason::Eof, "{name} split at {at}");
            }
            // Byte by byte, and many in one piece.
            let mut peer = peer(&address);
            next(&ids);
            stream.iter().for_each(|byte| send(&mut peer, &[*byte]));
            send(&mut peer, &stream.repeat(20_000));
            for _ in 0..20_001 {
                for frame in &expected {
                    assert_eq!(next(&frames), *frame, "{name}");
                }
            }
        });
    }
}

#[test]
fn half_a_frame_at_eof_and_one_that_is_too_large_are_protocol_errors() {
    let limited = Framing::line().max_frame(10);
    let length = Framing::length_field(LengthField::new(Width::Two, ByteOrder::Big)).max_frame(100);
    let cases = [
        ("half a line", Framing::line(), &b"whole\nhalf"[..], 1, true),
        ("half a length", length.clone(), &b"\0"[..], 0, true),
        ("too large a line", limited, &b"short\n12345678901234567890"[..], 1, false),
        ("too large a length", length, &b"\xff\xff"[..], 0, false),
        ("malformed", Framing::custom(|_| Err("no such thing".into())), &b"x"[..], 0, false),
        ("no bytes", Framing::custom(|_| Ok(Some(0))), &b"x"[..], 0, false),
    ];
    for (name, framing, stream, whole, ends) in cases {
        everywhere(|config, over| {
            for half_open in [false, true] {
                let (hooks, _ids, frames, closes) = telling();
                let conns = ConnOptions { half_open, ..framed(framing.clone()) };
                let (_server, address) = serve_conns(over, hooks.eof(|_| panic!("on_eof")), config, &conns);
                let mut peer = peer(&address);
                send(&mut peer, stream);
                if ends {
                    finish(&peer);
                }
                assert_eq!(read_all(&mut peer), b"", "{name}");
                drop(peer);
                assert_eq!(next(&closes), CloseReason::Protocol, "{name}");
                assert_eq!(frames.try_iter().count(), whole, "{name}");
            }
        });
    }
}

#[test]
fn a_custom_function_that_panics_is_a_handler_error() {
    everywhere(|config, over| {
        let (hooks, _ids, _frames, closes) = telling();
        let framing = Framing::custom(|input| match input[0] {
            b'!' => panic!("told to panic"),
            _ => Ok(Some(1)),
        });
        let (_server, address) = serve_conns(over, hooks, config, &framed(framing));
        let mut first = peer(&address);
        send(&mut first, b"ab!c");
        assert_eq!(read_all(&mut first), b"");
        drop(first);
        assert_eq!(next(&closes), CloseReason::HandlerError);
    });
}

/// Speaks lines until a line says "upgrade N", then raw bytes until an "!", then lines again.
fn switching() -> Hooks {
    Hooks::new().data(|conn, data| {
        let raw = conn.take_context().is_some();
        let _ = conn.write(if raw { b"raw:" } else { b"line:" }).unwrap();
        if raw {
            let end = data.iter().position(|byte| *byte == b'!');
            let _ = conn.write(&data[..end.unwrap_or(data.len())]).unwrap();
            match end {
                Some(end) => {
                    conn.keep(data.len() - end - 1).unwrap();
                    conn.set_framing(Some(Framing::line())).unwrap();
                }
                None => drop(conn.set_context(Box::new(()))),
            }
        } else {
            let _ = conn.write(data).unwrap();
            if data == b"upgrade" {
                conn.set_framing(None).unwrap();
                conn.set_context(Box::new(()));
            }
        }
        conn.write(b";").map_or(Action::Close, |_| Action::None)
    })
}

#[test]
fn framing_changes_in_mid_stream_at_the_very_byte_both_ways() {
    everywhere(|config, over| {
        let (_server, address) = serve_conns(over, switching(), config, &framed(Framing::line()));
        // In one piece.
        let mut glued = peer(&address);
        send(&mut glued, b"hello\nupgrade\nabc!back\nupgrade\nd!e\n");
        finish(&glued);
        let expected = "line:hello;line:upgrade;raw:abc;line:back;line:upgrade;raw:d;line:e;";
        assert_eq!(String::from_utf8_lossy(&read_all(&mut glued)), expected);
        // In two, the second with raw bytes alone.
        let mut split = peer(&address);
        send(&mut split, b"upgrade\n");
        assert_eq!(read_exactly(&mut split, 13), b"line:upgrade;");
        send(&mut split, b"xyz!after");
        assert_eq!(read_exactly(&mut split, 8), b"raw:xyz;");
        send(&mut split, b"wards\n");
        assert_eq!(read_exactly(&mut split, 16), b"line:afterwards;");
    });
}

#[test]
fn a_framing_taken_off_from_another_thread_hands_out_what_was_carried() {
    everywhere(|config, over| {
        let (hooks, ids, frames, _closes) = telling();
        let (server, address) = serve_conns(over, hooks, config, &framed(Framing::line()));
        let mut peer = peer(&address);
        let id = next(&ids);
        send(&mut peer, b"half a li");
        eventually("it is read", || server.handle().info(id).unwrap().received == 9);
        assert!(frames.try_recv().is_err());
        server.handle().set_framing(id, None).unwrap();
        assert_eq!(next(&frames), b"half a li");
        send(&mut peer, b"raw");
        assert_eq!(next(&frames), b"raw");
        let refused = server.handle().set_framing(id, Some(Framing::fixed(0))).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    });
}

#[test]
fn frames_are_written_as_they_are_cut_from_any_thread() {
    for (name, framing, _, expected) in cases() {
        everywhere(|config, over| {
            let (hooks, ids, frames, _closes) = telling();
            let hooks =
                hooks.data(|conn, data| conn.write_frame(data).map_or(Action::Close, |_| Action::None));
            let (server, address) = serve_conns(over, hooks, config, &framed(framing.clone()));
            // The peer's part is an engine of its own, with the same framing.
            let (client, frames_back, id) = connect_back(&address, &framing, config);
            drop(frames);
            next(&ids);
            for payload in &expected {
                let written = client.handle().write_frame(id, payload);
                if name == "custom" {
                    assert_eq!(written.unwrap_err().kind(), ErrorKind::InvalidArgument);
                    continue;
                }
                let _ = written.unwrap();
                assert_eq!(next(&frames_back), *payload, "{name}");
            }
            drop(server);
        });
    }
}

/// A client with this framing, the frames it gets, and its connection.
fn connect_back(address: &str, framing: &Framing, config: &Config) -> (Server, Frames, ConnId) {
    let (hooks, ids, frames, _) = telling();
    let client = Server::new(hooks.close(|_, _| ()), config).unwrap();
    client.start().unwrap();
    let options = ConnectOptions { conn: framed(framing.clone()), ..ConnectOptions::default() };
    let id = client.handle().connect(address, options).unwrap();
    assert_eq!(next(&ids), id);
    (client, frames, id)
}

#[test]
fn write_frame_follows_the_set_framing_before_it_on_the_same_thread() {
    let ((inside, entered), (go, gate)) = (channel(), channel::<()>());
    let gate = Mutex::new(gate);
    let hooks = Hooks::new().data(move |conn, _| {
        inside.send(conn.id()).unwrap();
        next(&gate.lock().unwrap());
        Action::None
    });
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    send(&mut peer, b"busy");
    let id = next(&entered);
    server.handle().set_framing(id, Some(Framing::delimiter(";"))).unwrap();
    let first = server.handle().write_frame(id, b"one").map(|_| ());
    server.handle().set_framing(id, Some(Framing::line())).unwrap();
    let second = server.handle().write_frame(id, b"two").map(|_| ());
    go.send(()).unwrap();
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert_eq!(read_exactly(&mut peer, 8), b"one;two\n");
}

#[test]
fn frames_of_many_threads_are_not_torn() {
    everywhere(|config, over| {
        let (hooks, ids, _frames, _closes) = telling();
        let (server, address) = serve_conns(over, hooks, config, &framed(Framing::line()));
        let mut peer = peer(&address);
        let id = next(&ids);
        thread::scope(|scope| {
            for thread in 0..8u8 {
                let handle = server.handle().clone();
                scope.spawn(move || {
                    for _ in 0..300 {
                        let _ = handle.write_frame(id, &[b'a' + thread; 99]).unwrap();
                    }
                });
            }
            for _ in 0..2400 {
                let frame = read_exactly(&mut peer, 100);
                assert!(frame[99] == b'\n' && frame[..99].iter().all(|byte| *byte == frame[0]));
            }
        });
    });
}

//! Redis's commands over real sockets: whole, with their arguments, and what is malformed is answered (D2).

use std::sync::mpsc::channel;
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_all, send, serve_conns};
use crate::common::{loops, next, read_exactly};
use reactor_core::binding::log::{HandOver, Logged, Reader};
use reactor_core::{
    Action, BoxError, CloseReason, Conn, ConnOptions, ConnectOptions, ErrorKind, Framing, Handle,
    ListenOptions, Server,
};

fn commands() -> ConnOptions {
    ConnOptions { framing: Some(Framing::resp()), ..ConnOptions::default() }
}

/// Writes the arguments, with "|" between them, and ";".
fn telling(conn: &Conn<'_>, data: &[u8]) -> Action {
    let arguments = conn.arguments(data);
    assert_eq!(arguments.len(), arguments.places().len());
    assert_eq!(arguments.get(0), arguments.iter().next());
    assert_eq!(arguments.get(arguments.len()), None);
    let mut told = arguments.iter().collect::<Vec<_>>().join(&b'|');
    told.push(b';');
    // The peer may be gone.
    let _ = conn.write(&told);
    if !arguments.is_empty() && &arguments[0] == b"QUIT" {
        return Action::Close;
    }
    Action::None
}

#[test]
fn every_command_comes_with_its_arguments_however_the_stream_is_split() {
    let stream = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\nSET \"a b\" ''\n*3\r\n$1\r\nx\r\n$0\r\n\r\n$5\r\n\r\n*1\r\r\n";
    let told = b"GET|k;PING;SET|a b|;x||\r\n*1\r;";
    everywhere(|config, over| {
        let (_server, address) = serve_conns(over, Hooks::new().data(telling), config, &commands());
        let mut peer = peer(&address);
        for at in 0..=stream.len() {
            send(&mut peer, &stream[..at]);
            // What is whole there was read, and the beginning of what is not.
            let whole = if at < 20 { "" } else { "GET|k;" };
            assert_eq!(read_exactly(&mut peer, whole.len()), whole.as_bytes(), "split at {at}");
            send(&mut peer, &stream[at..]);
            assert_eq!(
                read_exactly(&mut peer, told.len() - whole.len()),
                told[whole.len()..],
                "split at {at}"
            );
        }
        stream.iter().for_each(|byte| send(&mut peer, &[*byte]));
        assert_eq!(read_exactly(&mut peer, told.len()), told);
        // Many, in pieces that the engine chooses.
        send(&mut peer, &stream.repeat(1_000));
        assert_eq!(read_exactly(&mut peer, 1_000 * told.len()), told.repeat(1_000));
        send(&mut peer, b"QUIT\r\nPING\r\n");
        assert_eq!(read_all(&mut peer), b"QUIT;");
    });
}

#[test]
fn a_long_command_is_whole() {
    everywhere(|config, over| {
        let (_server, address) = serve_conns(over, Hooks::new().data(telling), config, &commands());
        let mut peer = peer(&address);
        let value = (0..1_000_000).map(|at| (at % 251) as u8).collect::<Vec<_>>();
        let mut stream = format!("*2\r\n$3\r\nSET\r\n${}\r\n", value.len()).into_bytes();
        stream.extend([&value[..], b"\r\nPING\r\n"].concat());
        let told = [b"SET|", &value[..], b";PING;"].concat();
        send(&mut peer, &stream);
        assert!(read_exactly(&mut peer, told.len()) == told);
    });
}

#[test]
fn what_is_malformed_is_answered_behind_what_was_written_before() {
    let cases: [(&[u8], &[u8]); 7] = [
        (b"PING\r\n*x\r\nPING\r\n", b"PING;-ERR Protocol error: invalid multibulk length\r\n"),
        (b"PING\r\n*1\r\n$x\r\n", b"PING;-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
        (b"PING\r\nGET \"a\r\n", b"PING;-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"*1\r\n$99\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (
            b"*2\r\n$40\r\n0123456789012345678901234567890123456789\r\n$9\r\n",
            b"-ERR Protocol error: too big request\r\n",
        ),
        (&[b'x'; 61], b"-ERR Protocol error: too big inline request\r\n"),
    ];
    for (stream, answer) in cases {
        everywhere(|config, over| {
            let (closed, closes) = channel();
            let hooks = Hooks::new().data(telling).close(move |_, how| closed.send(how.reason).unwrap());
            let conns =
                ConnOptions { framing: Some(Framing::resp().max_frame(60)), ..ConnOptions::default() };
            let (_server, address) = serve_conns(over, hooks, config, &conns);
            for pieces in [1, stream.len()] {
                let mut peer = peer(&address);
                stream.chunks(pieces).for_each(|piece| send(&mut peer, piece));
                assert_eq!(read_all(&mut peer).escape_ascii().to_string(), answer.escape_ascii().to_string());
                drop(peer);
                assert_eq!(next(&closes), CloseReason::Protocol);
            }
        });
    }
}

#[test]
fn half_a_command_at_eof_is_a_protocol_error_that_is_not_answered() {
    everywhere(|config, over| {
        let (closed, closes) = channel();
        let hooks = Hooks::new().data(telling).close(move |_, how| closed.send(how.reason).unwrap());
        let (_server, address) = serve_conns(over, hooks, config, &commands());
        for (stream, reason) in
            [(&b"PING\r\n*1\r\n$4\r\nPI"[..], CloseReason::Protocol), (b"PING\r\n\r\n", CloseReason::Eof)]
        {
            let mut peer = peer(&address);
            send(&mut peer, stream);
            finish(&peer);
            assert_eq!(read_all(&mut peer), b"PING;");
            drop(peer);
            assert_eq!(next(&closes), reason);
        }
    });
}

#[test]
fn a_framing_that_is_set_in_a_callback_holds_for_the_rest_of_the_input() {
    let hooks = || {
        Hooks::new().data(|conn, data| {
            if data == b"commands" {
                assert!(conn.arguments(data).is_empty());
                conn.set_framing(Some(Framing::resp())).unwrap();
                return Action::None;
            }
            let action = telling(conn, data);
            if data == b"LINES\r\n" {
                conn.set_framing(Some(Framing::line())).unwrap();
                assert_eq!(conn.arguments(data).len(), 1, "the command is still there");
            }
            action
        })
    };
    let conns = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
    everywhere(|config, over| {
        let (_server, address) = serve_conns(over, hooks(), config, &conns);
        let mut peer = peer(&address);
        send(&mut peer, b"a line\ncommands\nSET a b\r\nLINES\r\na line\n");
        // A line is no command.
        assert_eq!(read_exactly(&mut peer, 15), b";SET|a|b;LINES;");
        assert_eq!(read_exactly(&mut peer, 1), b";");
    });
}

/// A connection that was given no command has no arguments, whatever another one on the same loop was given.
#[test]
fn arguments_are_those_of_the_own_command_and_only_while_it_is_delivered() {
    let (told, seen) = channel();
    let (woken, ids) = (told.clone(), Mutex::new(Vec::new()));
    let hooks = Hooks::new()
        .open(move |conn| {
            ids.lock().unwrap().push(conn.id());
            conn.set_context(Box::new(ids.lock().unwrap().clone()));
            Action::None
        })
        .data(move |conn, data| {
            told.send(conn.arguments(data).len()).unwrap();
            let first = conn.with_context(|ids: &mut Vec<_>| ids[0]).unwrap();
            let of_other = conn.server().with_conn(first, |other| other.arguments(data).len()).unwrap();
            told.send(if first == conn.id() { 0 } else { of_other }).unwrap();
            // What is not dropped stays as it was, and does not disturb the next.
            std::mem::forget(conn.arguments(data));
            conn.wake().unwrap();
            Action::None
        })
        .wake(move |conn| {
            woken.send(conn.arguments(b"PING").len()).unwrap();
            Action::None
        });
    let (_server, address) = serve_conns(crate::common::peer::Over::Tcp, hooks, &loops(1), &commands());
    let (mut first, mut second) = (peer(&address), peer(&address));
    for (peer, len) in [(&mut first, 1), (&mut second, 3)] {
        send(peer, [&b"PING\n"[..], b"SET a b\n"][usize::from(len == 3)]);
        assert_eq!((next(&seen), next(&seen), next(&seen)), (len, 0, 0));
    }
}

struct Nobody;

impl Reader for Nobody {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn read(&self, _: &Handle, hand_over: HandOver) -> Option<HandOver> {
        Some(hand_over)
    }

    fn on_stop(&self, _: &Handle) {}
}

/// Whatever way it is asked for.
#[test]
fn a_delivery_without_arguments_refuses_commands() {
    let server = Server::delivering(Logged::new(Nobody), &loops(1)).unwrap();
    let refused = |error: reactor_core::Error| {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("resp"), "{error}");
    };
    refused(server.listen("tcp://127.0.0.1:0?framing=resp").unwrap_err());
    let listened = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &commands());
    refused(listened.unwrap_err());
    let listening = server
        .listen_with("tcp://127.0.0.1:0?framing=line", &ListenOptions::default(), &ConnOptions::default())
        .unwrap();
    server.start().unwrap();
    let handle = server.handle();
    refused(
        handle
            .connect(&listening.address, ConnectOptions { conn: commands(), ..ConnectOptions::default() })
            .unwrap_err(),
    );
    let id = handle.connect(&listening.address, ConnectOptions::default()).unwrap();
    refused(handle.set_framing(id, Some(Framing::resp())).unwrap_err());
    handle.set_framing(id, Some(Framing::line())).unwrap();
}

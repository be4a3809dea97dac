//! A receiver that gathers frames is told when those of a read were delivered: behind the last of them, and before whatever
//! else comes of the same input (D2).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};

use crate::common::{loops, next, read_exactly, tcp};
use reactor_core::binding::{Carries, Delivery, Event, Receiver};
use reactor_core::{
    Action, BoxError, CloseReason, Conn, ConnOptions, Framing, Handle, ListenOptions, Server,
};

/// What is told: what nothing has cut, the frames of a read, and the ends.
#[derive(Debug, PartialEq)]
enum Told {
    Raw(String),
    Frames(Vec<String>),
    Eof,
    Detached(String),
    Closed(CloseReason),
}

type Act = dyn Fn(&Conn<'_>, &[String]) -> Action + Send + Sync;

/// Carries frames as one list for each read, and does with each what `act` says.
struct Lists {
    act: Arc<Act>,
    told: Mutex<Sender<Told>>,
}

impl Delivery for Lists {
    fn receiver(&self) -> Box<dyn Receiver> {
        let told = self.told.lock().unwrap().clone();
        Box::new(Gathering { act: Arc::clone(&self.act), told, frames: Vec::new() })
    }

    fn carries(&self) -> Carries {
        Carries { detach: true, commands: true, turns: false, lends: false, gathers: true }
    }

    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn on_stop(&self, _: &Handle) {}
}

struct Gathering {
    act: Arc<Act>,
    told: Sender<Told>,
    frames: Vec<String>,
}

impl Gathering {
    fn tell(&self, told: Told) {
        // The test may have seen enough.
        let _ = self.told.send(told);
    }
}

impl Receiver for Gathering {
    fn data(&mut self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let text = String::from_utf8(data.to_vec()).unwrap();
        if conn.has_frame() {
            self.frames.push(text);
        } else {
            assert_eq!(self.frames, [""; 0], "what was gathered was to be handled before");
            self.tell(Told::Raw(text));
        }
        Action::None
    }

    fn delivered(&mut self, conn: &Conn<'_>) -> Action {
        let frames = std::mem::take(&mut self.frames);
        if frames.is_empty() {
            return Action::None;
        }
        let action = (self.act)(conn, &frames);
        self.tell(Told::Frames(frames));
        action
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        assert_eq!(self.frames, [""; 0], "what was gathered was to be handled before {event:?}");
        match event {
            Event::Eof(conn) => {
                self.tell(Told::Eof);
                conn.end().unwrap();
            }
            Event::Detached(_, detached) => {
                self.tell(Told::Detached(String::from_utf8(detached.input).unwrap()));
            }
            Event::Closed(_, closed) => self.tell(Told::Closed(closed.reason)),
            _ => {}
        }
        Action::None
    }
}

/// A server of one loop whose connections begin with a framing, a client of it, and what is told.
fn serve(
    framing: Framing,
    act: impl Fn(&Conn<'_>, &[String]) -> Action + Send + Sync + 'static,
) -> (Server, TcpStream, std::sync::mpsc::Receiver<Told>) {
    let (sender, told) = channel();
    let lists = Lists { act: Arc::new(act), told: Mutex::new(sender) };
    let server = Server::delivering(lists, &loops(1)).unwrap();
    let conns = ConnOptions { framing: Some(framing), half_open: true, ..ConnOptions::default() };
    let listening = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &conns).unwrap();
    server.start().unwrap();
    let client = tcp(&listening.address);
    (server, client, told)
}

fn frames(texts: &[&str]) -> Told {
    Told::Frames(texts.iter().map(|&text| text.into()).collect())
}

/// Answers a list.
fn answer(conn: &Conn<'_>, frames: &[String]) -> Action {
    conn.write(format!("[{}]", frames.join(",")).as_bytes()).map_or(Action::Close, |_| Action::None)
}

/// Sends, and reads what that is answered.
fn exchange(client: &mut TcpStream, sent: &[u8], answer: &str) {
    client.write_all(sent).unwrap();
    assert_eq!(String::from_utf8(read_exactly(client, answer.len())).unwrap(), answer);
}

fn rest(client: &mut TcpStream) -> String {
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    all
}

/// Three bytes a frame, until one begins with an exclamation mark.
fn three_bytes(data: &[u8]) -> Result<Option<usize>, BoxError> {
    if data[0] == b'!' {
        return Err("malformed".into());
    }
    Ok(Some(3))
}

#[test]
fn the_frames_of_a_read_are_told_at_once_and_half_a_frame_later() {
    // A framing of the engine's, which flows, and a function, which does not.
    let fixed = [Framing::fixed(3), Framing::custom(three_bytes)];
    for framing in fixed {
        let (_server, mut client, told) = serve(framing, answer);
        exchange(&mut client, b"one", "[one]");
        exchange(&mut client, b"twosixt", "[two,six]");
        exchange(&mut client, b"en", "[ten]");
        client.write_all(b"endof").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        // Half a frame is a protocol error at the end.
        assert_eq!(rest(&mut client), "[end]");
        drop(client);
        let lists = [frames(&["one"]), frames(&["two", "six"]), frames(&["ten"]), frames(&["end"])];
        for list in lists {
            assert_eq!(next(&told), list);
        }
        assert_eq!(next(&told), Told::Closed(CloseReason::Protocol));
    }
}

#[test]
fn the_commands_of_a_read_come_before_the_answer_to_what_is_none() {
    let (_server, mut client, told) = serve(Framing::resp(), answer);
    client.write_all(b"PING\r\nGET k\r\n*1\r\n!").unwrap();
    assert_eq!(rest(&mut client), "[PING\r\n,GET k\r\n]-ERR Protocol error: expected '$', got '!'\r\n");
    drop(client);
    assert_eq!(next(&told), frames(&["PING\r\n", "GET k\r\n"]));
    assert_eq!(next(&told), Told::Closed(CloseReason::Protocol));
}

#[test]
fn what_cannot_be_cut_comes_behind_the_frames_before_it() {
    let framings = [
        (Framing::line().max_frame(5), b"one\ntwo\nmuch too long".to_vec()),
        (Framing::custom(three_bytes), b"onetwo!".to_vec()),
    ];
    for (framing, sent) in framings {
        let (_server, mut client, told) = serve(framing, answer);
        client.write_all(&sent).unwrap();
        assert_eq!(rest(&mut client), "[one,two]");
        drop(client);
        assert_eq!(next(&told), frames(&["one", "two"]));
        assert_eq!(next(&told), Told::Closed(CloseReason::Protocol));
    }
}

#[test]
fn the_end_and_the_unterminated_rest_come_behind_the_frames() {
    let (_server, mut client, told) = serve(Framing::line().deliver_rest(), answer);
    client.write_all(b"one\ntwo\nrest").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "[one,two][rest]");
    assert_eq!(next(&told), frames(&["one", "two"]));
    assert_eq!(next(&told), frames(&["rest"]));
    assert_eq!(next(&told), Told::Eof);
    assert_eq!(next(&told), Told::Closed(CloseReason::Eof));
}

#[test]
fn after_a_close_nothing_of_the_input_is_told() {
    let (_server, mut client, told) = serve(Framing::line(), |conn, frames| {
        answer(conn, frames);
        Action::Close
    });
    exchange(&mut client, b"one\ntwo\nth", "[one,two]");
    client.write_all(b"ree\nfour\n").unwrap();
    assert_eq!(rest(&mut client), "");
    drop(client);
    assert_eq!(next(&told), frames(&["one", "two"]));
    assert_eq!(next(&told), Told::Closed(CloseReason::LocalClose));
}

#[test]
fn while_held_nothing_is_told_and_what_cannot_be_cut_waits() {
    let (held, is_held) = channel();
    let held = Mutex::new(held);
    let (server, mut client, told) = serve(Framing::line().max_frame(5), move |conn, _| {
        conn.hold().unwrap();
        held.lock().unwrap().send(conn.id()).unwrap();
        Action::None
    });
    client.write_all(b"one\ntwo\nmuch too long").unwrap();
    let conn = next(&is_held);
    assert_eq!(next(&told), frames(&["one", "two"]));
    // Were it not held, the connection would be closed by now.
    let _ = server.handle().write(conn, b"answer").unwrap();
    assert_eq!(String::from_utf8(read_exactly(&mut client, 6)).unwrap(), "answer");
    server.handle().release(conn).unwrap();
    assert_eq!(rest(&mut client), "");
    drop(client);
    assert_eq!(next(&told), Told::Closed(CloseReason::Protocol));
}

#[test]
fn the_rest_is_cut_by_what_a_list_has_set() {
    let (_server, mut client, told) = serve(Framing::fixed(8), |conn, frames| {
        let framing = match &*frames[0] {
            "no more," => None,
            _ => Some(Framing::line()),
        };
        conn.set_framing(framing).unwrap();
        answer(conn, frames)
    });
    // "ab" would not be a whole frame by the framing before.
    exchange(&mut client, b"8 bytes,16 bytesab\ncd", "[8 bytes,,16 bytes][ab]");
    exchange(&mut client, b"\nno more,\nraw", "[cd,no more,]");
    assert_eq!(next(&told), frames(&["8 bytes,", "16 bytes"]));
    assert_eq!(next(&told), frames(&["ab"]));
    assert_eq!(next(&told), frames(&["cd", "no more,"]));
    drop(client);
}

#[test]
fn what_has_no_framing_any_more_comes_as_it_is() {
    let (_server, mut client, told) = serve(Framing::line(), |conn, _| {
        conn.set_framing(None).unwrap();
        Action::None
    });
    client.write_all(b"one\ntwo\nrest").unwrap();
    assert_eq!(next(&told), frames(&["one", "two"]));
    assert_eq!(next(&told), Told::Raw("rest".into()));
    drop(client);
}

#[test]
fn what_is_detached_takes_the_rest_along() {
    let (_server, mut client, told) = serve(Framing::line(), |_, _| Action::Detach);
    client.write_all(b"one\ntwo\nrest").unwrap();
    assert_eq!(next(&told), frames(&["one", "two"]));
    assert_eq!(next(&told), Told::Detached("rest".into()));
    assert_eq!(rest(&mut client), "");
}

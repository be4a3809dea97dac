//! A log handled on its loop's own thread: what its records tell, and what answering them does (L4, L6, D2).

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::time::Duration;

use crate::away::handing_over;
use crate::common::{loops, read_exactly, tcp, PATIENCE};
use reactor_core::binding::log::{completion, Envelope, HandOver, Kind, Logged, Reader, Record};
use reactor_core::{
    Action, BoxError, CloseReason, Completed, ConnId, ConnOptions, Framing, Handle, ListenOptions, Server,
};

/// What a record told: its kind, its flags and its bytes, and how a connection closed.
#[derive(Debug, PartialEq)]
enum Told {
    Of(Kind),
    Data(u16, Vec<u8>),
    Closed(CloseReason),
}

fn told(hand_over: &HandOver, record: &Record) -> Told {
    match (record.range(), record.how_closed()) {
        (Some(range), _) => Told::Data(record.flags() & Record::FRAME, hand_over.bytes()[range].to_vec()),
        (None, Some(closed)) => Told::Closed(closed.reason),
        (None, None) => Told::Of(record.kind()),
    }
}

fn data(bytes: &[u8]) -> Told {
    Told::Data(0, bytes.to_vec())
}

/// Answers each record of a connection with what `answer` says: an action, and the bytes to keep.
struct InPlace<F> {
    answer: F,
    told: Mutex<Sender<Told>>,
    tick: Option<Duration>,
}

impl<F: Fn(&Handle, ConnId, &Told) -> (Action, usize) + Send + Sync + 'static> Reader for InPlace<F> {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn read(&self, server: &Handle, mut hand_over: HandOver) -> Option<HandOver> {
        for (place, record) in hand_over.records().to_vec().into_iter().enumerate() {
            let told = told(&hand_over, &record);
            if let Some(conn) = record.conn() {
                let (action, kept) = (self.answer)(server, conn, &told);
                hand_over.answer(place, action, kept);
            }
            // The test may have seen enough.
            let _ = self.told.lock().unwrap().send(told);
        }
        Some(hand_over)
    }

    fn on_stop(&self, _: &Handle) {}

    fn reads_in_place(&self) -> bool {
        true
    }

    fn tick(&self) -> Option<Duration> {
        self.tick
    }
}

fn serve(
    answer: impl Fn(&Handle, ConnId, &Told) -> (Action, usize) + Send + Sync + 'static,
) -> (Server, String, Receiver<Told>) {
    serve_with(&ConnOptions::default(), answer)
}

fn serve_with(
    options: &ConnOptions,
    answer: impl Fn(&Handle, ConnId, &Told) -> (Action, usize) + Send + Sync + 'static,
) -> (Server, String, Receiver<Told>) {
    let (sender, told) = channel();
    let reader = InPlace { answer, told: Mutex::new(sender), tick: None };
    let server = Server::delivering(Logged::new(reader), &loops(1)).unwrap();
    let listening = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), options).unwrap();
    server.start().unwrap();
    (server, listening.address, told)
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(PATIENCE).expect("nothing was told")
}

const NOTHING: (Action, usize) = (Action::None, 0);

#[test]
fn an_answer_in_place_counts_in_the_same_turn() {
    let (server, url, told) = serve(|server, conn, told| match told {
        Told::Data(_, bytes) => {
            let _ = server.write(conn, bytes).unwrap();
            (Action::Close, 0)
        }
        _ => NOTHING,
    });
    let mut stream = tcp(&url);
    stream.write_all(b"question").unwrap();
    assert_eq!(read_exactly(&mut stream, 8), b"question");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    drop(stream);
    let all: Vec<_> = (0..3).map(|_| next(&told)).collect();
    assert_eq!(all, [Told::Of(Kind::Open), data(b"question"), Told::Closed(CloseReason::LocalClose)]);
    server.handle().stop();
    server.wait().unwrap();
}

#[test]
fn bytes_that_an_answer_keeps_come_again_in_front_of_the_next() {
    // Whole words are taken; the rest waits for more.
    let (_server, url, told) = serve(|_, _, told| match told {
        Told::Data(_, bytes) => {
            (Action::None, bytes.len() - bytes.iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1))
        }
        _ => NOTHING,
    });
    let mut stream = tcp(&url);
    assert_eq!(next(&told), Told::Of(Kind::Open));
    for (sent, given) in [("on", "on"), ("e tw", "one tw"), ("o ", "two "), ("three", "three")] {
        stream.write_all(sent.as_bytes()).unwrap();
        assert_eq!(next(&told), data(given.as_bytes()));
    }
    drop(stream);
    assert_eq!(next(&told), Told::Closed(CloseReason::Eof));
}

#[test]
fn a_framing_cuts_what_an_answer_kept() {
    let (_server, url, told) = serve(|server, conn, told| match told {
        Told::Data(0, bytes) => {
            server.set_framing(conn, Some(Framing::fixed(3))).unwrap();
            (Action::None, bytes.len())
        }
        _ => NOTHING,
    });
    let mut stream = tcp(&url);
    assert_eq!(next(&told), Told::Of(Kind::Open));
    stream.write_all(b"abcdef").unwrap();
    assert_eq!(next(&told), data(b"abcdef"));
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"abc".to_vec()));
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"def".to_vec()));
}

#[test]
fn each_frame_has_a_record_of_its_own_of_which_nothing_is_kept() {
    let options = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
    let (_server, url, told) = serve_with(&options, |_, _, told| match told {
        Told::Data(_, bytes) => (Action::None, bytes.len()),
        _ => NOTHING,
    });
    let mut stream = tcp(&url);
    assert_eq!(next(&told), Told::Of(Kind::Open));
    stream.write_all(b"one\ntwo\nthr").unwrap();
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"one".to_vec()));
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"two".to_vec()));
    stream.write_all(b"ee\n").unwrap();
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"three".to_vec()));
}

/// Frames and what breaks the framing behind them, sent together: the frames are answered first.
fn a_fault_behind_frames(framing: Framing, sent: &[u8], ends: bool) {
    let options = ConnOptions { framing: Some(framing), ..ConnOptions::default() };
    let (_server, url, told) = serve_with(&options, |server, conn, told| match told {
        Told::Data(_, bytes) => {
            let _ = server.write(conn, bytes).unwrap();
            NOTHING
        }
        _ => NOTHING,
    });
    let mut stream = tcp(&url);
    assert_eq!(next(&told), Told::Of(Kind::Open));
    stream.write_all(sent).unwrap();
    if ends {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"onetwo");
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"one".to_vec()));
    assert_eq!(next(&told), Told::Data(Record::FRAME, b"two".to_vec()));
    assert_eq!(next(&told), Told::Closed(CloseReason::Protocol));
}

#[test]
fn a_malformed_frame_does_not_overtake_the_frames_before_it() {
    a_fault_behind_frames(Framing::line().max_frame(5), b"one\ntwo\nmuch too long\n", false);
}

#[test]
fn half_a_frame_at_the_end_does_not_overtake_the_frames_before_it() {
    a_fault_behind_frames(Framing::line(), b"one\ntwo\nthr", true);
}

#[test]
fn input_that_comes_in_several_reads_of_a_turn_is_one_record() {
    let (_server, url, told) = serve(|_, _, _| NOTHING);
    let mut stream = tcp(&url);
    assert_eq!(next(&told), Told::Of(Kind::Open));
    let block = crate::common::Random(5).bytes(3 << 20);
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        writer.write_all(&block).unwrap();
        block
    });
    let (mut received, mut longest) = (Vec::new(), 0);
    while received.len() < 3 << 20 {
        let Told::Data(0, bytes) = next(&told) else { panic!("no data") };
        longest = longest.max(bytes.len());
        received.extend(bytes);
    }
    assert!(received == sender.join().unwrap());
    assert!(longest > 64 << 10, "{longest} bytes: never more than one read");
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn an_end_of_file_and_a_wake_have_records() {
    let options = ConnOptions { half_open: true, ..ConnOptions::default() };
    let (_server, url, told) = serve_with(&options, |server, conn, told| match told {
        Told::Of(Kind::Open) => {
            server.wake(conn).unwrap();
            NOTHING
        }
        Told::Of(Kind::Eof) => {
            let _ = server.write(conn, b"more").unwrap();
            (Action::Close, 0)
        }
        _ => NOTHING,
    });
    let mut stream = tcp(&url);
    assert_eq!([next(&told), next(&told)], [Told::Of(Kind::Open), Told::Of(Kind::Wake)]);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(next(&told), Told::Of(Kind::Eof));
    assert_eq!(read_exactly(&mut stream, 4), b"more");
    assert_eq!(next(&told), Told::Closed(CloseReason::LocalClose));
}

#[test]
fn ticks_and_a_graceful_stop_have_records_of_the_server() {
    let (sender, told) = channel();
    let tick = Some(Duration::from_millis(1));
    let reader = InPlace { answer: |_: &Handle, _, _: &Told| NOTHING, told: Mutex::new(sender), tick };
    let server = Server::delivering(Logged::new(reader), &loops(1)).unwrap();
    server.start().unwrap();
    assert_eq!([next(&told), next(&told)], [Told::Of(Kind::Tick), Told::Of(Kind::Tick)]);
    server.handle().stop_gracefully(PATIENCE);
    server.wait().unwrap();
    assert!(told.try_iter().any(|told| told == Told::Of(Kind::Stopping)));
}

#[test]
fn a_completion_is_called_though_its_hand_over_is_answered_later() {
    let (done, completed) = channel();
    let done = Mutex::new(done);
    let (_server, url, _told) = serve(move |server, conn, told| {
        if let Told::Data(_, bytes) = told {
            let done = done.lock().unwrap().clone();
            let _ = server.write_then(conn, &[bytes], move |how| done.send(how).unwrap()).unwrap();
        }
        NOTHING
    });
    let mut stream = tcp(&url);
    stream.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&mut stream, 1), b"x");
    assert_eq!(completed.recv_timeout(PATIENCE), Ok(Completed::Sent));
}

/// A server of one loop that moves every hand-over to the test, listening with the query's options.
fn serve_away(query: &str) -> (Receiver<HandOver>, Server, String) {
    let (server, hand_overs) = handing_over(&loops(1));
    let url = server.listen(&format!("tcp://127.0.0.1:0{query}")).unwrap();
    server.start().unwrap();
    (hand_overs, server, url)
}

#[test]
fn input_is_answered_before_the_end_though_a_timer_was_due_meanwhile() {
    let (hand_overs, server, url) = serve_away("");
    let next = || {
        let hand_over = hand_overs.recv_timeout(PATIENCE).expect("nothing was handed over");
        let all: Vec<_> = hand_over.records().iter().map(|record| told(&hand_over, record)).collect();
        (hand_over, all)
    };
    // A wait that can only miss the failure.
    let settle = || std::thread::sleep(Duration::from_millis(100));
    let mut stream = tcp(&url);
    let (opened, all) = next();
    assert_eq!(all, [Told::Of(Kind::Open)]);
    let conn = opened.records()[0].conn().unwrap();
    drop(opened);
    stream.write_all(b"1").unwrap();
    let (first, all) = next();
    assert_eq!(all, [data(b"1")]);
    let start = |conn: &reactor_core::Conn<'_>| drop(conn.start_timer(Duration::ZERO, Duration::ZERO));
    let fired = server.handle().metrics().timers_fired;
    server.handle().run_on_conn(conn, start).unwrap();
    crate::common::eventually("the timer was due", || server.handle().metrics().timers_fired > fired);
    // The answer to the first lets the connection go, of which the second tells.
    drop(first);
    let (second, all) = next();
    assert_eq!(all[0], Told::Of(Kind::Timer));
    stream.write_all(b"2").unwrap();
    settle();
    drop(second);
    let (third, all) = next();
    assert_eq!(all, [data(b"2")]);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    settle();
    assert!(server.handle().write(conn, b"answer").is_ok(), "closed before its input was answered");
    drop(third);
    assert_eq!(read_exactly(&mut stream, 6), b"answer");
}

#[test]
fn an_idle_time_out_does_not_run_while_a_hand_over_is_unanswered() {
    let (hand_overs, server, url) = serve_away("?idle=100");
    let next = || hand_overs.recv_timeout(PATIENCE).expect("nothing was handed over");
    let mut stream = tcp(&url);
    drop(next());
    stream.write_all(b"question").unwrap();
    let question = next();
    let conn = question.records()[0].conn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert!(server.handle().write(conn, b"answer").is_ok(), "closed while the handler made an answer");
    drop(question);
    assert_eq!(read_exactly(&mut stream, 6), b"answer");
}

#[test]
fn a_reset_ends_a_connection_whose_hand_over_is_unanswered() {
    let (hand_overs, server, url) = serve_away("");
    let next = || hand_overs.recv_timeout(PATIENCE).expect("nothing was handed over");
    let mut stream = tcp(&url);
    drop(next());
    stream.write_all(b"question").unwrap();
    let question = next();
    let stream = socket2::Socket::from(stream);
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    crate::common::eventually("it has ended", || server.handle().connections() == 0);
    drop(question);
    let end = next();
    assert_eq!(told(&end, &end.records()[0]), Told::Closed(CloseReason::Reset));
}

/// A record: its kind, its bytes, and of a completion what it says.
type Seen = (Kind, Vec<u8>, Option<(u32, Completed)>);

/// Tells commands, completions and ends as the records have them.
struct Richer(Mutex<Sender<Seen>>);

impl Reader for Richer {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn read(&self, server: &Handle, hand_over: HandOver) -> Option<HandOver> {
        for record in hand_over.records() {
            let bytes = match record.kind() {
                Kind::Command | Kind::About => hand_over.bytes()[record.place()].to_vec(),
                _ => Vec::new(),
            };
            if record.kind() == Kind::Command {
                let conn = record.conn().unwrap();
                let _ = server.write_then(conn, &[b"+OK\r\n"], completion(conn, 7)).unwrap();
            }
            let _ = self.0.lock().unwrap().send((record.kind(), bytes, record.completed()));
        }
        Some(hand_over)
    }

    fn on_stop(&self, _: &Handle) {}

    fn takes_commands(&self) -> bool {
        true
    }

    fn takes_about(&self) -> bool {
        true
    }
}

#[test]
fn commands_completions_and_how_it_was_are_records_in_order() {
    let (sender, told) = channel();
    let server = Server::delivering(Logged::new(Richer(Mutex::new(sender))), &loops(1)).unwrap();
    let address = server.listen("tcp://127.0.0.1:0?framing=resp").unwrap();
    server.start().unwrap();
    let mut client = tcp(&address);
    let own = client.local_addr().unwrap();
    client.write_all(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n").unwrap();
    assert_eq!(read_exactly(&mut client, 5), b"+OK\r\n");
    drop(client);
    let mut all: Vec<Seen> = Vec::new();
    while all.last().is_none_or(|(kind, ..)| *kind != Kind::Close) {
        all.push(told.recv_timeout(PATIENCE).unwrap());
    }
    let kinds: Vec<_> = all.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [Kind::Open, Kind::Command, Kind::Completed, Kind::About, Kind::Close]);
    assert_eq!(all[1].1, b"\x03\0\0\0GET\0\0\0\0");
    assert_eq!(all[2].2, Some((7, Completed::Sent)));
    let about = String::from_utf8(all[3].1.clone()).unwrap();
    let lines: Vec<_> = about.split('\n').collect();
    assert_eq!((lines[0], lines[1], &lines[3..6]), ("1", "0", &["19", "5", "0"][..]));
    assert_eq!((lines[6], lines[7]), (&*own.to_string(), address.strip_prefix("tcp://").unwrap()));
    server.handle().stop();
    server.wait().unwrap();
}

#[test]
fn datagrams_are_records_and_an_endpoint_ends_when_they_were_answered() {
    let (server, handed_over) = handing_over(&loops(1));
    let url = server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let address: SocketAddr = url.strip_prefix("udp://").unwrap().parse().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"first", address).unwrap();
    let first: HandOver = handed_over.recv_timeout(PATIENCE).unwrap();
    client.send_to(b"second", address).unwrap();
    // It has begun, and waits for what was handed over, and for what is still to be.
    server.handle().stop_gracefully(PATIENCE);
    let answer = |hand_over: HandOver| {
        let kinds: Vec<_> = hand_over.records().iter().map(Record::kind).collect();
        let datagrams = hand_over.records().iter().filter(|record| record.kind() == Kind::Datagram);
        for record in datagrams {
            let (envelope, bytes) = hand_over.bytes()[record.place()].split_at(Envelope::LEN);
            let envelope = Envelope::from_bytes(envelope).unwrap();
            assert_eq!(envelope.sender, client.local_addr().unwrap());
            assert_eq!(envelope.destination, Some(address.ip()));
            let conn = record.conn().unwrap();
            let _ = server.handle().answer(conn, envelope.sender, envelope.source, bytes).unwrap();
        }
        kinds
    };
    assert_eq!(answer(first), [Kind::Datagram]);
    let mut buffer = [0; 10];
    assert_eq!(client.recv(&mut buffer).unwrap(), 5);
    let second = handed_over.recv_timeout(PATIENCE).unwrap();
    assert!(answer(second).contains(&Kind::Datagram));
    assert_eq!(client.recv(&mut buffer).unwrap(), 6);
    server.wait().unwrap();
}

/// Answers commands and datagrams in place; the first of these when it is told to.
struct AtOnce {
    begun: Mutex<Sender<()>>,
    may_go_on: Mutex<Option<Receiver<()>>>,
}

impl Reader for AtOnce {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn read(&self, server: &Handle, hand_over: HandOver) -> Option<HandOver> {
        for record in hand_over.records() {
            let bytes = &hand_over.bytes()[record.place()];
            match (record.kind(), record.conn()) {
                (Kind::Command, Some(conn)) => drop(server.write(conn, b"+OK\r\n").unwrap()),
                (Kind::Datagram, Some(conn)) => {
                    if let Some(may_go_on) = self.may_go_on.lock().unwrap().take() {
                        let _ = self.begun.lock().unwrap().send(());
                        let _ = may_go_on.recv_timeout(PATIENCE);
                    }
                    let (envelope, bytes) = bytes.split_at(Envelope::LEN);
                    let envelope = Envelope::from_bytes(envelope).unwrap();
                    let _ = server.answer(conn, envelope.sender, envelope.source, bytes).unwrap();
                }
                _ => {}
            }
        }
        Some(hand_over)
    }

    fn on_stop(&self, _: &Handle) {}

    fn reads_in_place(&self) -> bool {
        true
    }

    fn takes_commands(&self) -> bool {
        true
    }
}

fn answering_at_once() -> (Server, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (go_on, may_go_on) = channel();
    let reader = AtOnce { begun: Mutex::new(begun), may_go_on: Mutex::new(Some(may_go_on)) };
    (Server::delivering(Logged::new(reader), &loops(1)).unwrap(), has_begun, go_on)
}

#[test]
fn in_place_what_is_no_command_does_not_overtake_the_commands_before_it() {
    let (server, ..) = answering_at_once();
    let address = server.listen("tcp://127.0.0.1:0?framing=resp").unwrap();
    server.start().unwrap();
    let mut client = tcp(&address);
    client.write_all(b"PING\r\nPING\r\n*x").unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(
        String::from_utf8(all).unwrap(),
        "+OK\r\n+OK\r\n-ERR Protocol error: invalid multibulk length\r\n"
    );
    server.handle().stop();
    server.wait().unwrap();
}

#[test]
fn in_place_an_endpoint_ends_when_its_last_datagrams_were_answered() {
    let (server, has_begun, go_on) = answering_at_once();
    let url = server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(url.strip_prefix("udp://").unwrap()).unwrap();
    client.send(b"first").unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    client.send(b"second").unwrap();
    server.handle().stop_gracefully(PATIENCE);
    go_on.send(()).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(client.recv(&mut buffer).unwrap(), 5);
    assert_eq!(client.recv(&mut buffer).unwrap(), 6);
    server.wait().unwrap();
}

#[test]
fn input_behind_a_completion_waits_for_its_answer_as_well() {
    let (hand_overs, server, url) = serve_away("");
    let next = || hand_overs.recv_timeout(PATIENCE).expect("nothing was handed over");
    let all_of = |hand_over: &HandOver| -> Vec<_> {
        hand_over.records().iter().map(|record| told(hand_over, record)).collect()
    };
    // A whole turn lies between two functions that are run one after the other.
    let turn = || {
        for _ in 0..2 {
            let (sender, ran) = channel();
            server.handle().run_on(0, move |_| sender.send(()).unwrap()).unwrap();
            ran.recv_timeout(PATIENCE).unwrap();
        }
    };
    let mut stream = tcp(&url);
    let conn = next().records()[0].conn().unwrap();
    let _other = tcp(&url);
    let unanswered = next();
    let _ = server.handle().write_then(conn, &[b"x"], completion(conn, 1)).unwrap();
    assert_eq!(read_exactly(&mut stream, 1), b"x");
    turn();
    stream.write_all(b"1").unwrap();
    turn();
    stream.write_all(b"2").unwrap();
    turn();
    drop(unanswered);
    let second = next();
    assert_eq!(all_of(&second), [Told::Of(Kind::Completed), data(b"1")]);
    drop(second);
    assert_eq!(all_of(&next()), [data(b"2")]);
}

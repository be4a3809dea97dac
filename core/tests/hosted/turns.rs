//! A server without a thread of its own, driven by a host that polls one descriptor (B3).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::cell::RefCell;
use std::io::{ErrorKind as IoKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::hooks::Hooks;
use crate::common::net;
use crate::common::net::{address, next, Probe, Seen};
use crate::common::{loops, tcp, Echo, Random, PATIENCE};
use reactor_core::{
    Action, BoxError, CloseReason, ConnOptions, ConnectOptions, ErrorKind, Handle, Handler, Hosted,
    ListenOptions, Server,
};

/// Whether the descriptor is readable within a time.
fn readable(hosted: &Hosted, timeout: Duration) -> bool {
    let mut poll = libc::pollfd { fd: hosted.poll_fd(), events: libc::POLLIN, revents: 0 };
    let millis = i32::try_from(timeout.as_millis()).unwrap();
    // SAFETY: one pollfd, which outlives the call.
    let ready = unsafe { libc::poll(&mut poll, 1, millis) };
    assert!(ready >= 0);
    ready == 1
}

/// Polls and turns as a host does, never asking for more than what is there, until `done`.
fn drive(hosted: &mut Hosted, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "the descriptor is not readable, and there is more to do");
        if readable(hosted, Duration::from_millis(20)) {
            assert!(hosted.turn(Some(Duration::ZERO)).unwrap(), "it has ended");
        }
    }
}

/// Turns until there is nothing to do, which is soon so.
fn come_to_rest(hosted: &mut Hosted) {
    for _ in 0..10_000 {
        if !readable(hosted, Duration::ZERO) {
            return;
        }
        assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    }
    panic!("always readable: a host would spin");
}

/// A server that has had its first turn, and its address.
fn hosted(handler: impl Handler) -> (Server, Hosted, String) {
    let server = Server::new(handler, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    (server, hosted, url)
}

fn seen_all(seen: &Receiver<Seen>) -> Vec<Seen> {
    seen.try_iter().collect()
}

#[test]
fn the_first_turn_starts_and_an_idle_server_is_not_readable() {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    assert!(seen_all(&seen).is_empty());
    assert!(readable(&hosted, Duration::ZERO), "on_start is owed");
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    assert_eq!(seen_all(&seen), [Seen::Start]);
    come_to_rest(&mut hosted);
    assert!(!readable(&hosted, Duration::from_millis(100)));
    assert_eq!(server.wait().unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(server.start_hosted().unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(server.run().unwrap_err().kind(), ErrorKind::WrongState);
}

#[test]
fn it_is_readable_whenever_there_is_data_however_much() {
    let (_server, mut hosted, url) = hosted(Echo);
    let client = thread::spawn(move || {
        for seed in 1..6 {
            let block = Random(seed).bytes(1_500_000);
            let mut stream = tcp(&url);
            let mut reader = stream.try_clone().unwrap();
            let sent = block.clone();
            let writing = thread::spawn(move || {
                stream.write_all(&sent).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).unwrap();
            writing.join().unwrap();
            assert!(answer == block);
        }
    });
    drive(&mut hosted, || client.is_finished());
    client.join().unwrap();
    come_to_rest(&mut hosted);
}

/// What the read budget leaves over is no event of the poller's: only the engine knows of it.
#[test]
fn it_is_readable_while_work_is_postponed() {
    let (probe, seen) = Probe::new();
    let mut config = loops(1);
    config.read_budget = 1000;
    let server = Server::new(probe, &config).unwrap();
    let path = net::socket_path("postponed");
    server.listen(&format!("unix://{path}")).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    loop {
        match stream.write(&[7; 65_536]) {
            Ok(written) => sent += written,
            Err(error) => {
                assert_eq!(error.kind(), IoKind::WouldBlock);
                break;
            }
        }
    }
    assert!(sent > 65_536, "more than one read takes");
    let mut got = 0;
    drive(&mut hosted, || {
        got += seen_all(&seen)
            .iter()
            .map(|seen| if let Seen::Data(_, bytes, _) = seen { bytes.len() } else { 0 })
            .sum::<usize>();
        got == sent
    });
    come_to_rest(&mut hosted);
}

#[test]
fn it_is_readable_when_a_timer_is_due_and_not_before() {
    let (server, mut hosted, _) = hosted(Echo);
    let (sender, fired) = channel();
    let start = move |server: &Handle| {
        for millis in [60, 20, 40] {
            let sender = sender.clone();
            let call = move |_: &Handle| sender.send((millis, Instant::now())).unwrap();
            server.start_timer(Duration::from_millis(millis), Duration::ZERO, call).unwrap();
        }
    };
    let began = Instant::now();
    server.handle().run_on(0, start).unwrap();
    let mut got = Vec::new();
    drive(&mut hosted, || {
        got.extend(fired.try_iter());
        got.len() == 3
    });
    let order: Vec<u64> = got.iter().map(|(millis, _)| *millis).collect();
    assert_eq!(order, [20, 40, 60]);
    for (millis, at) in got {
        assert!(at.duration_since(began) >= Duration::from_millis(millis), "{millis} ms came early");
    }
    come_to_rest(&mut hosted);
    assert!(!readable(&hosted, Duration::from_millis(50)));
}

/// Ticks ask for a time; so does accepting, after it has failed.
#[test]
fn it_is_readable_for_ticks() {
    struct Ticks(Arc<AtomicUsize>);
    impl Handler for Ticks {
        fn on_tick(&self, _: &Handle) -> Option<Duration> {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            (count < 9).then_some(Duration::from_millis(2))
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    let (_server, mut hosted, _) = hosted(Ticks(Arc::clone(&count)));
    drive(&mut hosted, || count.load(Ordering::SeqCst) == 10);
    come_to_rest(&mut hosted);
}

#[test]
fn calls_from_other_threads_and_between_turns_make_it_readable() {
    let (probe, seen) = Probe::new();
    let (server, mut hosted, url) = hosted(probe);
    let mut stream = tcp(&url);
    let mut id = None;
    drive(&mut hosted, || {
        id = id.or(seen_all(&seen)
            .iter()
            .find_map(|seen| if let Seen::Open(id) = seen { Some(*id) } else { None }));
        id.is_some()
    });
    let id = id.unwrap();
    let mut answer = [0; 6];
    for round in 0..50 {
        come_to_rest(&mut hosted);
        let handle = server.handle().clone();
        let write = move || assert!(handle.write(id, b"hello!").is_ok());
        match round % 2 {
            0 => thread::spawn(write).join().unwrap(),
            _ => write(),
        }
        assert!(readable(&hosted, Duration::ZERO), "round {round}");
        assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello!");
    }
    come_to_rest(&mut hosted);
    server.handle().listen("tcp://127.0.0.1:0", &ListenOptions::default(), &ConnOptions::default()).unwrap();
    assert!(readable(&hosted, Duration::ZERO), "a listener is to be placed");
    come_to_rest(&mut hosted);
    let added = server.handle().addresses()[1].clone();
    let mut other = tcp(&added);
    other.write_all(b"served").unwrap();
    drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Data(..))));
}

#[test]
fn a_turn_that_waits_is_ended_by_a_stop_from_elsewhere() {
    let (probe, seen) = Probe::new();
    let (server, mut hosted, url) = hosted(probe);
    let mut stream = tcp(&url);
    drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Open(_))));
    let handle = server.handle().clone();
    let stopping = thread::spawn(move || handle.stop());
    while hosted.turn(None).unwrap() {}
    stopping.join().unwrap();
    let ended = seen_all(&seen);
    assert!(
        matches!(ended[..], [Seen::Close(_, how), Seen::Stop] if how.reason == CloseReason::Shutdown),
        "{ended:?}"
    );
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(!hosted.turn(Some(Duration::ZERO)).unwrap(), "and from then on");
    assert!(!hosted.turn(None).unwrap());
    assert!(seen_all(&seen).is_empty());
    assert!(TcpStream::connect(address(&url)).is_err());
}

#[test]
fn a_stop_between_turns_makes_it_readable() {
    for graceful in [false, true] {
        let (probe, seen) = Probe::new();
        let (server, mut hosted, _) = hosted(probe);
        come_to_rest(&mut hosted);
        seen_all(&seen);
        match graceful {
            true => server.handle().stop_gracefully(PATIENCE),
            false => server.handle().stop(),
        }
        let limit = Instant::now() + PATIENCE;
        loop {
            assert!(readable(&hosted, Duration::from_millis(500)) && Instant::now() < limit);
            if !hosted.turn(Some(Duration::ZERO)).unwrap() {
                break;
            }
        }
        let expected = if graceful { vec![Seen::Stopping, Seen::Stop] } else { vec![Seen::Stop] };
        assert_eq!(seen_all(&seen), expected);
    }
}

#[test]
fn a_graceful_stop_s_deadline_makes_it_readable() {
    let (probe, seen) = Probe::new();
    let (server, mut hosted, url) = hosted(probe);
    let _stream = tcp(&url);
    drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Open(_))));
    server.handle().stop_gracefully(Duration::from_millis(50));
    let limit = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < limit, "the deadline never came");
        if readable(&hosted, Duration::from_millis(10)) && !hosted.turn(Some(Duration::ZERO)).unwrap() {
            break;
        }
    }
    let ended = seen_all(&seen);
    assert!(matches!(ended[..], [Seen::Stopping, Seen::Close(..), Seen::Stop]), "{ended:?}");
}

#[test]
fn on_start_can_refuse_and_fail_in_the_first_turn() {
    type Start = fn(&Handle) -> Result<Action, BoxError>;
    let cases: [(Start, ErrorKind); 4] = [
        (|_| Ok(Action::Stop), ErrorKind::Stopped),
        (|_| Err("no licence".into()), ErrorKind::HandlerFailed),
        (|_| panic!("no luck"), ErrorKind::HandlerFailed),
        (
            |server| {
                server.stop();
                Ok(Action::None)
            },
            ErrorKind::Stopped,
        ),
    ];
    for (start, kind) in cases {
        let (probe, seen) = Probe::new();
        let server = Server::new(probe.start(start), &loops(1)).unwrap();
        let url = server.listen("tcp://127.0.0.1:0").unwrap();
        let mut hosted = server.start_hosted().unwrap();
        assert!(readable(&hosted, Duration::ZERO));
        assert_eq!(hosted.turn(Some(Duration::ZERO)).unwrap_err().kind(), kind);
        assert!(!hosted.turn(Some(Duration::ZERO)).unwrap());
        assert_eq!(seen_all(&seen), [Seen::Start], "there is no on_stop");
        assert!(TcpStream::connect(address(&url)).is_err());
    }
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    let mut hosted = server.start_hosted().unwrap();
    server.handle().stop();
    assert_eq!(hosted.turn(None).unwrap_err().kind(), ErrorKind::Stopped);
    assert!(seen_all(&seen).is_empty());
}

#[test]
fn more_than_one_loop_cannot_be_hosted() {
    let server = Server::new(Echo, &loops(2)).unwrap();
    assert_eq!(server.start_hosted().unwrap_err().kind(), ErrorKind::InvalidArgument);
    server.start().unwrap();
}

#[test]
fn dropping_it_stops_the_server_whoever_goes_first() {
    for server_first in [false, true] {
        let (probe, seen) = Probe::new();
        let (server, mut hosted, url) = hosted(probe);
        let mut stream = tcp(&url);
        drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Open(_))));
        let handle = server.handle().clone();
        if server_first {
            drop(server);
            stream.write_all(b"still served").unwrap();
            drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Data(..))));
            drop(hosted);
        } else {
            drop(hosted);
            drop(server);
        }
        let ended = seen_all(&seen);
        assert!(matches!(ended[..], [Seen::Close(..), Seen::Stop]), "{ended:?}");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        assert!(TcpStream::connect(address(&url)).is_err());
        assert!(handle.is_stopping());
        assert_eq!(handle.run_on(0, |_| {}).unwrap_err().kind(), ErrorKind::WrongState);
    }
    // Without a turn there was no start, and so there is no stop.
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    drop(server.start_hosted().unwrap());
    assert!(seen_all(&seen).is_empty());
    assert!(TcpStream::connect(address(&url)).is_err());
}

#[test]
fn two_on_one_thread_talk_to_each_other() {
    let (echo_server, mut echo, url) = hosted(Echo);
    let (probe, seen) = Probe::new();
    let (server, mut client, _) = hosted(probe);
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let block = Random(3).bytes(500_000);
    let _ = server.handle().write(id, &block).unwrap();
    let mut answer = Vec::new();
    let limit = Instant::now() + PATIENCE;
    while answer.len() < block.len() {
        assert!(Instant::now() < limit, "they are stuck");
        for hosted in [&mut echo, &mut client] {
            if readable(hosted, Duration::ZERO) {
                assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
            }
        }
        for event in seen_all(&seen) {
            if let Seen::Data(_, bytes, _) = event {
                answer.extend(bytes);
            }
        }
    }
    assert!(answer == block);
    assert_eq!(echo_server.handle().metrics().accepted, 1);
}

thread_local! {
    static INNER: RefCell<Option<Hosted>> = const { RefCell::new(None) };
}

#[test]
fn one_can_be_turned_inside_a_callback_of_another() {
    let (inner_probe, inner_seen) = Probe::new();
    let (inner_server, inner, inner_url) = hosted(inner_probe);
    INNER.set(Some(inner));
    let inner_stream = tcp(&inner_url);
    let handle = inner_server.handle().clone();
    let (probe, seen) = Probe::new();
    let probe = probe.data(move |conn, data| {
        assert_eq!(handle.current_loop(), None);
        INNER.with_borrow_mut(|inner| assert!(inner.as_mut().unwrap().turn(Some(Duration::ZERO)).unwrap()));
        // Back on its own loop: the connection's calls work as before.
        assert_eq!(conn.server().current_loop(), Some(0));
        let _ = conn.write(data).unwrap();
        let _ = conn.start_timer(Duration::from_millis(1), Duration::ZERO).unwrap();
        Action::None
    });
    let (_server, mut outer, url) = hosted(probe);
    let mut stream = tcp(&url);
    stream.write_all(b"hello").unwrap();
    drive(&mut outer, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Timer(_))));
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    assert!(matches!(next(&inner_seen), Seen::Open(_)));
    assert_eq!(inner_server.handle().connections(), 1);
    drop(inner_stream);
    INNER.set(None);
}

#[test]
fn a_listener_and_datagrams_and_names_work_as_well() {
    let (probe, seen) = Probe::new();
    let probe = probe.data(|conn, data| {
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    let udp = server.listen("udp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    assert!(hosted.turn(None).unwrap());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"datagram", address(&udp)).unwrap();
    drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Data(..))));
    let mut answer = [0; 20];
    assert_eq!(socket.recv(&mut answer).unwrap(), 8);
    server.handle().connect("tcp://nobody.invalid:1", ConnectOptions::default()).unwrap();
    drive(&mut hosted, || seen_all(&seen).iter().any(|seen| matches!(seen, Seen::Close(..))));
    come_to_rest(&mut hosted);
}

#[test]
fn a_host_that_only_polls_serves_many_clients() {
    let (_server, mut hosted, url) = hosted(Echo);
    thread::scope(|scope| {
        let clients: Vec<_> = (1..=8)
            .map(|seed| {
                let url = &url;
                scope.spawn(move || {
                    let mut random = Random(seed);
                    for _ in 0..30 {
                        let mut stream = tcp(url);
                        for _ in 0..5 {
                            let len = 1 + random.below(3000);
                            let block = random.bytes(len);
                            stream.write_all(&block).unwrap();
                            assert!(common::read_exactly(&mut stream, block.len()) == block);
                        }
                    }
                })
            })
            .collect();
        drive(&mut hosted, || clients.iter().all(|client| client.is_finished()));
    });
    come_to_rest(&mut hosted);
}

#[test]
fn a_turn_ends_though_one_peer_takes_all_that_it_is_sent() {
    const MUCH: usize = 40 << 20;
    let hooks = Hooks::new().open(|conn| {
        let _ = conn.write(&vec![7; MUCH]).unwrap();
        Action::None
    });
    let server = Server::new(hooks, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0?sndbuf=65536").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let mut stream = tcp(&url);
    let reader = thread::spawn(move || common::read_exactly(&mut stream, MUCH).iter().all(|byte| *byte == 7));
    let (mut before, mut most) = (0, 0);
    drive(&mut hosted, || {
        let writes = server.handle().metrics().writes;
        most = most.max(writes - std::mem::replace(&mut before, writes));
        reader.is_finished()
    });
    assert!(reader.join().unwrap());
    // The first of them leaves inside the callback.
    assert!(most <= 9, "{most} sends in one turn");
}

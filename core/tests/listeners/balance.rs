//! How connections are dealt to loops, and that one slow loop holds up nobody else (B1, B2).

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Barrier};

use crate::common;
use crate::common::net;
use crate::common::net::{address, opened, Probe, Seen};
use crate::common::{eventually, read_exactly, tcp, PATIENCE};
use reactor_core::{Action, Balance, Config, Server};

fn config(balance: Balance, loops: usize) -> Config {
    let mut config = common::loops(loops);
    config.balance = balance;
    config
}

fn serve(config: &Config) -> (Server, String, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let (server, url) = common::serve(probe, config);
    (server, url, seen)
}

/// Connects from an address of 127.0.0.0/8.
fn from(client: [u8; 4], url: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&address(url).into()).unwrap();
    socket.into()
}

/// The loops' numbers of open connections.
fn open(server: &Server) -> Vec<u64> {
    let loops = 0..server.handle().loops();
    loops.map(|index| server.handle().loop_metrics(index).unwrap().connections).collect()
}

/// Waits until so many have opened.
fn all_open(seen: &Receiver<Seen>, count: usize) {
    for _ in 0..count {
        opened(seen);
    }
}

fn on_loop(server: &Server, seen: &Receiver<Seen>) -> usize {
    server.handle().info(opened(seen)).unwrap().on_loop
}

#[test]
fn round_robin_deals_nine_connections_three_two_two_two() {
    let (server, url, seen) = serve(&config(Balance::RoundRobin, 4));
    let mut streams = Vec::new();
    let on: Vec<usize> = (0..9)
        .map(|_| {
            streams.push(tcp(&url));
            on_loop(&server, &seen)
        })
        .collect();
    assert_eq!(on, [0, 1, 2, 3, 0, 1, 2, 3, 0]);
    assert_eq!(open(&server), [3, 2, 2, 2]);
}

#[test]
fn round_robin_deals_a_burst_evenly() {
    let (server, url, seen) = serve(&config(Balance::RoundRobin, 4));
    let streams: Vec<TcpStream> = (0..400).map(|_| tcp(&url)).collect();
    all_open(&seen, 400);
    assert_eq!(open(&server), [100; 4]);
    drop(streams);
}

#[test]
fn least_connections_evens_out_after_closes() {
    let (server, url, seen) = serve(&config(Balance::LeastConnections, 3));
    let mut streams: Vec<(usize, TcpStream)> = (0..12)
        .map(|_| {
            let stream = tcp(&url);
            (on_loop(&server, &seen), stream)
        })
        .collect();
    assert_eq!(open(&server), [4; 3]);
    streams.retain(|(on, _)| *on != 1);
    eventually("they are closed", || open(&server) == [4, 0, 4]);
    for _ in 0..4 {
        assert!(matches!(net::next(&seen), Seen::Close(..)));
    }
    for _ in 0..7 {
        let stream = tcp(&url);
        streams.push((on_loop(&server, &seen), stream));
    }
    assert_eq!(open(&server), [5; 3]);
}

#[test]
fn a_client_s_address_decides_its_loop() {
    let (server, url, seen) = serve(&config(Balance::SourceHash, 4));
    let mut met = BTreeSet::new();
    for client in 1..=32 {
        let on: BTreeSet<usize> = (0..3)
            .map(|_| {
                let stream = from([127, 0, 9, client], &url);
                let on = on_loop(&server, &seen);
                drop(stream);
                assert!(matches!(net::next(&seen), Seen::Close(..)));
                on
            })
            .collect();
        assert_eq!(on.len(), 1, "127.0.9.{client} met the loops {on:?}");
        met.extend(on);
    }
    assert_eq!(met.len(), 4);
}

#[test]
fn random_and_reuseport_reach_every_loop() {
    for balance in [Balance::Random, Balance::ReusePort] {
        let (server, url, seen) = serve(&config(balance, 3));
        let _streams: Vec<TcpStream> = (0..300).map(|_| tcp(&url)).collect();
        all_open(&seen, 300);
        let open = open(&server);
        assert!(open.iter().all(|&count| count > 40), "{balance:?}: {open:?}");
        assert_eq!(open.iter().sum::<u64>(), 300);
    }
}

#[test]
fn with_reuseport_unix_sockets_and_datagrams_work_as_well() {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &config(Balance::ReusePort, 3)).unwrap();
    let path = net::socket_path("reuseport");
    server.listen(&format!("unix://{path}")).unwrap();
    server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let _streams: Vec<_> = (0..9).map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap()).collect();
    all_open(&seen, 9);
    assert_eq!(open(&server), [3; 3]);
    assert_eq!(server.handle().endpoints(server.handle().listeners()[1].id).len(), 3);
}

/// With several loops, a callback that never returns holds its own loop only.
#[test]
fn a_blocked_callback_never_stops_accepting() {
    let gate = Arc::new(Barrier::new(2));
    let (probe, seen) = Probe::new();
    let blocked = Arc::clone(&gate);
    let probe = probe.data(move |conn, data| {
        if data == b"block" {
            blocked.wait();
        }
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let (server, url) = common::serve(probe, &config(Balance::RoundRobin, 3));
    let mut first = tcp(&url);
    let slow = on_loop(&server, &seen);
    first.write_all(b"block").unwrap();
    assert!(matches!(net::next(&seen), Seen::Data(..)));
    let mut streams: Vec<TcpStream> = (0..30).map(|_| tcp(&url)).collect();
    // Twenty of them are on the other loops, and are served.
    for _ in 0..20 {
        assert_ne!(on_loop(&server, &seen), slow);
    }
    for (index, stream) in streams.iter_mut().enumerate().filter(|(index, _)| (index + 1) % 3 != slow) {
        stream.write_all(&[index as u8]).unwrap();
        assert_eq!(read_exactly(stream, 1), [index as u8]);
    }
    assert_eq!(server.handle().metrics().accepted, 21);
    gate.wait();
    assert_eq!(read_exactly(&mut first, 5), b"block");
    eventually("the others come in, too", || server.handle().metrics().accepted == 31);
}

/// No thundering herd, and hand-overs are batched: a burst wakes each loop once.
#[test]
fn a_burst_of_a_thousand_wakes_a_loop_once_a_turn_at_most() {
    let (server, url, seen) = serve(&config(Balance::RoundRobin, 2));
    let handle = server.handle();
    let _streams: Vec<TcpStream> = (0..1000).map(|_| tcp(&url)).collect();
    all_open(&seen, 1000);
    for index in 0..2 {
        let metrics = handle.loop_metrics(index).unwrap();
        assert_eq!(metrics.accepted, 500);
        assert!(metrics.wakeups <= metrics.turns, "{} wake-ups, {} turns", metrics.wakeups, metrics.turns);
    }
    // One connection at a time wakes the thread that accepts, and one loop.
    let before: Vec<u64> = (0..2).map(|index| handle.loop_metrics(index).unwrap().wakeups).collect();
    for _ in 0..10 {
        let stream = tcp(&url);
        opened(&seen);
        drop(stream);
        assert!(matches!(net::next(&seen), Seen::Close(..)));
    }
    let woken: u64 = (0..2).map(|index| handle.loop_metrics(index).unwrap().wakeups - before[index]).sum();
    assert!(woken <= 10, "{woken} wake-ups for ten connections");
}

#[test]
fn loops_can_be_pinned_to_processors() {
    let mut config = config(Balance::RoundRobin, 2);
    config.pin = true;
    let (probe, _seen) = Probe::new();
    let server = Server::new(probe, &config).unwrap();
    server.start().unwrap();
    let (sender, sets) = std::sync::mpsc::channel();
    for index in 0..2 {
        let sender = sender.clone();
        let tell = move |_: &reactor_core::Handle| {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            let set = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
            sender.send((index, name.trim().to_owned(), set.trim().to_owned())).unwrap();
        };
        server.handle().run_on(index, tell).unwrap();
    }
    let mut told = [sets.recv_timeout(PATIENCE).unwrap(), sets.recv_timeout(PATIENCE).unwrap()];
    told.sort();
    for (index, name, set) in &told {
        assert_eq!(name, &format!("reactor-{index}"));
        assert!(set.parse::<usize>().is_ok(), "{set:?} is not one processor");
    }
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(told[0].2 == told[1].2, processors == 1);
}

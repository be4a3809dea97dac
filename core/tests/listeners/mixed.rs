//! Many listeners on one server: mixed kinds, added and closed while it runs (A1, A2, A4, A5).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common;
use crate::common::net::{address, next, opened, socket_path, Probe, Seen};
use crate::common::{eventually, loops, read_exactly, tcp, Echo, PATIENCE};
use reactor_core::{
    Action, ConnOptions, ErrorKind, Framing, Handle, ListenOptions, ListenerId, Listening, Server,
};

fn listen(server: &Handle, url: &str) -> Listening {
    server.listen(url, &ListenOptions::default(), &ConnOptions::default()).unwrap()
}

fn echoes(stream: &mut (impl Read + Write), bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    assert_eq!(read_exactly(stream, bytes.len()), bytes);
}

#[test]
fn mixed_kinds_serve_together_and_each_connection_knows_its_listener() {
    for count in [1, 3] {
        let (probe, seen) = Probe::new();
        let probe = probe.data(|conn, data| {
            let _ = conn.write(data).unwrap();
            Action::None
        });
        let server = Server::new(probe, &loops(count)).unwrap();
        let handle = server.handle().clone();
        let path = socket_path("mixed");
        let four = listen(&handle, "tcp4://127.0.0.1:0");
        let unix = listen(&handle, &format!("unix://{path}"));
        let udp = listen(&handle, "udp://127.0.0.1:0");
        server.start().unwrap();
        let six = listen(&handle, "tcp6://[::1]:0");
        let name = listen(&handle, &format!("unix://@reactor-mixed-{}", std::process::id()));
        let numbers: Vec<u32> = handle.listeners().iter().map(|listening| listening.id.to_u32()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        assert_eq!(handle.addresses()[0], four.address);

        let expect = |id: ListenerId, stream: &mut dyn Stream| {
            let conn = opened(&seen);
            assert_eq!(handle.info(conn).unwrap().listener, Some(id));
            stream.ping();
            assert_eq!(next(&seen), Seen::Data(conn, b"ping".to_vec(), None));
            conn
        };
        expect(four.id, &mut TcpStream::connect(address(&four.address)).unwrap());
        assert!(matches!(next(&seen), Seen::Close(..)));
        expect(six.id, &mut TcpStream::connect(address(&six.address)).unwrap());
        assert!(matches!(next(&seen), Seen::Close(..)));
        let mut stream = UnixStream::connect(&path).unwrap();
        let conn = expect(unix.id, &mut stream);
        let pid = handle.peer_credentials(conn).unwrap().pid;
        assert_eq!(pid, i32::try_from(std::process::id()).ok());
        drop(stream);
        assert!(matches!(next(&seen), Seen::Close(..)));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"ping", address(&udp.address)).unwrap();
        let Seen::Data(id, bytes, Some(_)) = next(&seen) else { panic!("no datagram") };
        assert_eq!((handle.info(id).unwrap().listener, &bytes[..]), (Some(udp.id), &b"ping"[..]));
        let abstract_name = name.address.trim_start_matches("unix://").replace('@', "\0");
        let abstract_name = socket2::SockAddr::unix(abstract_name).unwrap();
        let mut socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.connect(&abstract_name).unwrap();
        expect(name.id, &mut socket);
        drop(server);
        assert!(!Path::new(&path).exists(), "the path is removed at the stop");
    }
}

trait Stream {
    fn ping(&mut self);
}

impl<S: Read + Write> Stream for S {
    fn ping(&mut self) {
        echoes(self, b"ping");
    }
}

#[test]
fn dual_stack_is_the_default_without_a_host() {
    let server = Server::new(Echo, &loops(1)).unwrap();
    let port = address(&server.listen(":0").unwrap()).port();
    server.start().unwrap();
    echoes(&mut TcpStream::connect(("127.0.0.1", port)).unwrap(), b"four");
    echoes(&mut TcpStream::connect(("::1", port)).unwrap(), b"six");
}

#[test]
fn listeners_come_and_go_under_load() {
    for count in [1, 3] {
        let (server, url) = common::serve(Echo, &loops(count));
        let over = AtomicBool::new(false);
        let served = AtomicUsize::new(0);
        let handle = server.handle();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        echoes(&mut tcp(&url), b"steady");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for round in 0..50_u8 {
                let added = listen(handle, "tcp://127.0.0.1:0");
                let mut kept = tcp(&added.address);
                echoes(&mut kept, &[round; 10]);
                handle.close_listener(added.id).unwrap();
                // Refused when it has returned; connections go on.
                assert!(TcpStream::connect(address(&added.address)).is_err(), "round {round}");
                echoes(&mut kept, &[round; 1000]);
                drop(TcpListener::bind(address(&added.address)).expect("the port is free"));
                // A path, too.
                let path = socket_path(&format!("load-{count}"));
                let added = listen(handle, &format!("unix://{path}"));
                let mut kept = UnixStream::connect(&path).unwrap();
                echoes(&mut kept, &[round; 10]);
                handle.close_listener(added.id).unwrap();
                assert!(!Path::new(&path).exists());
                echoes(&mut kept, &[round; 1000]);
            }
            eventually("the load was served all the while", || served.load(Ordering::Relaxed) > 50);
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!(handle.listeners().len(), 1);
        eventually("connections end", || handle.connections() == 0);
    }
}

#[test]
fn a_closed_sharded_listener_is_refused_everywhere() {
    let (server, _) = common::serve(Echo, &loops(3));
    let handle = server.handle();
    let options = ListenOptions { reuseport: Some(true), ..Default::default() };
    let added = handle.listen("tcp://127.0.0.1:0", &options, &ConnOptions::default()).unwrap();
    let mut streams: Vec<TcpStream> = (0..20).map(|_| tcp(&added.address)).collect();
    streams.iter_mut().for_each(|stream| echoes(stream, b"open"));
    handle.close_listener(added.id).unwrap();
    for _ in 0..20 {
        assert!(TcpStream::connect(address(&added.address)).is_err());
    }
    streams.iter_mut().for_each(|stream| echoes(stream, b"still open"));
    drop(TcpListener::bind(address(&added.address)).unwrap());
}

#[test]
fn a_listener_can_be_closed_by_the_callback_of_its_own_connection() {
    for count in [1, 2] {
        let (probe, seen) = Probe::new();
        let probe = probe.open(|conn| {
            let listener = conn.info().unwrap().listener.unwrap();
            match conn.server().close_listener(listener) {
                Ok(()) => Action::None,
                // Another connection was quicker.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                    Action::None
                }
            }
        });
        let probe = probe.data(|conn, data| {
            let _ = conn.write(data).unwrap();
            Action::None
        });
        let server = Server::new(probe, &loops(count)).unwrap();
        let url = server.listen("tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        let mut stream = tcp(&url);
        opened(&seen);
        echoes(&mut stream, b"the only one");
        assert!(TcpStream::connect(address(&url)).is_err());
        // Another can take its place from there.
        server.listen(&url).unwrap();
        echoes(&mut tcp(&url), b"again");
    }
}

#[test]
fn options_of_each_listener_hold_for_its_connections_alone() {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(2)).unwrap();
    let framed = ConnOptions { framing: Some(Framing::line()), ..Default::default() };
    let lines = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &framed).unwrap();
    let raw = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let mut stream = tcp(&lines.address);
    let id = opened(&seen);
    stream.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(next(&seen), Seen::Data(id, b"one".to_vec(), None));
    assert_eq!(next(&seen), Seen::Data(id, b"two".to_vec(), None));
    let mut stream = tcp(&raw);
    let id = opened(&seen);
    stream.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(next(&seen), Seen::Data(id, b"one\ntwo\n".to_vec(), None));
}

#[test]
fn a_taken_address_is_an_error_and_leaves_the_server_as_it_was() {
    let (server, url) = common::serve(Echo, &loops(2));
    for _ in 0..10 {
        let error = server.listen(&url).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::AddressInUse, Some(libc::EADDRINUSE)));
        assert!(error.message().contains(&url), "{error}");
    }
    assert_eq!(server.handle().listeners().len(), 1);
    let other = server.listen("tcp://127.0.0.1:0").unwrap();
    echoes(&mut tcp(&other), b"hello");
    echoes(&mut tcp(&url), b"hello");
}

#[test]
fn two_servers_share_a_port_and_one_goes_on_when_the_other_stops() {
    let first = Server::new(Echo, &loops(1)).unwrap();
    let url = first.listen("tcp://127.0.0.1:0?reuseport=true").unwrap();
    first.start().unwrap();
    let second = Server::new(Echo, &loops(2)).unwrap();
    second.listen(&format!("{url}?reuseport=true")).unwrap();
    second.start().unwrap();
    let many = || (0..100).for_each(|_| echoes(&mut tcp(&url), b"either"));
    many();
    let accepted = [&first, &second].map(|server| server.handle().metrics().accepted);
    assert!(accepted.iter().all(|&count| count > 10) && accepted.iter().sum::<u64>() == 100, "{accepted:?}");
    first.handle().stop();
    first.wait().unwrap();
    many();
    assert_eq!(second.handle().metrics().accepted, accepted[1] + 100);
}

#[test]
fn those_who_connected_before_a_graceful_stop_are_served() {
    for count in [1, 3] {
        let (probe, seen) = Probe::new();
        let probe = probe.data(|conn, data| {
            let _ = conn.write(data).unwrap();
            Action::None
        });
        // The first connection holds its loop while the others connect.
        let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
        let held = std::sync::Arc::clone(&gate);
        let first = AtomicBool::new(true);
        let probe = probe.open(move |_| {
            if first.swap(false, Ordering::SeqCst) {
                held.wait();
                held.wait();
            }
            Action::None
        });
        let server = Server::new(probe, &loops(count)).unwrap();
        let url = server.listen("tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        let mut streams = vec![tcp(&url)];
        gate.wait();
        streams.extend((0..20).map(|_| tcp(&url)));
        server.handle().stop_gracefully(PATIENCE);
        gate.wait();
        for stream in &mut streams {
            echoes(stream, b"served");
        }
        drop(streams);
        server.wait().unwrap();
        let opens = seen.try_iter().filter(|seen| matches!(seen, Seen::Open(_))).count();
        assert_eq!(opens, 21);
    }
}

#[test]
fn a_server_that_is_dropped_unstarted_leaves_nothing() {
    let path = socket_path("unstarted");
    let server = Server::new(Echo, &loops(2)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.listen(&format!("unix://{path}")).unwrap();
    // A handle outlives it.
    let handle = server.handle().clone();
    drop(server);
    assert!(!Path::new(&path).exists());
    let refused = TcpStream::connect_timeout(&address(&url), Duration::from_secs(5));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(handle.run_on(0, |_| {}).unwrap_err().kind(), ErrorKind::WrongState);
}

//! What a listener leaves behind when it is closed: nobody who had connected is lost, and its address is free (A2, S3).

use std::io::{ErrorKind as Kind, Read};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::net::{address, next, socket_path, Probe, Seen};
use crate::common::peer::{peer, read_to_any_end};
use crate::common::{eventually, loops, read_exactly, Echo, PATIENCE};
use reactor_core::{Action, Balance, Config, ConnOptions, Handle, ListenOptions, Listening, Server, Waiting};

const WAITING: usize = 40;

fn listen(server: &Handle, url: &str) -> reactor_core::Result<Listening> {
    server.listen(url, &ListenOptions::default(), &ConnOptions::default())
}

/// An address of each kind of listener for streams.
fn streams(name: &str) -> [String; 3] {
    let own = format!("{name}-{}", std::process::id());
    ["tcp://127.0.0.1:0".into(), format!("unix://{}", socket_path(name)), format!("unix://@{own}")]
}

fn configs() -> [Config; 4] {
    let sharded = |loops| Config { loops, balance: Balance::ReusePort, ..Config::default() };
    [loops(1), loops(3), sharded(1), sharded(3)]
}

/// Greets whoever connects.
fn greeting() -> Hooks {
    Hooks::new().open(|conn| {
        let _ = conn.write(b"hello").unwrap();
        Action::None
    })
}

/// Keeps every loop busy until what is returned is dropped.
fn keep_busy(server: &Handle) -> Vec<Sender<()>> {
    let busy = |index| {
        let ((begun, begins), (release, released)) = (channel(), channel::<()>());
        let job = move |_: &Handle| {
            begun.send(()).unwrap();
            let _ = released.recv();
        };
        server.run_on(index, job).unwrap();
        begins.recv_timeout(PATIENCE).unwrap();
        release
    };
    (0..server.loops()).map(busy).collect()
}

#[test]
fn whoever_had_connected_is_served() {
    for config in configs() {
        for url in streams("served") {
            let server = Server::new(greeting(), &config).unwrap();
            let listening = listen(server.handle(), &url).unwrap();
            server.start().unwrap();
            let busy = keep_busy(server.handle());
            let mut clients: Vec<_> = (0..WAITING).map(|_| connect(&listening.address)).collect();
            server.handle().close_listener(listening.id).unwrap();
            drop(busy);
            for client in &mut clients {
                assert_eq!(read_exactly(client, 5), b"hello", "{url} {config:?}");
            }
            assert_eq!(server.handle().metrics().accepted, WAITING as u64);
        }
    }
}

/// A connection to a path or to whatever `peer` knows.
fn connect(address: &str) -> Box<dyn Read> {
    match address.strip_prefix("unix:///") {
        Some(path) => {
            let stream = std::os::unix::net::UnixStream::connect(format!("/{path}")).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Box::new(stream)
        }
        None => Box::new(peer(address)),
    }
}

#[test]
fn whoever_had_connected_is_served_though_the_first_callback_closes_the_listener() {
    for config in configs() {
        for url in streams("first") {
            let first = AtomicBool::new(true);
            let hooks = Hooks::new().open(move |conn| {
                if first.swap(false, Ordering::SeqCst) {
                    let listener = conn.info().unwrap().listener.unwrap();
                    conn.server().close_listener(listener).unwrap();
                }
                let _ = conn.write(b"hello").unwrap();
                Action::None
            });
            let server = Server::new(hooks, &config).unwrap();
            let listening = listen(server.handle(), &url).unwrap();
            // Before the start, so that all of them wait.
            let mut clients: Vec<_> = (0..WAITING).map(|_| connect(&listening.address)).collect();
            server.start().unwrap();
            for client in &mut clients {
                assert_eq!(read_exactly(client, 5), b"hello", "{url} {config:?}");
            }
        }
    }
}

#[test]
fn whoever_had_connected_is_served_by_the_start_though_the_listener_was_closed_before() {
    for config in configs() {
        for url in streams("early") {
            let server = Server::new(greeting(), &config).unwrap();
            let listening = listen(server.handle(), &url).unwrap();
            let mut clients: Vec<_> = (0..WAITING).map(|_| connect(&listening.address)).collect();
            server.handle().close_listener(listening.id).unwrap();
            // The address is free.
            let again = Server::new(Echo, &loops(1)).unwrap();
            assert_eq!(again.listen(&listening.address).unwrap(), listening.address);
            drop(again);
            server.start().unwrap();
            for client in &mut clients {
                assert_eq!(read_exactly(client, 5), b"hello", "{url} {config:?}");
            }
        }
    }
}

#[test]
fn before_the_start_they_are_reset_if_they_are_to_be_refused_and_if_there_is_no_start() {
    for waiting in [Waiting::Refuse, Waiting::Serve] {
        let server = Server::new(greeting(), &loops(1)).unwrap();
        let listening = listen(server.handle(), "tcp://127.0.0.1:0").unwrap();
        let mut client = peer(&listening.address);
        server.handle().close_listener_with(listening.id, waiting).unwrap();
        if waiting == Waiting::Serve {
            drop(server);
        }
        assert_eq!(read_to_any_end(&mut client), (Vec::new(), true));
    }
}

#[test]
fn whoever_had_connected_before_the_start_is_served_though_on_start_closes_the_listener() {
    for config in configs() {
        let (probe, _seen) = Probe::new();
        let probe = probe.start(|server| {
            let listening = &server.listeners()[0];
            server.close_listener(listening.id)?;
            assert!(TcpStream::connect(address(&listening.address)).is_err());
            Ok(Action::None)
        });
        let probe = probe.open(|conn| {
            let _ = conn.write(b"hello").unwrap();
            Action::None
        });
        let server = Server::new(probe, &config).unwrap();
        let listening = listen(server.handle(), "tcp://127.0.0.1:0").unwrap();
        let mut clients: Vec<_> = (0..WAITING).map(|_| connect(&listening.address)).collect();
        server.start().unwrap();
        for client in &mut clients {
            assert_eq!(read_exactly(client, 5), b"hello", "{config:?}");
        }
    }
}

#[test]
fn an_option_refuses_whoever_had_connected() {
    let sharded = Config { balance: Balance::ReusePort, ..loops(3) };
    for config in [loops(1), sharded] {
        let server = Server::new(greeting(), &config).unwrap();
        let listening = listen(server.handle(), "tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        let busy = keep_busy(server.handle());
        let mut clients: Vec<_> = (0..WAITING).map(|_| peer(&listening.address)).collect();
        server.handle().close_listener_with(listening.id, Waiting::Refuse).unwrap();
        drop(busy);
        for client in &mut clients {
            assert_eq!(read_to_any_end(client), (Vec::new(), true), "{config:?}");
        }
        assert_eq!(server.handle().metrics().accepted, 0);
    }
}

#[test]
fn the_limits_hold_for_whoever_had_connected() {
    for number in [1, 3] {
        let config = Config { max_connections: 10, ..loops(number) };
        let server = Server::new(greeting(), &config).unwrap();
        let listening = listen(server.handle(), "tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        let busy = keep_busy(server.handle());
        let mut clients: Vec<_> = (0..WAITING).map(|_| peer(&listening.address)).collect();
        server.handle().close_listener(listening.id).unwrap();
        drop(busy);
        let greeted = clients.iter_mut().filter(|client| {
            let mut bytes = [0; 5];
            (&**client).read(&mut bytes).is_ok_and(|read| read == 5)
        });
        assert_eq!(greeted.count(), 10);
        let metrics = server.handle().metrics();
        assert_eq!((metrics.accepted, metrics.refused_by_total), (10, WAITING as u64 - 10));
    }
}

#[test]
fn a_plain_stop_resets_whoever_had_no_callback_yet() {
    for config in configs() {
        let server = Server::new(greeting(), &config).unwrap();
        let listening = listen(server.handle(), "tcp://127.0.0.1:0").unwrap();
        server.start().unwrap();
        let busy = keep_busy(server.handle());
        let mut clients: Vec<_> = (0..WAITING).map(|_| peer(&listening.address)).collect();
        server.handle().stop();
        drop(busy);
        server.wait().unwrap();
        for client in &mut clients {
            assert_eq!(read_to_any_end(client), (Vec::new(), true), "{config:?}");
        }
    }
}

/// An address of each kind.
fn all(name: &str) -> Vec<String> {
    let [tcp, path, abstract_name] = streams(name);
    vec![tcp, path, abstract_name, "udp://127.0.0.1:0".into()]
}

#[test]
fn the_address_is_free_when_the_call_returns() {
    for config in configs() {
        let server = Server::new(Echo, &config).unwrap();
        server.start().unwrap();
        let handle = server.handle();
        for url in all("again") {
            let mut listening = listen(handle, &url).unwrap();
            for _ in 0..30 {
                handle.close_listener(listening.id).unwrap();
                listening = listen(handle, &listening.address).expect(&url);
            }
            // It listens indeed.
            match listening.address.strip_prefix("udp://") {
                None => drop(connect(&listening.address)),
                Some(to) => assert_eq!(ask(to, b"there?"), b"there?"),
            }
        }
    }
}

fn ask(to: &str, bytes: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(bytes, to).unwrap();
    let mut answer = [0; 100];
    let len = socket.recv(&mut answer).unwrap();
    answer[..len].to_vec()
}

#[test]
fn the_address_is_free_when_the_call_returns_in_a_callback() {
    for config in [loops(1), loops(3)] {
        for url in all("inside") {
            let (tell, told) = channel();
            let tell = Mutex::new(tell);
            let hooks = Hooks::new().data(move |conn, _| {
                let server = conn.server();
                let listener = conn.info().unwrap().listener.unwrap();
                let address =
                    server.listeners().iter().find(|one| one.id == listener).unwrap().address.clone();
                server.close_listener(listener).unwrap();
                let again = listen(server, &address).map(|again| again.address);
                tell.lock().unwrap().send((address, again)).unwrap();
                Action::None
            });
            let server = Server::new(hooks, &config).unwrap();
            let listening = listen(server.handle(), &url).unwrap();
            server.start().unwrap();
            let _client = say(&listening.address);
            let (address, again) = told.recv_timeout(PATIENCE).unwrap();
            assert_eq!(again, Ok(address));
        }
    }
}

/// Sends a few bytes; the connection, if it is one, lives as long as what is returned.
fn say(address: &str) -> Box<dyn Send> {
    use std::io::Write;
    if let Some(to) = address.strip_prefix("udp://") {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"go", to).unwrap();
        return Box::new(socket);
    }
    if let Some(path) = address.strip_prefix("unix:///") {
        let mut stream = std::os::unix::net::UnixStream::connect(format!("/{path}")).unwrap();
        stream.write_all(b"go").unwrap();
        return Box::new(stream);
    }
    let mut stream = peer(address);
    stream.write_all(b"go").unwrap();
    Box::new(stream)
}

#[test]
fn a_listener_that_was_just_added_in_a_callback_can_be_closed_there() {
    for config in [loops(1), loops(3)] {
        // Another loop may have taken a UDP socket over, and then closes it soon after.
        let own = all("both").into_iter().filter(|url| config.loops == 1 || !url.starts_with("udp"));
        for url in own {
            let (tell, told) = channel();
            let tell = Mutex::new(tell);
            let hooks = Hooks::new().open(move |conn| {
                let server = conn.server();
                let added = listen(server, &url).unwrap();
                server.close_listener(added.id).unwrap();
                let again = listen(server, &added.address).map(|again| again.address);
                tell.lock().unwrap().send((added.address, again)).unwrap();
                Action::None
            });
            let server = Server::new(hooks, &config).unwrap();
            let listening = listen(server.handle(), "tcp://127.0.0.1:0").unwrap();
            server.start().unwrap();
            let _client = peer(&listening.address);
            let (address, again) = told.recv_timeout(PATIENCE).unwrap();
            assert_eq!(again, Ok(address));
        }
    }
}

#[test]
fn a_callback_closes_the_udp_sockets_of_other_loops_soon_after() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let hooks = Hooks::new().data(move |conn, _| {
        let listener = conn.info().unwrap().listener.unwrap();
        tell.lock().unwrap().send(conn.server().close_listener(listener)).unwrap();
        Action::None
    });
    let server = Server::new(hooks, &Config { balance: Balance::ReusePort, ..loops(3) }).unwrap();
    let listening = listen(server.handle(), "udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let _client = say(&listening.address);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(()));
    eventually("the port is free", || UdpSocket::bind(address(&listening.address)).is_ok());
}

#[test]
fn a_closed_udp_listener_has_its_datagrams_answered() {
    let (begun, begins) = channel();
    let (go, gate) = channel::<()>();
    let (begun, gate): (_, Mutex<Receiver<()>>) = (Mutex::new(begun), Mutex::new(gate));
    let (probe, seen) = Probe::new();
    let probe = probe.data(move |conn, data| {
        if data == b"first" {
            begun.lock().unwrap().send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
        }
        let _ = conn.write(data).unwrap();
        Action::None
    });
    let server = Server::new(probe, &loops(1)).unwrap();
    let listening = listen(server.handle(), "udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = address(&listening.address);
    socket.send_to(b"first", to).unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    for index in 0..50_u8 {
        socket.send_to(&[index], to).unwrap();
    }
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| server.handle().close_listener(listening.id));
        // By now the listener is closing.
        eventually("it is listed no more", || server.handle().listeners().is_empty());
        drop(go);
        closing.join().unwrap().unwrap();
        assert!(UdpSocket::bind(to).is_ok());
    });
    let mut answer = [0; 100];
    let len = socket.recv(&mut answer).unwrap();
    assert_eq!(&answer[..len], b"first");
    for index in 0..50_u8 {
        let len = socket.recv(&mut answer).unwrap();
        assert_eq!(&answer[..len], [index]);
    }
    assert!(matches!(next(&seen), Seen::Data(..)));
}

#[test]
fn a_path_that_was_closed_and_bound_again_is_not_removed_with_its_first_listener() {
    let server = Server::new(Echo, &loops(1)).unwrap();
    server.start().unwrap();
    let path = socket_path("twice");
    let mut listening = listen(server.handle(), &format!("unix://{path}")).unwrap();
    for _ in 0..20 {
        server.handle().close_listener(listening.id).unwrap();
        listening = listen(server.handle(), &listening.address).unwrap();
        // The loop has let the one before go.
        let (done, ran) = channel();
        server.handle().run_on(0, move |_| done.send(()).unwrap()).unwrap();
        ran.recv_timeout(PATIENCE).unwrap();
        assert!(std::path::Path::new(&path).exists());
    }
    let error = std::os::unix::net::UnixStream::connect(&path).map_err(|error| error.kind());
    assert_ne!(error.err(), Some(Kind::NotFound));
}

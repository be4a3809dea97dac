//! Outgoing connections that are not made: one on_close, without an on_open (D7, L1).

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use crate::common::net::{closed, next, nothing, socket_path, Probe, Seen};
use crate::common::{eventually, loops, read_exactly, PATIENCE};
use reactor_core::{CloseReason, Closed, Completed, ConnectOptions, ErrorKind, Server};

fn started(count: usize) -> (Server, Receiver<Seen>) {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(count)).unwrap();
    server.start().unwrap();
    (server, seen)
}

/// A listener that answers nobody any more: its queue is full, and the kernel drops what comes.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _filling: Vec<TcpStream>,
}

impl Silent {
    fn new() -> Silent {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        socket2::SockRef::from(&listener).listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let dial = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let filling = std::iter::from_fn(dial).take(20).collect::<Vec<_>>();
        assert!(filling.len() < 20, "it answers all the same");
        Silent { address, _listener: listener, _filling: filling }
    }

    fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }
}

/// Exactly one on_close came, and the engine has forgotten it.
fn expect_failed(server: &Server, seen: &Receiver<Seen>, reason: CloseReason, errno: Option<i32>) {
    let (id, how) = closed(seen);
    assert_eq!((how.reason, how.errno), (reason, errno));
    assert_eq!(server.handle().write(id, b"x").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(server.handle().info(id).unwrap_err().kind(), ErrorKind::Closed);
    eventually("nothing is left of it", || {
        server.handle().connections() == 0 && server.handle().queued_bytes() == 0
    });
}

#[test]
fn a_refused_connection_closes_with_the_reason_and_cancels_what_was_written() {
    let (server, seen) = started(2);
    let nobody = TcpListener::bind("127.0.77.9:0").unwrap().local_addr().unwrap();
    for _ in 0..50 {
        let id = server.handle().connect(&format!("tcp://{nobody}"), ConnectOptions::default()).unwrap();
        let (sender, completed) = channel();
        let written = server.handle().write_then(id, &[b"lost"], move |how| sender.send(how).unwrap());
        expect_failed(&server, &seen, CloseReason::ConnectFailed, Some(libc::ECONNREFUSED));
        match written {
            Ok(_) => assert_eq!(completed.recv_timeout(PATIENCE), Ok(Completed::Cancelled)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
        }
    }
    nothing(&seen);
    let metrics = server.handle().metrics();
    assert_eq!((metrics.connected, metrics.closed_by(CloseReason::ConnectFailed)), (0, 50));
}

#[test]
fn a_unix_path_without_a_listener_fails_with_its_errno() {
    let (server, seen) = started(1);
    let path = socket_path("nobody");
    let url = format!("unix://{path}");
    server.handle().connect(&url, ConnectOptions::default()).unwrap();
    expect_failed(&server, &seen, CloseReason::ConnectFailed, Some(libc::ENOENT));
    drop(UnixListener::bind(&path).unwrap());
    server.handle().connect(&url, ConnectOptions::default()).unwrap();
    expect_failed(&server, &seen, CloseReason::ConnectFailed, Some(libc::ECONNREFUSED));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_unix_server_whose_queue_is_full_is_tried_until_the_time_out() {
    let (server, seen) = started(1);
    for name in [socket_path("full"), format!("@reactor-test-full-{}", std::process::id())] {
        let address = socket2::SockAddr::unix(name.replace('@', "\0")).unwrap();
        let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let filling = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        filling.connect(&address).unwrap();
        let url = format!("unix://{name}");
        let timeout = Duration::from_millis(100);
        server.handle().connect(&url, ConnectOptions { timeout, ..Default::default() }).unwrap();
        expect_failed(&server, &seen, CloseReason::TimedOut, None);
        // One that is closed meanwhile, and then one that there is room for in the end.
        let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
        server.handle().close(id).unwrap();
        expect_failed(&server, &seen, CloseReason::LocalClose, None);
        let ids: Vec<_> = (0..3)
            .map(|_| {
                let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
                let _ = server.handle().write(id, b"early").unwrap();
                id
            })
            .collect();
        nothing(&seen);
        drop(listener.accept().unwrap());
        let mut opened = Vec::new();
        let accepted: Vec<_> = ids
            .iter()
            .map(|_| {
                let (mut accepted, _) = listener.accept().unwrap();
                assert_eq!(read_exactly(&mut accepted, 5), b"early");
                match next(&seen) {
                    Seen::Open(id) => opened.push(id),
                    other => panic!("{other:?}"),
                }
                accepted
            })
            .collect();
        assert!(ids.iter().all(|id| opened.contains(id)));
        for id in &ids {
            server.handle().abort(*id).unwrap();
            assert_eq!(closed(&seen).0, *id);
        }
        drop(accepted);
        // An abstract name is no file.
        let _ = std::fs::remove_file(&name);
    }
}

#[test]
fn a_connection_that_meets_itself_has_failed() {
    let (server, seen) = started(1);
    let free = TcpListener::bind("127.0.77.8:0").unwrap().local_addr().unwrap();
    for scheme in ["tcp", "udp"] {
        let url = format!("{scheme}://{free}?bind={free}");
        server.handle().connect(&url, ConnectOptions::default()).unwrap();
        expect_failed(&server, &seen, CloseReason::ConnectFailed, Some(libc::ECONNREFUSED));
    }
    // The real server can listen.
    drop(TcpListener::bind(free).unwrap());
}

#[test]
fn a_name_that_there_is_not_fails_on_the_loop() {
    let (server, seen) = started(1);
    // RFC 6761: nobody has a name under .invalid.
    for url in ["tcp://nobody.invalid:80", "udp://nobody.invalid:80"] {
        let id = server.handle().connect(url, ConnectOptions::default()).unwrap();
        assert!(id.to_u64() > 0);
        let (ended, how) = closed(&seen);
        assert_eq!((ended, how.reason), (id, CloseReason::ConnectFailed));
    }
    // No address of the scheme's family, either.
    server.handle().connect("tcp6://localhost4-only.invalid:80", ConnectOptions::default()).unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::ConnectFailed);
    nothing(&seen);
    assert_eq!(server.handle().connections(), 0);
}

#[test]
fn an_address_that_does_not_answer_times_out() {
    let silent = Silent::new();
    let (server, seen) = started(1);
    let options = || ConnectOptions { timeout: Duration::from_millis(100), ..Default::default() };
    let began = std::time::Instant::now();
    let id = server.handle().connect(&silent.url(), options()).unwrap();
    let (ended, how) = closed(&seen);
    assert_eq!((ended, how), (id, Closed { reason: CloseReason::TimedOut, errno: None }));
    assert!(began.elapsed() >= Duration::from_millis(100), "not before its time");
    assert_eq!(server.handle().connections(), 0);
}

#[test]
fn close_and_abort_end_it_while_it_is_being_made() {
    let silent = Silent::new();
    let (server, seen) = started(2);
    for url in [silent.url(), format!("tcp://localhost:{}", silent.address.port())] {
        let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
        let _ = server.handle().write(id, b"never sent").unwrap();
        server.handle().close(id).unwrap();
        expect_failed(&server, &seen, CloseReason::LocalClose, None);
        let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
        server.handle().abort(id).unwrap();
        expect_failed(&server, &seen, CloseReason::Abort, None);
        // There is no descriptor to hand out yet.
        let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
        server.handle().detach(id).unwrap();
        expect_failed(&server, &seen, CloseReason::LocalClose, None);
    }
    nothing(&seen);
}

#[test]
fn close_in_the_callback_that_connects_ends_it_too() {
    let silent = Silent::new();
    let (server, seen) = started(1);
    let url = silent.url();
    let dial_and_close = move |server: &reactor_core::Handle| {
        let id = server.connect(&url, ConnectOptions::default()).unwrap();
        let _ = server.write(id, b"x").unwrap();
        server.close(id).unwrap();
        assert_eq!(server.close(id).unwrap_err().kind(), ErrorKind::Closed);
    };
    server.handle().run_on(0, dial_and_close).unwrap();
    expect_failed(&server, &seen, CloseReason::LocalClose, None);
    nothing(&seen);
}

#[test]
fn stop_closes_what_is_being_made() {
    let silent = Silent::new();
    for graceful in [false, true] {
        let (server, seen) = started(2);
        let port = silent.address.port();
        for url in [silent.url(), format!("tcp://localhost:{port}"), "tcp://nobody.invalid:1".into()] {
            server.handle().connect(&url, ConnectOptions::default()).unwrap();
        }
        match graceful {
            true => server.handle().stop_gracefully(Duration::from_millis(200)),
            false => server.handle().stop(),
        }
        server.wait().unwrap();
        let mut ended = 0;
        while let Ok(what) = seen.try_recv() {
            match what {
                Seen::Close(_, how) => {
                    ended += 1;
                    let reasons = [CloseReason::Shutdown, CloseReason::ConnectFailed];
                    assert!(reasons.contains(&how.reason), "{how:?}");
                }
                other => assert!(matches!(other, Seen::Start | Seen::Stopping | Seen::Stop), "{other:?}"),
            }
        }
        assert_eq!(ended, 3);
        let error = server.handle().connect(&silent.url(), ConnectOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
    }
}

#[test]
fn nothing_is_called_before_on_open() {
    let silent = Silent::new();
    let (server, seen) = started(1);
    let options = ConnectOptions { timeout: Duration::from_millis(400), ..Default::default() };
    let id = server.handle().connect(&silent.url(), options).unwrap();
    server.handle().wake(id).unwrap();
    let start = |conn: &reactor_core::Conn<'_>| {
        let _ = conn.start_timer(Duration::from_millis(1), Duration::ZERO);
    };
    server.handle().run_on_conn(id, start).unwrap();
    assert_eq!(next(&seen), Seen::Close(id, Closed { reason: CloseReason::TimedOut, errno: None }));
}

#[test]
fn wrong_urls_and_states_are_refused_at_once() {
    let (server, seen) = started(1);
    for url in
        ["tcp://:80", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "fd://3", "nonsense://x:1", "tcp://[::1:5"]
    {
        let error = server.handle().connect(url, ConnectOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{url}: {error}");
        assert!(error.message().contains(url), "{error}");
    }
    let (probe, _seen) = Probe::new();
    let unstarted = Server::new(probe, &loops(1)).unwrap();
    let error = unstarted.handle().connect("tcp://127.0.0.1:1", ConnectOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState);
    nothing(&seen);
}

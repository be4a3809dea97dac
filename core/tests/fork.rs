//! Forks: bind, fork, start in the child; and a started server in a child (A6). A program of its own with one test, so
//! that no other thread holds a lock while it forks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::io::{PipeReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::net::{address, socket_path};
use common::{eventually, loops, read_exactly, tcp, PATIENCE};
use reactor_core::{
    Action, BoxError, Conn, ConnId, ConnOptions, ConnectOptions, ErrorKind, Handle, Handler, ListenOptions,
    Server,
};

/// A process of ours; it ends when it is told to, and with this process.
struct Child {
    pid: libc::pid_t,
    leave: std::io::PipeWriter,
}

impl Child {
    /// Forks, and runs the body in the child, which gets a pipe to be told by when to leave.
    fn new(body: impl FnOnce(&mut PipeReader)) -> Child {
        let (mut reader, writer) = std::io::pipe().unwrap();
        // SAFETY: the call takes no pointer; the child goes on with this thread alone, and ends by _exit.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid > 0 {
            return Child { pid, leave: writer };
        }
        // SAFETY: the call takes no pointer.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let ran = catch_unwind(AssertUnwindSafe(|| body(&mut reader)));
        // SAFETY: ends the process without running what the parent's copy would run.
        unsafe { libc::_exit(i32::from(ran.is_err())) }
    }

    /// Lets it go on.
    fn tell(&self) {
        // A child that has ended does not listen.
        let _ = (&self.leave).write_all(b"x");
    }

    /// Lets it leave, and says whether it ended well, in time.
    fn ends_well(self) -> bool {
        self.tell();
        let mut status = 0;
        let mut ended = 0;
        let limit = std::time::Instant::now() + PATIENCE;
        while ended == 0 && std::time::Instant::now() < limit {
            // SAFETY: the status outlives the call.
            ended = unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) };
            std::thread::sleep(Duration::from_millis(2));
        }
        if ended == 0 {
            // SAFETY: our own child, which is not waited for yet.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
        ended == self.pid && status == 0
    }
}

/// Waits until the parent says so.
fn until_told(pipe: &mut PipeReader) {
    let _ = pipe.read(&mut [0]);
}

/// Answers with the number of its process.
struct Pid;

impl Handler for Pid {
    fn on_data(&self, conn: &Conn<'_>, _: &[u8]) -> Action {
        let _ = conn.write(&process::id().to_le_bytes()).unwrap();
        Action::None
    }
}

fn ask(stream: &mut (impl Read + Write)) -> u32 {
    stream.write_all(b"?").unwrap();
    u32::from_le_bytes(read_exactly(stream, 4).try_into().unwrap())
}

#[test]
fn forks() {
    for count in [1, 3] {
        a_child_starts_what_its_parent_bound(count);
        three_children_share_a_listener(count);
    }
    another_event_ends_the_wait_also_when_a_sibling_has_ended();
    a_start_that_failed_in_the_parent_is_refused_in_a_child();
    an_end_reaches_the_peer_though_a_child_holds_copies();
    for count in [1, 3] {
        a_stop_ends_the_listening_though_a_child_holds_copies(count);
    }
    what_siblings_share_is_only_closed_unless_it_is_told_otherwise();
    for count in [1, 3] {
        the_last_of_those_who_share_a_path_removes_it(count);
        a_server_that_forks_into_the_background_keeps_its_path(count);
        what_is_closed_before_the_start_is_its_processs_to_serve(count);
    }
    a_started_server_answers_errors_in_a_child(1);
    a_started_server_answers_errors_in_a_child(3);
}

fn a_child_starts_what_its_parent_bound(count: usize) {
    let path = socket_path("fork");
    let server = Server::new(Pid, &loops(count)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.listen(&format!("unix://{path}")).unwrap();
    let udp = server.listen("udp://127.0.0.1:0").unwrap();
    let child = Child::new(|pipe| {
        server.start().unwrap();
        until_told(pipe);
        server.handle().stop();
        server.wait().unwrap();
        assert_eq!(server.handle().connections(), 0);
    });
    let pid = u32::try_from(child.pid).unwrap();
    assert_eq!(ask(&mut tcp(&url)), pid);
    assert_eq!(ask(&mut UnixStream::connect(&path).unwrap()), pid);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"?", address(&udp)).unwrap();
    let mut answer = [0; 4];
    socket.recv(&mut answer).unwrap();
    assert_eq!(u32::from_le_bytes(answer), pid);
    // The parent lets go of it: the child goes on.
    drop(server);
    assert_eq!(ask(&mut tcp(&url)), pid);
    assert_eq!(ask(&mut UnixStream::connect(&path).unwrap()), pid);
    assert!(child.ends_well());
    assert!(!Path::new(&path).exists());
    assert!(TcpStream::connect(address(&url)).is_err());
}

fn three_children_share_a_listener(count: usize) {
    let server = Server::new(Pid, &loops(count)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut children: Vec<Child> = (0..3)
        .map(|_| {
            Child::new(|pipe| {
                server.start().unwrap();
                until_told(pipe);
                server.handle().stop();
                server.wait().unwrap();
            })
        })
        .collect();
    let mut met = HashSet::new();
    eventually("all of them answer", || {
        met.insert(ask(&mut tcp(&url)));
        met.len() == 3
    });
    // One after the other ends, and the rest serves on.
    while let Some(child) = children.pop() {
        assert!(child.ends_well());
        for _ in 0..10 * children.len() {
            let mut stream = tcp(&url);
            let pid = ask(&mut stream);
            assert!(children.iter().any(|child| child.pid.cast_unsigned() == pid));
        }
    }
}

/// Tells the id of the first connection.
struct Tells(std::sync::Mutex<std::sync::mpsc::Sender<ConnId>>);

impl Handler for Tells {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.0.lock().unwrap().send(conn.id()).unwrap();
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let _ = conn.write(data).unwrap();
        Action::None
    }
}

fn a_started_server_answers_errors_in_a_child(count: usize) {
    let path = socket_path("started");
    let (sender, ids) = std::sync::mpsc::channel();
    let (server, url) = common::serve(Tells(std::sync::Mutex::new(sender)), &loops(count));
    server.listen(&format!("unix://{path}")).unwrap();
    let udp =
        server.listen_with("udp://127.0.0.1:0", &ListenOptions::default(), &ConnOptions::default()).unwrap();
    let endpoint = server.handle().endpoints(udp.id)[0];
    // In an option, so that the child can drop its copy.
    let mut server = Some(server);
    let mut stream = tcp(&url);
    let id = ids.recv_timeout(PATIENCE).unwrap();
    let child = Child::new(|_| {
        let server = server.take().unwrap();
        let handle = server.handle();
        assert_eq!(server.wait().unwrap_err().kind(), ErrorKind::WrongState);
        assert_eq!(server.start().unwrap_err().kind(), ErrorKind::WrongState);
        assert_eq!(server.listen("tcp://127.0.0.1:0").unwrap_err().kind(), ErrorKind::WrongState);
        let connect = handle.connect("tcp://127.0.0.1:1", ConnectOptions::default());
        assert_eq!(connect.unwrap_err().kind(), ErrorKind::WrongState);
        handle.stop();
        handle.stop_gracefully(Duration::ZERO);
        let quiet: [(&str, bool); 8] = [
            ("write", handle.write(id, b"from the child").is_err()),
            ("close", handle.close(id).is_err()),
            ("abort", handle.abort(id).is_err()),
            ("wake", handle.wake(id).is_err()),
            ("run_on_conn", handle.run_on_conn(id, |_| {}).is_err()),
            ("run_on", handle.run_on(0, |_| {}).is_err()),
            ("send_to", handle.send_to(endpoint, address(&url), b"x").is_err()),
            ("close_listener", handle.close_listener(handle.listeners()[1].id).is_err()),
        ];
        let silent: Vec<&str> = quiet.iter().filter(|(_, error)| !error).map(|(name, _)| *name).collect();
        drop(server);
        assert!(silent.is_empty(), "answered OK in the child, and did nothing: {silent:?}");
    });
    let well = child.ends_well();
    let server = server.unwrap();
    // Whatever the child did, the parent goes on.
    stream.write_all(b"still there").unwrap();
    assert_eq!(read_exactly(&mut stream, 11), b"still there");
    let mut unix = UnixStream::connect(&path).unwrap();
    unix.write_all(b"hello").unwrap();
    assert_eq!(read_exactly(&mut unix, 5), b"hello");
    assert!(!server.handle().is_stopping());
    let _ = server.handle().write(id, b"by id").unwrap();
    assert_eq!(read_exactly(&mut stream, 5), b"by id");
    drop(server);
    assert!(!Path::new(&path).exists());
    assert!(well, "see what the child printed");
}

/// Does to its connection what it is told.
struct Obeys(std::sync::Mutex<std::sync::mpsc::Sender<ConnId>>);

impl Handler for Obeys {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.0.lock().unwrap().send(conn.id()).unwrap();
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        match data {
            b"abort" => conn.abort().map_or(Action::None, |()| Action::None),
            b"end" => conn.end().map_or(Action::None, |()| Action::None),
            _ => Action::Close,
        }
    }
}

fn an_end_reaches_the_peer_though_a_child_holds_copies() {
    let (sender, ids) = std::sync::mpsc::channel();
    let (_server, url) = common::serve(Obeys(std::sync::Mutex::new(sender)), &loops(1));
    let streams = ["end", "close", "abort", "eof"].map(|what| (what, tcp(&url)));
    for _ in &streams {
        let _: ConnId = ids.recv_timeout(PATIENCE).unwrap();
    }
    let child = Child::new(until_told);
    let ended = streams.map(|(what, mut stream)| {
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        match what {
            "eof" => stream.shutdown(std::net::Shutdown::Write).unwrap(),
            what => stream.write_all(what.as_bytes()).unwrap(),
        }
        (what, stream.read(&mut [0]).map_err(|error| error.kind()))
    });
    assert!(child.ends_well());
    let reset = Err(std::io::ErrorKind::ConnectionReset);
    assert_eq!(ended, [("end", Ok(0)), ("close", Ok(0)), ("abort", reset), ("eof", Ok(0))]);
}

fn is_refused(url: &str) -> bool {
    TcpStream::connect(address(url)).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn a_stop_ends_the_listening_though_a_child_holds_copies(count: usize) {
    let path = socket_path("copied");
    for graceful in [false, true] {
        let (server, url) = common::serve(Pid, &loops(count));
        server.listen(&format!("unix://{path}")).unwrap();
        let sharded = server.listen("tcp://127.0.0.1:0?reuseport=true").unwrap();
        let child = Child::new(until_told);
        let (mut open, mut unix) = (tcp(&url), UnixStream::connect(&path).unwrap());
        ask(&mut open);
        ask(&mut unix);
        let later = Child::new(until_told);
        match graceful {
            true => server.handle().stop_gracefully(Duration::from_millis(1)),
            false => server.handle().stop(),
        }
        server.wait().unwrap();
        assert!(is_refused(&url) && is_refused(&sharded) && UnixStream::connect(&path).is_err());
        assert_eq!((open.read(&mut [0]).unwrap(), unix.read(&mut [0]).unwrap()), (0, 0));
        // And the address is free.
        let again = Server::new(Pid, &loops(1)).unwrap();
        assert_eq!(again.listen(&url).unwrap(), url);
        again.listen(&format!("unix://{path}")).unwrap();
        drop(again);
        assert!(child.ends_well() && later.ends_well());
    }
}

fn what_siblings_share_is_only_closed_unless_it_is_told_otherwise() {
    for (query, serves_on) in [("", true), ("?shared=true", true), ("?shared=false", false)] {
        let server = Server::new(Pid, &loops(1)).unwrap();
        let url = server.listen(&format!("tcp://127.0.0.1:0{query}")).unwrap();
        let start = |pipe: &mut PipeReader| {
            server.start().unwrap();
            until_told(pipe);
            server.handle().stop();
            server.wait().unwrap();
        };
        let (first, second) = (Child::new(start), Child::new(start));
        eventually("both serve", || {
            let pids: HashSet<u32> = (0..20).map(|_| ask(&mut tcp(&url))).collect();
            pids.len() == 2
        });
        assert!(first.ends_well());
        assert_eq!(is_refused(&url), !serves_on, "{query}");
        if serves_on {
            assert_eq!(ask(&mut tcp(&url)), second.pid.cast_unsigned());
        }
        assert!(second.ends_well());
        drop(server);
    }
}

fn the_last_of_those_who_share_a_path_removes_it(count: usize) {
    for query in ["", "?shared=true"] {
        let path = socket_path("shared");
        let server = Server::new(Pid, &loops(count)).unwrap();
        server.listen(&format!("unix://{path}{query}")).unwrap();
        let start = |pipe: &mut PipeReader| {
            server.start().unwrap();
            until_told(pipe);
            server.handle().stop();
            server.wait().unwrap();
        };
        let (first, second) = (Child::new(start), Child::new(start));
        let answers = || ask(&mut UnixStream::connect(&path).unwrap());
        eventually("both serve", || (0..20).map(|_| answers()).collect::<HashSet<u32>>().len() == 2);
        assert!(first.ends_well());
        assert_eq!(answers(), second.pid.cast_unsigned());
        // It has never accepted from it, and it bound it; another still does.
        drop(server);
        assert_eq!(answers(), second.pid.cast_unsigned());
        assert!(second.ends_well());
        assert!(!Path::new(&path).exists());
    }
}

fn a_server_that_forks_into_the_background_keeps_its_path(count: usize) {
    for query in ["", "?shared=false"] {
        let path = socket_path("background");
        let server = Server::new(Pid, &loops(count)).unwrap();
        server.listen(&format!("unix://{path}{query}")).unwrap();
        let child = Child::new(|pipe| {
            until_told(pipe);
            server.start().unwrap();
            until_told(pipe);
            server.handle().stop();
            server.wait().unwrap();
        });
        // The parent lets go of it before the child begins.
        drop(server);
        child.tell();
        assert_eq!(ask(&mut UnixStream::connect(&path).unwrap()), child.pid.cast_unsigned());
        assert!(child.ends_well());
        assert!(!Path::new(&path).exists());
    }
}

fn what_is_closed_before_the_start_is_its_processs_to_serve(count: usize) {
    let server = Server::new(Pid, &loops(count)).unwrap();
    let listening =
        |url| server.listen_with(url, &ListenOptions::default(), &ConnOptions::default()).unwrap();
    let (shared, own) = (listening("tcp://127.0.0.1:0"), listening("tcp://127.0.0.1:0"));
    server.listen("tcp://127.0.0.1:0").unwrap();
    let (mut waits_for_any, mut waits_here) = (tcp(&shared.address), tcp(&own.address));
    server.handle().close_listener(own.id).unwrap();
    let child = Child::new(|pipe| {
        // Others have the socket, and serve who waits at it; and who waits elsewhere is the parent's.
        server.handle().close_listener(shared.id).unwrap();
        server.start().unwrap();
        until_told(pipe);
        assert_eq!(server.handle().metrics().accepted, 0);
        server.handle().stop();
        server.wait().unwrap();
    });
    assert!(child.ends_well());
    server.start().unwrap();
    assert_eq!([ask(&mut waits_for_any), ask(&mut waits_here)], [process::id(); 2]);
}

fn another_event_ends_the_wait_also_when_a_sibling_has_ended() {
    let server = Server::new(Pid, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let first = Child::new(|pipe| {
        server.start().unwrap();
        until_told(pipe);
        server.handle().stop();
        server.wait().unwrap();
    });
    let (mut told, mut tell) = std::io::pipe().unwrap();
    let second = Child::new(|_| {
        server.start().unwrap();
        read_exactly(&mut told, 1);
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(server.wait_or_readable(reader.as_fd()), Ok(false));
        server.handle().stop();
        server.wait().unwrap();
    });
    ask(&mut tcp(&url));
    assert!(first.ends_well());
    tell.write_all(b"x").unwrap();
    assert!(second.ends_well(), "the end of a sibling was taken for its own");
}

/// Refuses the first start.
struct OnlyTheSecond(AtomicBool);

impl Handler for OnlyTheSecond {
    fn on_start(&self, _: &Handle) -> Result<Action, BoxError> {
        match self.0.swap(true, Ordering::SeqCst) {
            true => Ok(Action::None),
            false => Err("not yet".into()),
        }
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let _ = conn.write(data).unwrap();
        Action::None
    }
}

fn a_start_that_failed_in_the_parent_is_refused_in_a_child() {
    let server = Server::new(OnlyTheSecond(AtomicBool::new(false)), &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::HandlerFailed);
    // The loops that were made for it are shared: two processes would take each other's events.
    let child = Child::new(|_| {
        assert_eq!(server.start().unwrap_err().kind(), ErrorKind::WrongState);
    });
    assert!(child.ends_well());
    server.start().unwrap();
    let mut stream = tcp(&url);
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_exactly(&mut stream, 5), b"hello");
}

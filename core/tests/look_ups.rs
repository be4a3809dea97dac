//! Names whose addresses are silent, and names that hang (D7). A program of its own, because it has a name server of its own: it
//! puts getaddrinfo(3) in front of the C library's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ffi::{c_char, c_int, CStr};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use common::net::{closed, opened, Probe};
use common::{descriptors, eventually, loops, PATIENCE};
use reactor_core::{Address, CloseReason, ConnectOptions, Server};

/// The names that were asked for, and whether those that begin with `hang` are answered.
static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HANGS: Mutex<bool> = Mutex::new(true);
static GOES_ON: Condvar = Condvar::new();
/// The tests count descriptors and names of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// One after the other, each with names that hang.
fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *HANGS.lock().unwrap() = true;
    ASKED.lock().unwrap().clear();
    alone
}

fn let_go() {
    *HANGS.lock().unwrap() = false;
    GOES_ON.notify_all();
}

fn asked(name: &str) -> usize {
    ASKED.lock().unwrap().iter().filter(|asked| *asked == name).count()
}

fn addresses_of(name: &str) -> Vec<Ipv4Addr> {
    ASKED.lock().unwrap().push(name.to_owned());
    if name.starts_with("hang") {
        let hangs = HANGS.lock().unwrap();
        drop(GOES_ON.wait_while(hangs, |hangs| *hangs).unwrap());
    }
    let last = |numbers: &[u8]| numbers.iter().map(|number| Ipv4Addr::new(127, 0, 89, *number)).collect();
    match name {
        "second.test" => last(&[9, 1]),
        "third.test" => last(&[9, 10, 1]),
        "silent.test" => last(&[9, 10]),
        _ => vec![Ipv4Addr::LOCALHOST],
    }
}

#[no_mangle]
unsafe extern "C" fn getaddrinfo(
    name: *const c_char,
    _service: *const c_char,
    _hints: *const libc::addrinfo,
    found: *mut *mut libc::addrinfo,
) -> c_int {
    // SAFETY: the caller passes a string.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap();
    let mut first = ptr::null_mut();
    for ip in addresses_of(name).into_iter().rev() {
        let address = socket2::SockAddr::from(SocketAddrV4::new(ip, 0));
        // SAFETY: the address is one of IPv4, and as long as it says.
        let address = unsafe { *address.as_ptr().cast::<libc::sockaddr_in>() };
        let address = Box::into_raw(Box::new(address));
        first = Box::into_raw(Box::new(libc::addrinfo {
            ai_flags: 0,
            ai_family: libc::AF_INET,
            ai_socktype: libc::SOCK_STREAM,
            ai_protocol: 0,
            ai_addrlen: size_of::<libc::sockaddr_in>() as libc::socklen_t,
            ai_addr: address.cast(),
            ai_canonname: ptr::null_mut(),
            ai_next: first,
        }));
    }
    // SAFETY: the caller passes room for a pointer.
    unsafe { *found = first };
    0
}

#[no_mangle]
unsafe extern "C" fn freeaddrinfo(mut first: *mut libc::addrinfo) {
    while !first.is_null() {
        // SAFETY: the list is one of ours, each part of which is freed once.
        let info = unsafe { Box::from_raw(first) };
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(info.ai_addr.cast::<libc::sockaddr_in>()) });
        first = info.ai_next;
    }
}

/// Two listeners that answer nobody any more, and one that does, on one port of three addresses.
struct Three {
    answers: TcpListener,
    _silent: Vec<(TcpListener, Vec<TcpStream>)>,
}

impl Three {
    fn new() -> Three {
        let answers = TcpListener::bind("127.0.89.1:0").unwrap();
        let port = answers.local_addr().unwrap().port();
        Three { answers, _silent: [9, 10].map(|last| silent(last, port)).into() }
    }

    fn url(&self, name: &str) -> String {
        format!("tcp://{name}:{}", self.answers.local_addr().unwrap().port())
    }
}

/// Its queue is full, and the kernel drops what comes.
fn silent(last: u8, port: u16) -> (TcpListener, Vec<TcpStream>) {
    let address = SocketAddr::from(([127, 0, 89, last], port));
    let listener = TcpListener::bind(address).unwrap();
    socket2::SockRef::from(&listener).listen(0).unwrap();
    let dial = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    let filling: Vec<_> = std::iter::from_fn(dial).take(20).collect();
    assert!(filling.len() < 20, "it answers all the same");
    (listener, filling)
}

fn started(count: usize) -> (Server, std::sync::mpsc::Receiver<common::net::Seen>) {
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(count)).unwrap();
    server.start().unwrap();
    (server, seen)
}

fn within(timeout: Duration) -> ConnectOptions {
    ConnectOptions { timeout, ..Default::default() }
}

#[test]
fn a_silent_address_does_not_keep_the_next_from_being_tried() {
    let _alone = alone();
    let three = Three::new();
    let (server, seen) = started(2);
    let before = descriptors();
    for name in ["second.test", "third.test"] {
        let id = server.handle().connect(&three.url(name), within(PATIENCE)).unwrap();
        let _ = server.handle().write(id, b"early").unwrap();
        assert_eq!(opened(&seen), id);
        let to = three.answers.local_addr().unwrap();
        assert_eq!(server.handle().remote_address(id).unwrap(), Address::Inet(to));
        let (mut accepted, from) = three.answers.accept().unwrap();
        assert_eq!(common::read_exactly(&mut accepted, 5), b"early");
        assert_eq!(server.handle().local_address(id).unwrap(), Address::Inet(from));
        // The other attempts are closed: what is left is one socket at each end.
        eventually("the others are given up", || descriptors() == before + 2);
        server.handle().abort(id).unwrap();
        assert_eq!(closed(&seen).1.reason, CloseReason::Abort);
    }
    eventually("nothing is left", || descriptors() == before);
    assert_eq!(server.handle().metrics().connected, 2);
}

/// Attempts that the kernel makes on anybody's behalf, proc_net_tcp(5).
fn attempts_to(last: u8, port: u16) -> usize {
    const SYN_SENT: &str = "02";
    let to = format!("{:08X}:{port:04X}", u32::from_ne_bytes([127, 0, 89, last]));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields[2] == to && fields[3] == SYN_SENT).count()
}

/// A child that has copies of what is open now, until this is dropped.
struct Copies(libc::pid_t);

impl Copies {
    fn new() -> Copies {
        // SAFETY: the call takes no pointer; the child makes system calls only, until it is killed.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            // SAFETY: as above; it goes with its parent.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                loop {
                    libc::pause();
                }
            }
        }
        Copies(pid)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // SAFETY: our own child, which was not waited for yet; nobody asks how it ended.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, ptr::null_mut(), 0);
        }
    }
}

#[test]
fn attempts_that_are_given_up_end_though_a_child_has_copies_of_them() {
    let _alone = alone();
    let three = Three::new();
    let port = three.answers.local_addr().unwrap().port();
    let attempts = || [attempts_to(9, port), attempts_to(10, port)];
    let (server, seen) = started(1);
    let id = server.handle().connect(&three.url("silent.test"), within(PATIENCE)).unwrap();
    eventually("both are tried", || attempts() == [1, 1]);
    let _copies = Copies::new();
    server.handle().close(id).unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::LocalClose);
    eventually("the kernel makes none any more", || attempts() == [0, 0]);
}

#[test]
fn attempts_side_by_side_end_with_the_time_out_and_with_the_connection() {
    let _alone = alone();
    let three = Three::new();
    let (server, seen) = started(1);
    let (before, url) = (descriptors(), three.url("silent.test"));
    server.handle().connect(&url, within(Duration::from_secs(2))).unwrap();
    eventually("both are tried", || descriptors() == before + 2);
    assert_eq!(closed(&seen).1.reason, CloseReason::TimedOut);
    let id = server.handle().connect(&url, within(PATIENCE)).unwrap();
    eventually("both are tried", || descriptors() == before + 2);
    server.handle().close(id).unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::LocalClose);
    eventually("nothing is left", || descriptors() == before);
    server.handle().connect(&url, within(PATIENCE)).unwrap();
    eventually("both are tried", || descriptors() == before + 2);
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::Shutdown);
}

#[test]
fn names_that_hang_hold_nobody_up() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (server, seen) = started(2);
    let connect = |name: &str, timeout| {
        server.handle().connect(&format!("tcp://{name}:{port}"), within(timeout)).unwrap();
    };
    // Sixty for one name, and more names than are looked up at once.
    (0..60).for_each(|_| connect("hangs.test", Duration::from_millis(50)));
    (0..100).for_each(|number| connect(&format!("hang-{number}.test"), Duration::from_millis(50)));
    (0..160).for_each(|_| assert_eq!(closed(&seen).1.reason, CloseReason::TimedOut));
    connect("lives.test", PATIENCE);
    let _ = opened(&seen);
    drop(listener.accept().unwrap());
    let _ = closed(&seen);
    assert_eq!((asked("hangs.test"), asked("lives.test")), (1, 1));
    // Who asks for one that hangs is answered when it is.
    connect("hangs.test", PATIENCE);
    let_go();
    let _ = opened(&seen);
    server.handle().stop();
    server.wait().unwrap();
}

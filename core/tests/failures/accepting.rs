//! Accepting that fails for good, by whatever error: nobody spins, and other listeners go on (R1).

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{eventually, loops, read_exactly, tcp, Echo};
use reactor_core::Server;

/// From now on accept4 fails on this descriptor, for the calling thread and those that it starts.
fn refuse_accepting(on: RawFd, errno: i32) {
    let instruction = |code: u32, yes, no, k| libc::sock_filter { code: code as u16, jt: yes, jf: no, k };
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let is = |value, no| instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, no, value);
    let answer = |value| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value);
    let mut rules = [
        // The number of the call, and the lower half of its first argument.
        load(0),
        is(libc::SYS_accept4 as u32, 3),
        load(16),
        is(on as u32, 1),
        answer(libc::SECCOMP_RET_ERRNO | errno as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: rules.len() as u16, filter: rules.as_mut_ptr() };
    let none: libc::c_ulong = 0;
    // SAFETY: the program and its rules outlive the calls, which copy them.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, none, none, none), 0);
        let mode = libc::SECCOMP_MODE_FILTER as libc::c_ulong;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, none, none), 0);
    }
}

fn echoes(url: &str) {
    let mut stream = tcp(url);
    stream.write_all(b"served").unwrap();
    assert_eq!(read_exactly(&mut stream, 6), b"served");
}

fn serve_beside_one_that_fails(errno: i32, count: usize) {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = refused.local_addr().unwrap();
    let number = refused.into_raw_fd();
    refuse_accepting(number, errno);
    let server = Server::new(Echo, &loops(count)).unwrap();
    server.listen(&format!("fd://{number}")).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let errors = || server.handle().metrics().accept_errors;
    let _waits = tcp(&address.to_string());
    eventually("accepting fails", || errors() > 0);
    let (began, before) = (Instant::now(), errors());
    while began.elapsed() < Duration::from_millis(500) {
        echoes(&url);
        thread::sleep(Duration::from_millis(5));
    }
    let tries = errors() - before;
    // A pause of 100 ms after each; the first few may be shorter.
    let most = began.elapsed().as_millis() as u64 / 100 + 10;
    assert!(tries <= most, "errno {errno}, {count} loops: {tries} tries where {most} would do");
}

#[test]
fn an_error_that_repeats_makes_nobody_spin_and_holds_up_no_other_listener() {
    let errors = [libc::EPERM, libc::ENETDOWN, libc::EPROTO, libc::ECONNABORTED, libc::EMFILE, libc::EIO];
    let each = errors.into_iter().flat_map(|errno| [(errno, 1), (errno, 2)]);
    // Each on a thread of its own, as nobody takes the filter off again.
    let tests: Vec<_> =
        each.map(|(errno, count)| thread::spawn(move || serve_beside_one_that_fails(errno, count))).collect();
    tests.into_iter().for_each(|test| test.join().unwrap());
}

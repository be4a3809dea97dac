//! A name with several addresses: each is tried (D7). A program of its own, because it runs itself again, as a process
//! that sees a list of hosts of the test's.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says when it cannot run"
)]

mod common;

use std::env;
use std::net::TcpListener;
use std::process::Command;

use common::loops;
use common::net::{closed, opened, Probe};
use reactor_core::{Address, CloseReason, ConnectOptions, Server};

/// In the child: `several` has three addresses, and only the one tried last is listened on.
fn connect() {
    let listener = TcpListener::bind("127.0.88.3:0").unwrap();
    let to = listener.local_addr().unwrap();
    let (probe, seen) = Probe::new();
    let server = Server::new(probe, &loops(1)).unwrap();
    server.start().unwrap();
    let url = format!("tcp://several.test:{}", to.port());
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let _ = server.handle().write(id, b"early").unwrap();
    assert_eq!(opened(&seen), id);
    assert_eq!(server.handle().remote_address(id).unwrap(), Address::Inet(to));
    let (mut accepted, _) = listener.accept().unwrap();
    assert_eq!(common::read_exactly(&mut accepted, 5), b"early");
    server.handle().abort(id).unwrap();
    assert_eq!(closed(&seen).1.reason, CloseReason::Abort);
    drop(listener);
    server.handle().connect(&url, ConnectOptions::default()).unwrap();
    let how = closed(&seen).1;
    assert_eq!((how.reason, how.errno), (CloseReason::ConnectFailed, Some(libc::ECONNREFUSED)));
    assert_eq!(server.handle().connections(), 0);
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    if env::var_os("SEVERAL").is_some() {
        return connect();
    }
    let hosts = env::temp_dir().join(format!("reactor-test-{}-hosts", std::process::id()));
    std::fs::write(&hosts, "127.0.88.1 several.test\n127.0.88.2 several.test\n127.0.88.3 several.test\n")
        .unwrap();
    // A mount of our own over /etc/hosts, which nobody else sees.
    let script = "mount --bind \"$1\" /etc/hosts || exit 77; exec \"$0\" --nocapture";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let output = command.arg(env::current_exe().unwrap()).arg(&hosts).env("SEVERAL", "1").output();
    std::fs::remove_file(&hosts).unwrap();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
        other => println!("no mounts of our own here, not tried: {other:?}"),
    }
}

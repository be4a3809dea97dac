//! Sockets that a service manager opened: a new process finds them by LISTEN_FDS and serves (A6). A program of its own,
//! because it runs itself again: between the fork and the exec the new process holds every socket of its parent, and
//! other tests would wait for the ends of theirs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;

use reactor_core::{inherited, Action, Closed, Config, Conn, Handler, Server};

/// Answers once.
struct Service(Mutex<Sender<()>>);

impl Handler for Service {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let _ = conn.write(b"served: ").and_then(|_| conn.write(data));
        Action::Close
    }

    fn on_close(&self, _: &Conn<'_>, _: Closed) {
        self.0.lock().unwrap().send(()).unwrap();
    }
}

/// In the new process: serves one client.
fn serve() {
    assert_eq!(inherited().unwrap(), ["fd://3"]);
    let (sender, closed) = channel();
    let server = Server::new(Service(Mutex::new(sender)), &Config::default()).unwrap();
    let address = server.listen("fd://3").unwrap();
    assert_eq!(address, format!("tcp://{}", env::var("EXPECTED").unwrap()));
    assert!(server.listen("fd://3").is_err());
    server.start().unwrap();
    closed.recv().unwrap();
    server.handle().stop();
    server.wait().unwrap();
}

/// Runs this program again, with a listening socket as descriptor 3 and its variables, as a manager does.
fn start(variables: &str) -> (TcpStream, Output) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It waits in the listener's queue until the service is up.
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"hello").unwrap();
    let command = format!("exec 3<&0 </dev/null; {variables} EXPECTED={address} exec \"$0\" --nocapture");
    let program = env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).arg(program).stdin(Stdio::from(OwnedFd::from(listener)));
    (client, shell.output().unwrap())
}

#[test]
fn a_service_serves_the_socket_that_its_manager_opened() {
    if env::var_os("EXPECTED").is_some() {
        return serve();
    }
    assert_eq!(inherited().unwrap(), [""; 0]);
    let (mut client, output) = start("LISTEN_PID=$$ LISTEN_FDS=1");
    assert!(output.status.success(), "{output:?}");
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "served: hello");

    let (_client, output) = start("LISTEN_PID=$$ LISTEN_FDS=2000000000");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("LISTEN_FDS is 2000000000, but descriptor"), "{text}");
}

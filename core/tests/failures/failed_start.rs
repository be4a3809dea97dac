//! A start that fails leaves the server as before the call: what on_start handed in is given back, and its completions
//! are called (D4, D5, S1).

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::Mutex;

use crate::common;
use crate::common::loops;
use crate::common::net::{opened, Probe};
use reactor_core::{Action, Completed, ConnectOptions, ErrorKind, Server};

#[test]
fn what_on_start_wrote_is_given_back_and_completed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", elsewhere.local_addr().unwrap());
    let (told, completed) = channel();
    let told = Mutex::new(told);
    let (first, to) = (AtomicBool::new(true), url.clone());
    let (probe, seen) = Probe::new();
    let probe = probe.start(move |server| {
        if !first.swap(false, Ordering::SeqCst) {
            return Ok(Action::None);
        }
        let (id, told) = (server.connect(&to, ConnectOptions::default())?, told.lock().unwrap().clone());
        let _ = server.write_then(id, &[&[0; 900_000]], move |how| told.send(how).unwrap())?;
        let endpoint = server.endpoints(server.listeners()[0].id)[0];
        let _ = server.send_to(endpoint, "127.0.0.1:9".parse()?, &[0; 1000])?;
        Err("not yet".into())
    });
    let mut config = loops(1);
    config.byte_budget = 1 << 20;
    let server = Server::new(probe, &config).unwrap();
    server.listen("udp://127.0.0.1:0").unwrap();
    assert_eq!(server.start().unwrap_err().kind(), ErrorKind::HandlerFailed);
    assert_eq!(completed.try_iter().collect::<Vec<_>>(), [Completed::Cancelled]);
    assert_eq!((server.handle().queued_bytes(), server.handle().connections()), (0, 0));

    server.start().unwrap();
    let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    // The budget has room for this only if the first start's bytes are not counted any more.
    let _ = server.handle().write(id, &[0; 900_000]).unwrap();
    let (stream, _) = elsewhere.accept().unwrap();
    assert_eq!(common::read_exactly(&mut &stream, 900_000), vec![0; 900_000]);
}

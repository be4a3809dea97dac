//! What a host writes by id comes before what it writes in the callbacks of the turn that follows (D4, B3).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::sync::mpsc::channel;
use std::sync::Mutex;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::{loops, read_exactly, tcp};
use reactor_core::{Action, Server};

#[test]
fn a_timer_writes_behind_what_the_host_has_written_before() {
    let (tell, opened) = channel();
    let tell = Mutex::new(tell);
    let hooks = Hooks::new()
        .open(move |conn| {
            conn.start_timer(Duration::from_millis(20), Duration::ZERO).unwrap();
            tell.lock().unwrap().send(conn.id()).unwrap();
            Action::None
        })
        .timer(|conn, _| {
            let _ = conn.write(b"second").unwrap();
            Action::None
        });
    let server = Server::new(hooks, &loops(1)).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = server.start_hosted().unwrap();
    let mut stream = tcp(&url);
    let id = loop {
        assert!(hosted.turn(Some(Duration::from_millis(1))).unwrap());
        if let Ok(id) = opened.try_recv() {
            break id;
        }
    };
    // The timer is due, so that it is called in the next turn.
    std::thread::sleep(Duration::from_millis(40));
    let _ = server.handle().write(id, b"first ").unwrap();
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    assert!(hosted.turn(Some(Duration::ZERO)).unwrap());
    assert_eq!(read_exactly(&mut stream, 12), b"first second");
}

//! A host turns one server inside a callback of another: what it writes there to a connection of the outer one keeps its
//! place among what it writes in the outer callback (D4, B3).

// A host drives the server, and over poll(2) there is nothing for one to poll: see `hosted/unsupported.rs`.
#![cfg(not(reactor_poller = "poll"))]

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::{loops, read_exactly, tcp};
use reactor_core::{Action, ConnId, Handle, Hosted, Server};

thread_local! {
    static INNER: RefCell<Option<Hosted>> = const { RefCell::new(None) };
}

#[test]
fn what_is_written_in_a_turn_within_a_callback_keeps_its_place() {
    let outer_conn: Arc<OnceLock<(Handle, ConnId)>> = Arc::default();
    let target = Arc::clone(&outer_conn);
    let inner = Hooks::new().tick(move |_| {
        if let Some((outer, id)) = target.get() {
            let _ = outer.write(*id, b"2").unwrap();
        }
        Some(Duration::from_millis(1))
    });
    let inner = Server::new(inner, &loops(1)).unwrap();
    let hosted = inner.start_hosted().unwrap();
    INNER.set(Some(hosted));
    let outer = Hooks::new().data(move |conn, data| {
        let _ = conn.write(data).unwrap();
        if data == b"1" {
            outer_conn.set((conn.server().clone(), conn.id())).unwrap();
            INNER.with_borrow_mut(|inner| inner.as_mut().unwrap().turn(Some(Duration::ZERO)).unwrap());
            let _ = conn.write(b"3").unwrap();
        }
        Action::None
    });
    let outer = Server::new(outer, &loops(1)).unwrap();
    let url = outer.listen("tcp://127.0.0.1:0").unwrap();
    let mut hosted = outer.start_hosted().unwrap();
    let mut stream = tcp(&url);
    stream.write_all(b"0").unwrap();
    for _ in 0..5 {
        assert!(hosted.turn(Some(Duration::from_millis(20))).unwrap());
    }
    assert_eq!(read_exactly(&mut stream, 1), b"0");
    std::thread::sleep(Duration::from_millis(5));
    stream.write_all(b"1").unwrap();
    for _ in 0..5 {
        assert!(hosted.turn(Some(Duration::from_millis(20))).unwrap());
    }
    INNER.set(None);
    assert_eq!(read_exactly(&mut stream, 3), b"123");
}

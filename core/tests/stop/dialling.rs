//! A stop that meets a connect that fails at once: it has its on_close, too (L1, D7).

use std::io::Write;
use std::sync::Mutex;

use crate::common;
use crate::common::net::{opened, socket_path, Probe, Seen};
use crate::common::{loops, serve, tcp};
use reactor_core::{Action, CloseReason, ConnId, ConnectOptions};

#[test]
fn a_connect_that_fails_in_the_last_turn_reaches_on_close() {
    let nobody = format!("unix://{}", socket_path("nobody"));
    let (told, dialled) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let (probe, seen) = Probe::new();
    let probe = probe.data(move |conn, _| {
        let id = conn.server().connect(&nobody, ConnectOptions::default()).unwrap();
        told.lock().unwrap().send(id).unwrap();
        Action::Stop
    });
    let (server, url) = serve(probe, &loops(1));
    let mut peer = tcp(&url);
    let first = opened(&seen);
    peer.write_all(b"x").unwrap();
    let second = common::next(&dialled);
    server.wait().unwrap();
    let mut closes: Vec<(ConnId, CloseReason)> = Vec::new();
    for what in seen.try_iter() {
        match what {
            Seen::Close(id, closed) => closes.push((id, closed.reason)),
            other => assert!(matches!(other, Seen::Data(..) | Seen::Stop), "{other:?}"),
        }
    }
    closes.sort_by_key(|(id, _)| *id == second);
    assert_eq!(closes, [(first, CloseReason::Shutdown), (second, CloseReason::ConnectFailed)]);
    assert_eq!(server.handle().connections(), 0);
}

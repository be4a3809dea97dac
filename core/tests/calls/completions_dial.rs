//! A completion that is cancelled may dial at once: the connection that ends keeps its last callback (D4, L1, L6).

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;

use crate::common;
use crate::common::net;
use crate::common::net::{opened, Probe, Seen};
use crate::common::{eventually, loops, serve, tcp};
use reactor_core::{Action, CloseReason, Completed, Conn, ConnId, ConnectOptions};

/// Queues more than the kernel takes, with a completion that dials and tells how it was called and whom it made.
fn queue_and_redial(conn: &Conn<'_>, url: &str, told: Sender<(Completed, ConnId)>) {
    let (server, url) = (conn.server().clone(), url.to_owned());
    let dial = move |how| {
        let id = server.connect(&url, ConnectOptions::default()).unwrap();
        told.send((how, id)).unwrap();
    };
    let _ = conn.write_then(&[&vec![7; 32 << 20]], dial).unwrap();
}

/// A connection that queues and then ends as `ends` says: what was seen up to the opening of the one that was dialled.
fn end_with(ends: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> (ConnId, ConnId, Vec<Seen>) {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", elsewhere.local_addr().unwrap());
    let (told, dialled) = channel();
    let told = Mutex::new(told);
    let (probe, seen) = Probe::new();
    let probe = probe.data(move |conn, _| {
        queue_and_redial(conn, &url, told.lock().unwrap().clone());
        ends(conn)
    });
    let (server, address) = serve(probe, &loops(1));
    let mut peer = tcp(&address);
    let first = opened(&seen);
    peer.write_all(b"x").unwrap();
    assert_eq!(net::next(&seen), Seen::Data(first, b"x".to_vec(), None));
    let (how, second) = common::next(&dialled);
    assert_eq!(how, Completed::Cancelled);
    assert_ne!(first, second);
    let last = until_open(&seen, second);
    eventually("only the one that was dialled is left", || server.handle().connections() == 1);
    assert!(server.handle().is_open(second) && !server.handle().is_open(first));
    (first, second, last)
}

fn until_open(seen: &Receiver<Seen>, id: ConnId) -> Vec<Seen> {
    let mut all = Vec::new();
    while all.last() != Some(&Seen::Open(id)) {
        all.push(net::next(seen));
    }
    all
}

#[test]
fn an_aborted_connection_is_told_of_its_end() {
    let (first, second, last) = end_with(|conn| {
        conn.abort().unwrap();
        Action::None
    });
    let [Seen::Close(id, closed), Seen::Open(other)] = last[..] else { panic!("{last:?}") };
    assert_eq!((id, closed.reason, other), (first, CloseReason::Abort, second));
}

#[test]
fn a_detached_connection_is_handed_out() {
    let (first, second, last) = end_with(|_| Action::Detach);
    assert_eq!(last, [Seen::Detach(first), Seen::Open(second)]);
}

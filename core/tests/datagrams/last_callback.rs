//! The last callback of a UDP connection: what belongs to it is still there, and what was accepted before has had its
//! completion (L7, D4, D7).

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::thread;

use crate::common::net;
use crate::common::net::{opened, Probe, Seen};
use crate::common::{eventually, loops, next};
use reactor_core::{Action, CloseReason, Completed, ConnId, ConnectOptions, Server};

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Completed(Completed),
    Closed { context: Option<u32>, on_loop: Option<usize>, remote: Option<String> },
}

/// A UDP connection whose handler lets another thread write, then closes.
fn probe(events: Sender<Event>) -> (Probe, Receiver<Seen>) {
    let (completed, closed) = (Mutex::new(events.clone()), Mutex::new(events));
    let (probe, seen) = Probe::new();
    let probe = probe
        .open(|conn| {
            drop(conn.set_context(Box::new(7_u32)));
            Action::None
        })
        .data(move |conn, _| {
            let (handle, id, completed) = (conn.server(), conn.id(), completed.lock().unwrap().clone());
            let tell = move |how| completed.send(Event::Completed(how)).unwrap();
            thread::scope(|scope| {
                let write = scope.spawn(|| handle.write_then(id, &[b"last"], tell).map(drop));
                write.join().unwrap().unwrap();
            });
            Action::Close
        })
        .close(move |conn, _| {
            let event = Event::Closed {
                context: conn.with_context::<u32, _>(|context| *context),
                on_loop: conn.info().ok().map(|info| info.on_loop),
                remote: conn.remote_address().ok().map(|address| address.to_string()),
            };
            closed.lock().unwrap().send(event).unwrap();
        });
    (probe, seen)
}

#[test]
fn on_close_comes_after_the_completion_and_finds_the_connection() {
    let (sender, events) = channel();
    let (probe, seen) = probe(sender);
    let server = Server::new(probe, &loops(1)).unwrap();
    server.start().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    let id: ConnId = server.handle().connect(&format!("udp://{address}"), ConnectOptions::default()).unwrap();
    assert_eq!(opened(&seen), id);
    let local: SocketAddr = server.handle().local_address(id).unwrap().to_string().parse().unwrap();
    peer.send_to(b"x", local).unwrap();

    let first = next(&events);
    assert!(matches!(first, Event::Completed(_)), "{first:?}");
    let remote = Some(address.to_string());
    assert_eq!(next(&events), Event::Closed { context: Some(7), on_loop: Some(0), remote });
    assert_eq!(net::next(&seen), Seen::Data(id, b"x".to_vec(), Some(address)));
    let (ended, closed) = net::closed(&seen);
    assert_eq!((ended, closed.reason), (id, CloseReason::LocalClose));
    eventually("it is gone", || server.handle().connections() == 0);
}

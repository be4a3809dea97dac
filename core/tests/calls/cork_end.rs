//! What is asked for under a cork that outlives the loops: completions are still called, nothing stays counted (D4), and no peer
//! takes what it got for all there was (L4).

use std::io::{ErrorKind, Read};
use std::sync::mpsc::channel;

use crate::common::net::{opened, Probe};
use crate::common::{loops, serve, tcp};
use reactor_core::binding::Cork;
use reactor_core::{Completed, ConnectOptions};

#[test]
fn a_completion_under_a_cork_is_cancelled_when_the_server_has_ended() {
    let (probe, seen) = Probe::new();
    let (server, url) = serve(probe, &loops(1));
    let _peer = tcp(&url);
    let id = opened(&seen);
    let (told, completed) = channel();
    let cork = Cork::new();
    let _ = server.handle().write_then(id, &[b"late"], move |how| told.send(how).unwrap()).unwrap();
    let dialled = server.handle().connect(&url, ConnectOptions::default()).unwrap();
    server.handle().stop();
    server.wait().unwrap();
    drop(cork);
    assert_eq!(completed.try_iter().collect::<Vec<_>>(), [Completed::Cancelled]);
    assert_eq!(server.handle().connections(), 0);
    assert!(!server.handle().is_open(dialled));
}

#[test]
fn a_peer_is_reset_if_what_was_written_under_a_cork_comes_too_late() {
    let (probe, seen) = Probe::new();
    let (server, url) = serve(probe, &loops(1));
    let mut peer = tcp(&url);
    let id = opened(&seen);
    let cork = Cork::new();
    let _ = server.handle().write(id, b"late").unwrap();
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(peer.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(cork);
}

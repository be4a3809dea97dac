//! What is asked for under a cork that outlives the loops: completions are still called, and nothing stays counted
//! (D4).

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

//! Idle and read time-outs end a connection whose peer takes nothing of what is queued for it (T3, D5).

use std::time::Duration;

use crate::common::net::{closed, opened, Probe};
use crate::common::{eventually, loops, serve, tcp};
use reactor_core::{Action, CloseReason, Timeouts};

/// How a connection ends whose peer never reads, and that nothing is left of what was queued.
fn end_of_one_that_never_reads(timeouts: Timeouts) -> CloseReason {
    let (probe, seen) = Probe::new();
    let probe = probe.open(move |conn| {
        conn.set_timeouts(timeouts).unwrap();
        let _ = conn.write(&vec![7; 32 << 20]).unwrap();
        Action::None
    });
    // Not above the mark, so that it is read, and a read time-out counts.
    let mut config = loops(1);
    config.high_water = 48 << 20;
    let (server, url) = serve(probe, &config);
    let _peer = tcp(&url);
    let id = opened(&seen);
    let (ended, closed) = closed(&seen);
    assert_eq!(ended, id);
    eventually("it is gone", || server.handle().connections() == 0);
    assert_eq!(server.handle().queued_bytes(), 0);
    closed.reason
}

#[test]
fn the_idle_time_out_resets_it() {
    let timeouts = Timeouts { idle: Duration::from_millis(200), ..Timeouts::default() };
    assert_eq!(end_of_one_that_never_reads(timeouts), CloseReason::Idle);
}

#[test]
fn the_read_time_out_resets_it() {
    let timeouts = Timeouts { read: Duration::from_millis(200), ..Timeouts::default() };
    assert_eq!(end_of_one_that_never_reads(timeouts), CloseReason::TimedOut);
}

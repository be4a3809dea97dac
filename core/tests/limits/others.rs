//! While the server holds as many bytes as its budget allows, callbacks that bring no input come (D4, D5).

use crate::common::net::{next, opened, Probe, Seen};
use crate::common::{eventually, loops, serve, tcp};

#[test]
fn wakes_and_timers_of_others_come_while_the_budget_is_used_up() {
    let (probe, seen) = Probe::new();
    let mut config = loops(1);
    config.byte_budget = 16 << 20;
    let (server, url) = serve(probe, &config);
    let _stuck = tcp(&url);
    let hog = opened(&seen);
    let _other = tcp(&url);
    let other = opened(&seen);
    // To a peer that does not read.
    let fill = |conn: &reactor_core::Conn<'_>| while conn.write(&[7; 100_000]).is_ok() {};
    server.handle().run_on_conn(hog, fill).unwrap();
    eventually("the budget is used up", || server.handle().queued_bytes() > 1_000_000);
    let start = |conn: &reactor_core::Conn<'_>| {
        let _ = conn.start_timer(std::time::Duration::from_millis(1), std::time::Duration::ZERO).unwrap();
    };
    server.handle().run_on_conn(other, start).unwrap();
    assert_eq!(next(&seen), Seen::Timer(other));
    server.handle().wake(other).unwrap();
    assert_eq!(next(&seen), Seen::Wake(other));
}

//! A UDP endpoint hears of wakes while the server holds as many bytes as its budget allows (D4, D5, D6).

use crate::common::net::{next, opened, Probe, Seen};
use crate::common::{eventually, loops, tcp};
use reactor_core::Server;

#[test]
fn a_wake_comes_while_the_budget_is_used_up() {
    let (probe, seen) = Probe::new();
    let mut config = loops(1);
    config.byte_budget = 16 << 20;
    let server = Server::new(probe, &config).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let endpoint = server.handle().endpoints(server.handle().listeners()[1].id)[0];
    let _stuck = tcp(&url);
    let hog = opened(&seen);
    // To a peer that does not read.
    let fill = |conn: &reactor_core::Conn<'_>| while conn.write(&[7; 100_000]).is_ok() {};
    server.handle().run_on_conn(hog, fill).unwrap();
    eventually("the budget is used up", || server.handle().queued_bytes() > 1_000_000);
    server.handle().wake(endpoint).unwrap();
    assert_eq!(next(&seen), Seen::Wake(endpoint));
}

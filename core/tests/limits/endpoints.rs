//! A UDP endpoint hears of wakes while the server holds more bytes than its budget allows (D4, D5, D6).

use crate::common::net::{next, opened, Probe, Seen};
use crate::common::{eventually, loops, tcp};
use reactor_core::Server;

#[test]
fn a_wake_comes_while_the_budget_is_used_up() {
    let (probe, seen) = Probe::new();
    let mut config = loops(1);
    config.byte_budget = 100_000;
    let server = Server::new(probe, &config).unwrap();
    let url = server.listen("tcp://127.0.0.1:0").unwrap();
    server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let endpoint = server.handle().endpoints(server.handle().listeners()[1].id)[0];
    let _stuck = tcp(&url);
    let hog = opened(&seen);
    // Written on the loop, where the budget refuses nothing, to a peer that does not read.
    let fill = move |conn: &reactor_core::Conn<'_>| {
        let _ = conn.write(&vec![7; 30_000_000]).unwrap();
    };
    server.handle().run_on_conn(hog, fill).unwrap();
    eventually("the budget is used up", || server.handle().queued_bytes() > 1_000_000);
    server.handle().wake(endpoint).unwrap();
    assert_eq!(next(&seen), Seen::Wake(endpoint));
}

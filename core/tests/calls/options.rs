//! The option structs, filled as a user of the crate fills them: some members named, the others from the default.

use std::io::Write;
use std::sync::mpsc::{channel, Sender};
use std::time::Duration;

use crate::common::{next, read_exactly, tcp};
use reactor_core::{
    Action, ByteOrder, CloseReason, Closed, Config, Conn, ConnOptions, ConnectOptions, Framing, Handler,
    KeepAlive, LengthField, ListenOptions, Server, Timeouts, Width,
};

#[test]
fn members_that_are_not_named_come_from_the_default() {
    let config = Config { loops: 2, ..Config::default() };
    assert_eq!((config.loops, config.pin), (2, false));
    let listen = ListenOptions { backlog: 7, ..ListenOptions::default() };
    assert_eq!((listen.backlog, listen.reuseport), (7, None));
    let keep_alive = KeepAlive { count: 3, ..KeepAlive::default() };
    assert_eq!((keep_alive.count, keep_alive.idle), (3, Duration::ZERO));
    let timeouts = Timeouts { idle: Duration::from_secs(9), ..Timeouts::default() };
    let conn = ConnOptions { timeouts, ..ConnOptions::default() };
    assert_eq!((conn.timeouts.idle, conn.half_open), (Duration::from_secs(9), false));
    let connect = ConnectOptions { conn, on_loop: Some(1), ..ConnectOptions::default() };
    assert_eq!((connect.on_loop, connect.timeout), (Some(1), Duration::ZERO));
    let field = LengthField { width: Width::Two, ..LengthField::default() };
    assert_eq!(field, LengthField::new(Width::Two, ByteOrder::Big));
}

#[test]
fn a_reason_is_shown_by_its_name() {
    for reason in CloseReason::ALL {
        assert_eq!(reason.to_string(), reason.name());
    }
    assert_eq!(format!("<{:>12}>", CloseReason::TimedOut), "<    time-out>");
}

/// Answers the length of each frame.
struct Lengths {
    tell: Sender<CloseReason>,
}

impl Handler for Lengths {
    fn on_data(&self, conn: &Conn<'_>, frame: &[u8]) -> Action {
        conn.write(frame.len().to_string().as_bytes()).map_or(Action::Close, |_| Action::None)
    }

    fn on_close(&self, _: &Conn<'_>, closed: Closed) {
        self.tell.send(closed.reason).unwrap();
    }
}

#[test]
fn a_length_field_has_four_bytes_and_a_frame_sixteen_mebibytes_unless_said() {
    let (tell, reasons) = channel();
    let framing = Some(Framing::length_field(LengthField::default()));
    let server = Server::new(Lengths { tell }, &Config::default()).unwrap();
    let conns = ConnOptions { framing, ..ConnOptions::default() };
    let url = server.listen_with("tcp://127.0.0.1:0", &ListenOptions::default(), &conns).unwrap().address;
    server.start().unwrap();
    let mut client = tcp(&url);
    client.write_all(b"\0\0\0\x05hello").unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"5");
    // The header counts.
    let largest = vec![7; (16 << 20) - 4];
    client.write_all(b"\0\xff\xff\xfc").unwrap();
    client.write_all(&largest).unwrap();
    assert_eq!(read_exactly(&mut client, 8), b"16777212");
    client.write_all(b"\0\xff\xff\xfd").unwrap();
    assert_eq!(next(&reasons), CloseReason::Protocol);
}

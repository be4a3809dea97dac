//! The excess of connections is refused, in all and per client address, and places are given back (R3).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use crate::common;
use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, peer, read_to_any_end, send, serve_over, Over};
use crate::common::{eventually, loops, read_exactly};
use reactor_core::Action;
use socket2::{Domain, Socket, Type};

/// An echo; and how many connections were opened.
fn echo() -> (Hooks, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let hooks = Hooks::new()
        .open(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Action::None
        })
        .data(|conn, data| match data {
            b"detach" => Action::Detach,
            b"panic" => panic!("told to panic"),
            _ => conn.write(data).map_or(Action::Close, |_| Action::None),
        });
    (hooks, opened)
}

fn expect_service(socket: &mut Socket) {
    send(socket, b"hello");
    assert_eq!(read_exactly(socket, 5), b"hello");
}

#[test]
fn the_excess_is_refused_without_a_callback_and_places_come_back_on_every_path() {
    everywhere(|config, over| {
        let (hooks, opened) = echo();
        let mut config = config.clone();
        config.max_connections = 4;
        let (server, address) = serve_over(over, hooks, &config);
        let mut expected = 0;
        for ending in [&b"detach"[..], b"panic", b""] {
            let mut places: Vec<_> = (0..4).map(|_| peer(&address)).collect();
            places.iter_mut().for_each(expect_service);
            expected += 4;
            for _ in 0..10 {
                assert_eq!(read_to_any_end(&mut peer(&address)).0, b"");
            }
            assert_eq!(opened.load(Ordering::SeqCst), expected, "the refused have no on_open");
            if !ending.is_empty() {
                places.iter_mut().for_each(|place| send(place, ending));
            }
            drop(places);
            eventually("all have left", || server.handle().connections() == 0);
        }
        assert_eq!(server.handle().metrics().refused_by_total, 30);
    });
}

/// A connection from an address of the loopback network.
fn from(local: [u8; 4], to: &str) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((local, 0)).into()).unwrap();
    let to: std::net::SocketAddr = to.trim_start_matches("tcp://").parse().unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    socket
}

#[test]
fn an_address_has_no_more_than_its_share_and_the_others_are_served() {
    for number in [1, 3] {
        let (hooks, opened) = echo();
        let mut config = loops(number);
        config.max_connections_per_address = 2;
        let (server, address) = serve_over(Over::Tcp, hooks, &config);
        let mut greedy: Vec<_> = (0..2).map(|_| from([127, 0, 0, 2], &address)).collect();
        greedy.iter_mut().for_each(expect_service);
        for _ in 0..5 {
            assert_eq!(read_to_any_end(&mut from([127, 0, 0, 2], &address)).0, b"");
        }
        expect_service(&mut from([127, 0, 0, 3], &address));
        greedy.pop();
        eventually("its place is free", || {
            let mut again = from([127, 0, 0, 2], &address);
            std::io::Write::write_all(&mut again, b"x").is_ok() && one_byte(&mut again) == b"x"
        });
        assert!(server.handle().metrics().refused_by_address >= 5);
        assert!(opened.load(Ordering::SeqCst) >= 4);
    }
}

/// One byte, or none if the connection was refused.
fn one_byte(socket: &mut Socket) -> Vec<u8> {
    let mut byte = [0];
    match std::io::Read::read(socket, &mut byte) {
        Ok(1) => byte.to_vec(),
        _ => Vec::new(),
    }
}

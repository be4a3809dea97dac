//! The server's byte budget counts all that is held besides unsent and unfinished bytes: completions that wait, datagrams on their
//! way and those that wait for the handler, and what a detached connection hands out (D5).

use std::net::UdpSocket;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::net::{next as seen_next, Probe, Seen};
use crate::common::peer::{peer, send, serve_conns, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly};
use reactor_core::{
    Action, CloseReason, Completed, Config, ConnId, ConnOptions, Error, ErrorKind, Framing, Handle, Pressure,
    Server,
};

const BUDGET: usize = 4 << 20;
/// Bytes that each completion captures.
const CAPTURED: usize = 1000;
/// More than a connection has room for.
const MANY: usize = 2 * BUDGET / CAPTURED;

fn budget(number: usize) -> Config {
    Config { byte_budget: BUDGET, ..loops(number) }
}

fn telling(opened: Sender<ConnId>) -> Hooks {
    Hooks::new().open(move |conn| {
        opened.send(conn.id()).unwrap();
        Action::None
    })
}

/// Calls `write` until it answers full; how often it did not.
fn until_full(mut write: impl FnMut() -> Result<Pressure, Error>) -> usize {
    let refused = |accepted: &usize| match write() {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Full, "{accepted} were accepted: {error}");
            assert!(error.message().contains("budget"), "{error}");
            true
        }
    };
    (0..=MANY * 4).find(refused).unwrap()
}

/// Keeps a loop from doing anything until the sender is dropped.
fn hold_up(handle: &Handle, number: usize) -> Sender<()> {
    let ((go, gate), (began, begun)) = (channel::<()>(), channel());
    let wait = move |_: &Handle| {
        began.send(()).unwrap();
        assert!(gate.recv().is_err());
    };
    handle.run_on(number, wait).unwrap();
    next(&begun);
    go
}

/// A write with a completion that has captured some bytes.
fn write_then(
    handle: &Handle,
    id: ConnId,
    bytes: &[u8],
    done: &Sender<Completed>,
) -> Result<Pressure, Error> {
    let (captured, done) = ([7_u8; CAPTURED], done.clone());
    let completion = move |how| {
        assert_eq!(captured, [7; CAPTURED]);
        done.send(how).unwrap();
    };
    handle.write_then(id, &[bytes], completion)
}

/// So many writes were accepted as their completions leave room for, and no other thing.
fn expect_as_many_as_fit(accepted: usize) {
    assert!((BUDGET / CAPTURED / 4..MANY).contains(&accepted), "{accepted} completions were accepted");
}

fn expect_all_sent(done: &Receiver<Completed>, accepted: usize) {
    for _ in 0..accepted {
        assert_eq!(next(done), Completed::Sent);
    }
}

#[test]
fn completions_of_a_peer_that_takes_nothing_are_held_whoever_writes() {
    for (number, here) in [(1, true), (1, false), (3, true), (3, false)] {
        let ((opened, ids), (done, completed)) = (channel(), channel());
        // The kernel takes little.
        let (server, address) = serve_over(Over::Unix, telling(opened), &budget(number));
        let mut reader = peer(&address);
        let id = next(&ids);
        let much = vec![7; 1 << 20];
        for _ in 0..2 {
            let _ = server.handle().write(id, &much).unwrap();
            let (handle, done) = (server.handle().clone(), done.clone());
            let write = move || write_then(&handle, id, b"x", &done);
            let accepted = match here {
                false => until_full(write),
                true => {
                    let (told, counted) = channel();
                    let fill = move |_: &reactor_core::Conn<'_>| told.send(until_full(write)).unwrap();
                    server.handle().run_on_conn(id, fill).unwrap();
                    next(&counted)
                }
            };
            expect_as_many_as_fit(accepted);
            assert!(read_exactly(&mut reader, much.len()) == much);
            assert_eq!(read_exactly(&mut reader, accepted), vec![b'x'; accepted]);
            expect_all_sent(&completed, accepted);
        }
    }
}

#[test]
fn who_holds_much_by_completions_pays_for_it() {
    let ((opened, ids), (closed, closes), (done, completed)) = (channel(), channel(), channel());
    let hooks = telling(opened).close(move |conn, how| closed.send((conn.id(), how.reason)).unwrap());
    let (server, address) = serve_over(Over::Unix, hooks, &budget(1));
    let _still = peer(&address);
    let stuck = next(&ids);
    // A little more than the kernel takes.
    let _ = server.handle().write(stuck, &[7; 300_000]).unwrap();
    let accepted = until_full(|| write_then(server.handle(), stuck, b"x", &done));
    let mut others: Vec<_> = (0..4).map(|_| (peer(&address), next(&ids))).collect();
    for (_, id) in &others {
        let _ = server.handle().write(*id, &[7; 400_000]).unwrap();
    }
    assert_eq!(next(&closes), (stuck, CloseReason::Overflow));
    for _ in 0..accepted {
        assert_eq!(next(&completed), Completed::Cancelled);
    }
    for (other, _) in &mut others {
        assert!(read_exactly(other, 400_000) == [7; 400_000]);
    }
    assert_eq!(closes.try_iter().count(), 0);
}

#[test]
fn completions_on_their_way_are_held_of_writes_of_nothing_too() {
    for bytes in [&b""[..], b"x"] {
        let ((opened, ids), (done, completed)) = (channel(), channel());
        let (server, address) = serve_over(Over::Unix, telling(opened), &budget(1));
        let mut reader = peer(&address);
        let id = next(&ids);
        for _ in 0..2 {
            let held_up = hold_up(server.handle(), 0);
            let accepted = until_full(|| write_then(server.handle(), id, bytes, &done));
            drop(held_up);
            expect_as_many_as_fit(accepted);
            expect_all_sent(&completed, accepted);
            read_exactly(&mut reader, accepted * bytes.len());
        }
    }
}

#[test]
fn completions_of_datagrams_are_held() {
    let ((probe, seen), (done, completed)) = (Probe::new(), channel());
    let server = Server::new(probe, &budget(1)).unwrap();
    server.start().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", peer.local_addr().unwrap());
    let id = server.handle().connect(&url, Default::default()).unwrap();
    assert_eq!(seen_next(&seen), Seen::Open(id));
    for here in [false, true, false, true] {
        let (handle, done) = (server.handle().clone(), done.clone());
        let write = move || write_then(&handle, id, b"x", &done);
        let accepted = match here {
            false => {
                let held_up = hold_up(server.handle(), 0);
                let accepted = until_full(write);
                drop(held_up);
                accepted
            }
            true => {
                let (told, counted) = channel();
                server.handle().run_on(0, move |_| told.send(until_full(write)).unwrap()).unwrap();
                next(&counted)
            }
        };
        expect_as_many_as_fit(accepted);
        expect_all_sent(&completed, accepted);
    }
}

#[test]
fn datagrams_on_their_way_are_held_with_all_that_carries_them() {
    let server = Server::new(Probe::new().0, &budget(1)).unwrap();
    let listening = server.listen("udp://127.0.0.1:0").map(|_| server.handle().listeners()[0].id).unwrap();
    server.start().unwrap();
    let endpoint = server.handle().endpoints(listening)[0];
    let to = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut all = 0;
    for _ in 0..2 {
        let held_up = hold_up(server.handle(), 0);
        let accepted = until_full(|| server.handle().send_to(endpoint, to, b""));
        drop(held_up);
        // A command is larger than an address and a pointer to the bytes, and lists have room to grow.
        assert!((1000..BUDGET / 150).contains(&accepted), "{accepted} datagrams were accepted");
        all += accepted as u64;
        eventually("they are gone", || {
            let metrics = server.handle().metrics();
            metrics.datagrams_written + metrics.datagrams_dropped == all
        });
    }
}

/// What a write leaves of the budget that is for nearly all of it.
const ROOM: usize = 50_000;

/// Whether there is room for such a write.
fn has_room(server: &Server, id: ConnId) -> bool {
    match server.handle().write(id, &vec![7; BUDGET - ROOM]) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Full);
            false
        }
    }
}

#[test]
fn datagrams_that_wait_for_a_handler_that_has_paused_are_held() {
    const DATAGRAMS: usize = 8;
    let ((opened, ids), (got, came)) = (channel(), channel());
    let hooks = telling(opened).data(move |conn, bytes| {
        got.send((conn.id(), bytes.len())).unwrap();
        conn.pause().unwrap();
        Action::None
    });
    let server = Server::new(hooks, &budget(1)).unwrap();
    let tcp = server.listen("tcp://127.0.0.1:0").unwrap();
    let udp = server.listen("udp://127.0.0.1:0").unwrap();
    server.start().unwrap();
    let mut reader = peer(&tcp);
    let id = next(&ids);
    let held_up = hold_up(server.handle(), 0);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(udp.trim_start_matches("udp://")).unwrap();
    // Within a batch.
    (0..DATAGRAMS).for_each(|_| assert_eq!(sender.send(&[7; 10_000]).unwrap(), 10_000));
    drop(held_up);
    let (endpoint, _) = next(&came);
    let (told, done) = channel();
    server.handle().run_on(0, move |_| told.send(()).unwrap()).unwrap();
    next(&done);
    assert!(!has_room(&server, id));
    // Each pauses it anew.
    let mut received = 1;
    while server.handle().metrics().datagrams_read < DATAGRAMS as u64 && received < DATAGRAMS {
        server.handle().resume(endpoint).unwrap();
        assert_eq!(next(&came), (endpoint, 10_000));
        received += 1;
    }
    eventually("nothing waits", || has_room(&server, id));
    read_exactly(&mut reader, BUDGET - ROOM);
}

#[test]
fn what_is_handed_out_is_held_until_the_callback_has_returned() {
    let ((opened, ids), (detaching, detached), (go, gate)) = (channel(), channel(), channel::<()>());
    let gate = Mutex::new(gate);
    let hooks = telling(opened).detach(move |_, held| {
        detaching.send(held.input.len()).unwrap();
        next(&gate.lock().unwrap());
    });
    let conns = ConnOptions { framing: Some(Framing::line()), ..ConnOptions::default() };
    let (server, address) = serve_conns(Over::Unix, hooks, &budget(1), &conns);
    let mut leaving = peer(&address);
    let first = next(&ids);
    let mut reader = peer(&address);
    let second = next(&ids);
    send(&mut leaving, &vec![b'x'; BUDGET / 2]);
    eventually("half a line is read", || server.handle().info(first).unwrap().received == BUDGET as u64 / 2);
    server.handle().detach(first).unwrap();
    assert_eq!(next(&detached), BUDGET / 2);
    assert!(!has_room(&server, second));
    go.send(()).unwrap();
    eventually("it is handed out", || has_room(&server, second));
    read_exactly(&mut reader, BUDGET - ROOM);
}

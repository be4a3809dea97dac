//! The graceful stop (S3).

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::peer::{
    everywhere, finish, peer, read_all, read_to_any_end, send, serve_conns, serve_over, Over,
};
use crate::common::{eventually, loops, next, read_exactly, Random};
use reactor_core::{Action, CloseReason, Conn, ConnOptions, ErrorKind, Server};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// What happened to the server and its connections, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Open,
    Stopping(Option<usize>),
    Closed(CloseReason),
    Stopped,
}

/// An echo that tells what happens.
fn echo() -> (Hooks, Receiver<Event>) {
    let (events, happened) = channel();
    let (open, stopping, closed) = (events.clone(), events.clone(), events.clone());
    let hooks = Hooks::new()
        .open(move |_| {
            open.send(Event::Open).unwrap();
            Action::None
        })
        .data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None))
        .stopping(move |server| {
            assert!(server.is_stopping());
            stopping.send(Event::Stopping(server.current_loop())).unwrap();
        })
        .close(move |_, reason| closed.send(Event::Closed(reason.reason)).unwrap())
        .stop(move |_| events.send(Event::Stopped).unwrap());
    (hooks, happened)
}

#[test]
fn connections_finish_and_the_last_ends_the_server() {
    everywhere(|config, over| {
        let (hooks, events) = echo();
        let (server, address) = serve_over(over, hooks, config);
        let mut peers: Vec<_> = (0..5).map(|_| peer(&address)).collect();
        (0..5).for_each(|_| assert_eq!(next(&events), Event::Open));
        thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| server.handle().stop_gracefully(LONG))));
        });
        assert_eq!(next(&events), Event::Stopping(Some(0)));
        if over == Over::Tcp {
            let inet = address.trim_start_matches("tcp://").to_owned();
            eventually("connects are refused", || TcpStream::connect(&inet).is_err());
        }
        let error = server.handle().connect(&address, Default::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        for peer in &mut peers {
            send(peer, b"still served");
            assert_eq!(read_exactly(peer, 12), b"still served");
        }
        for mut peer in peers {
            finish(&peer);
            assert_eq!(read_all(&mut peer), b"");
        }
        server.wait().unwrap();
        // Those who tried whether they are refused, too early, were let in as well.
        let events: Vec<Event> = events.try_iter().collect();
        assert_eq!(events.last(), Some(&Event::Stopped));
        let count = |wanted: &Event| events.iter().filter(|event| *event == wanted).count();
        let (early, eofs) = (count(&Event::Open), count(&Event::Closed(CloseReason::Eof)));
        assert_eq!((eofs, events.len()), (5 + early, 6 + 2 * early), "{events:?}");
    });
}

#[test]
fn without_connections_it_ends_at_once_and_on_stopping_still_comes() {
    everywhere(|config, over| {
        let (hooks, events) = echo();
        let (server, _) = serve_over(over, hooks, config);
        server.handle().stop_gracefully(Duration::ZERO);
        server.wait().unwrap();
        assert_eq!([next(&events), next(&events)], [Event::Stopping(Some(0)), Event::Stopped]);
    });
}

#[test]
fn the_deadline_closes_the_rest_and_an_earlier_one_brings_it_forward() {
    everywhere(|config, over| {
        for brought_forward in [false, true] {
            let (hooks, events) = echo();
            let (server, address) = serve_over(over, hooks, config);
            let mut peers: Vec<_> = (0..3).map(|_| peer(&address)).collect();
            (0..3).for_each(|_| assert_eq!(next(&events), Event::Open));
            server.handle().stop_gracefully(if brought_forward { LONG } else { 30 * MS });
            assert_eq!(next(&events), Event::Stopping(Some(0)));
            if brought_forward {
                server.handle().stop_gracefully(LONG);
                server.handle().stop_gracefully(30 * MS);
            }
            (0..3).for_each(|_| assert_eq!(next(&events), Event::Closed(CloseReason::Shutdown)));
            server.wait().unwrap();
            assert_eq!(next(&events), Event::Stopped);
            peers.iter_mut().for_each(|peer| assert_eq!(read_to_any_end(peer).0, b""));
        }
    });
}

#[test]
fn stop_during_it_ends_it_at_once() {
    everywhere(|config, over| {
        let (hooks, events) = echo();
        let (server, address) = serve_over(over, hooks, config);
        let _peer = peer(&address);
        assert_eq!(next(&events), Event::Open);
        server.handle().stop_gracefully(LONG);
        assert_eq!(next(&events), Event::Stopping(Some(0)));
        server.handle().stop();
        server.handle().stop_gracefully(LONG);
        server.wait().unwrap();
        let rest = [next(&events), next(&events)];
        assert_eq!(rest, [Event::Closed(CloseReason::Shutdown), Event::Stopped]);
    });
}

#[test]
fn stop_in_on_stopping_ends_it_at_once_and_a_panic_there_changes_nothing() {
    for number in [1, 3] {
        let (hooks, events) = echo();
        let hooks = hooks.stopping(|server| server.stop());
        let (server, address) = serve_over(Over::Tcp, hooks, &loops(number));
        let _peer = peer(&address);
        assert_eq!(next(&events), Event::Open);
        server.handle().stop_gracefully(LONG);
        server.wait().unwrap();
        assert_eq!(next(&events), Event::Closed(CloseReason::Shutdown));

        let (hooks, events) = echo();
        let (server, address) = serve_over(Over::Tcp, hooks.stopping(|_| panic!("told to")), &loops(number));
        let mut peer = peer(&address);
        assert_eq!(next(&events), Event::Open);
        server.handle().stop_gracefully(LONG);
        send(&mut peer, b"served");
        assert_eq!(read_exactly(&mut peer, 6), b"served");
        drop(peer);
        server.wait().unwrap();
        assert_eq!(next(&events), Event::Closed(CloseReason::Eof));
    }
}

#[test]
fn queued_output_is_sent_before_the_end() {
    everywhere(|config, over| {
        let (hooks, events) = echo();
        let block = Random(6).bytes(10 << 20);
        let answer = block.clone();
        let hooks = hooks.data(move |conn, _| {
            let _ = conn.write(&answer).unwrap();
            conn.server().stop_gracefully(LONG);
            Action::Close
        });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert!(read_all(&mut peer) == block);
        drop(peer);
        server.wait().unwrap();
        let mut all: Vec<Event> = events.try_iter().collect();
        assert_eq!(all.pop(), Some(Event::Stopped));
        assert!(all.contains(&Event::Closed(CloseReason::LocalClose)));
    });
}

#[test]
fn it_can_be_asked_for_in_every_callback() {
    type Case = (&'static str, fn(Hooks) -> Hooks);
    fn stop(conn: &Conn<'_>) -> Action {
        conn.server().stop_gracefully(LONG);
        Action::Close
    }
    let cases: [Case; 7] = [
        ("on_open", |hooks| hooks.open(stop)),
        ("on_data", |hooks| hooks.data(|conn, _| stop(conn))),
        ("on_eof", |hooks| hooks.eof(stop)),
        ("on_wake", |hooks| {
            hooks.open(|conn| conn.wake().map_or(Action::Close, |()| Action::None)).wake(stop)
        }),
        ("on_timer", |hooks| {
            hooks
                .open(|conn| conn.start_timer(MS, Duration::ZERO).map_or(Action::Close, |_| Action::None))
                .timer(|conn, _| stop(conn))
        }),
        ("on_close", |hooks| {
            hooks.open(|_| Action::Close).close(|conn, _| conn.server().stop_gracefully(LONG))
        }),
        ("on_detach", |hooks| {
            hooks.open(|_| Action::Detach).detach(|conn, _| conn.server().stop_gracefully(LONG))
        }),
    ];
    for (name, case) in cases {
        everywhere(|config, over| {
            let stopping = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&stopping);
            let patient = Hooks::new().eof(|_| Action::None);
            let hooks = case(patient).stopping(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let conns = ConnOptions { half_open: true, ..ConnOptions::default() };
            let (server, address) = serve_conns(over, hooks, config, &conns);
            let mut peer = peer(&address);
            // It may be closed already.
            let _ = peer.write_all(b"go");
            finish(&peer);
            read_to_any_end(&mut peer);
            eventually(name, || stopping.load(Ordering::SeqCst) > 0);
            drop(peer);
            server.wait().unwrap();
            assert_eq!(stopping.load(Ordering::SeqCst), 1, "{name}");
        });
    }
}

#[test]
fn before_the_start_it_refuses_the_start() {
    for number in [1, 3] {
        let (hooks, events) = echo();
        let server = Server::new(hooks, &loops(number)).unwrap();
        server.handle().stop_gracefully(LONG);
        assert_eq!(server.start().unwrap_err().kind(), ErrorKind::Stopped);
        assert!(events.try_recv().is_err(), "no callback comes");
    }
}

#[test]
fn output_that_a_stop_drops_ends_in_a_reset_and_not_in_a_clean_end() {
    const MUCH: usize = 32 << 20;
    for deadline in [None, Some(10 * MS)] {
        let (opened, opens) = channel();
        let hooks = Hooks::new().open(move |conn| {
            let _ = conn.write(&vec![7; MUCH]).unwrap();
            opened.send(()).unwrap();
            Action::None
        });
        // A Unix socket cannot be reset.
        let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
        let mut peer = peer(&address);
        next(&opens);
        match deadline {
            None => server.handle().stop(),
            Some(deadline) => server.handle().stop_gracefully(deadline),
        }
        server.wait().unwrap();
        let (bytes, reset) = read_to_any_end(&mut peer);
        assert!(reset, "{deadline:?}: a clean end after {} bytes of {MUCH}", bytes.len());
    }
}

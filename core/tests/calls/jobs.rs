//! Functions run on loops, what can be seen of a connection, and on_pre_write (D3, D4, L7).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common;
use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_all, send, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly};
use reactor_core::{Action, Address, CloseReason, ConnId, ErrorKind, Handle};

fn echo() -> Hooks {
    Hooks::new().data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None))
}

#[test]
fn a_function_runs_on_the_loop_it_was_given_to_in_order_and_may_panic() {
    everywhere(|config, over| {
        let (server, address) = serve_over(over, echo(), config);
        let (ran, runs) = channel();
        for on_loop in 0..config.loops {
            for number in 0..100 {
                let ran = ran.clone();
                server
                    .handle()
                    .run_on(on_loop, move |server| {
                        ran.send((server.current_loop(), number)).unwrap();
                        assert_ne!(number, 50, "told to panic");
                    })
                    .unwrap();
            }
            for number in 0..100 {
                assert_eq!(next(&runs), (Some(on_loop), number));
            }
        }
        let error = server.handle().run_on(config.loops, |_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let mut peer = peer(&address);
        send(&mut peer, b"alive");
        assert_eq!(read_exactly(&mut peer, 5), b"alive");
        server.handle().stop();
        server.wait().unwrap();
        assert_eq!(server.handle().run_on(0, |_| ()).unwrap_err().kind(), ErrorKind::WrongState);
    });
}

#[test]
fn peers_are_served_between_many_functions_and_a_stop_runs_the_rest_in_order() {
    let (ran, runs) = channel();
    let served = ran.clone();
    let hooks = Hooks::new().data(move |_, _| {
        served.send(None).unwrap();
        Action::Stop
    });
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    let (begun, begins) = channel();
    let (go_on, goes_on) = channel::<()>();
    let wait = move |_: &Handle| {
        begun.send(()).unwrap();
        goes_on.recv().unwrap();
    };
    server.handle().run_on(0, wait).unwrap();
    next(&begins);
    send(&mut peer, b"x");
    for number in 0..300 {
        let ran = ran.clone();
        let run = move |_: &Handle| {
            thread::sleep(Duration::from_millis(1));
            ran.send(Some(number)).unwrap();
        };
        server.handle().run_on(0, run).unwrap();
    }
    go_on.send(()).unwrap();
    server.wait().unwrap();
    let mut runs: Vec<_> = runs.try_iter().collect();
    let served = runs.iter().position(Option::is_none).unwrap();
    assert!(served < 300, "the peer had to wait for all of them");
    runs.remove(served);
    assert_eq!(runs, (0..300).map(Some).collect::<Vec<_>>());
}

#[test]
fn every_function_that_was_accepted_runs_once_also_around_the_stop() {
    for number in [1, 3] {
        let (server, _) = serve_over(Over::Tcp, echo(), &loops(number));
        let (accepted, ran) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (server, accepted, ran) = (&server, &accepted, &ran);
                scope.spawn(move || {
                    let run = |ran: Arc<AtomicUsize>| {
                        server.handle().run_on(thread % number, move |_| {
                            ran.fetch_add(1, Ordering::SeqCst);
                        })
                    };
                    while run(Arc::clone(ran)).is_ok() {
                        accepted.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            eventually("some have run", || ran.load(Ordering::SeqCst) > 1000);
            server.handle().stop();
        });
        server.wait().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), accepted.load(Ordering::SeqCst));
    }
}

#[test]
fn a_function_on_a_connection_has_all_its_calls_and_on_a_dead_one_they_answer_closed() {
    everywhere(|config, over| {
        let (opened, ids) = channel();
        let hooks = echo().open(move |conn| {
            opened.send((conn.id(), conn.info().unwrap().on_loop)).unwrap();
            Action::None
        });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        let (id, on_loop) = next(&ids);
        let (ran, runs) = channel();
        let told = ran.clone();
        server
            .handle()
            .run_on_conn(id, move |conn| {
                assert_eq!(conn.server().current_loop(), Some(on_loop));
                let _ = conn.write(b"from a function").unwrap();
                conn.abort().unwrap();
                conn.server()
                    .run_on_conn(conn.id(), |_| panic!("not run: its connection is gone"))
                    .unwrap_or(());
                told.send(conn.write(b"x").unwrap_err().kind()).unwrap();
            })
            .unwrap();
        assert_eq!(next(&runs), ErrorKind::Closed);
        eventually("it is gone", || server.handle().connections() == 0);
        assert_eq!(server.handle().run_on_conn(id, |_| ()).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(server.handle().with_conn(id, |_| ()).unwrap_err().kind(), ErrorKind::Closed);
        drop(std::mem::replace(&mut peer, common::peer::peer(&address)));
        let (id, _) = next(&ids);
        server.handle().run_on_conn(id, |_| panic!("told to panic")).unwrap();
        send(&mut peer, b"alive");
        assert_eq!(read_exactly(&mut peer, 5), b"alive");
        assert_eq!(server.handle().with_conn(id, |_| ()).unwrap_err().kind(), ErrorKind::WrongThread);
    });
}

#[test]
fn info_and_addresses_can_be_read_in_every_callback_and_counts_are_right() {
    everywhere(|config, over| {
        let (seen, infos) = channel();
        let expected: Arc<Mutex<Option<Address>>> = Arc::default();
        let (in_data, in_close) = (seen.clone(), Arc::clone(&expected));
        let hooks = Hooks::new()
            .open(move |conn| {
                *expected.lock().unwrap() = Some(conn.remote_address().unwrap());
                seen.send(conn.info().unwrap()).unwrap();
                Action::None
            })
            .data(|conn, data| {
                let _ = conn.write(data).unwrap();
                let info = conn.info().unwrap();
                assert_eq!((info.received, info.queued), (data.len() as u64, data.len()));
                assert!(conn.local_address().is_ok() && conn.remote_address().is_ok());
                Action::Close
            })
            .close(move |conn, _| {
                let remote = conn.remote_address().expect("the peer's address in on_close");
                assert_eq!(Some(remote), *in_close.lock().unwrap());
                in_data.send(conn.info().unwrap()).unwrap();
            });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"twelve bytes");
        assert_eq!(read_all(&mut peer), b"twelve bytes");
        finish(&peer);
        let (opened, closed) = (next(&infos), next(&infos));
        assert_eq!((opened.received, opened.sent, opened.queued), (0, 0, 0));
        assert_eq!((closed.received, closed.sent, closed.queued), (12, 12, 0));
        assert_eq!((closed.listener, closed.on_loop), (opened.listener, opened.on_loop));
        assert_eq!(opened.listener, Some(server.handle().listeners()[0].id));
        assert!(closed.age >= opened.age);
    });
}

#[test]
fn on_pre_write_comes_once_a_turn_before_output_and_its_writes_leave_along() {
    let (inside, entered) = channel();
    let times = Arc::new(AtomicUsize::new(0));
    let (count, id) = (Arc::clone(&times), Arc::new(Mutex::new(None::<ConnId>)));
    let (known, hooked) = (Arc::clone(&id), Arc::clone(&id));
    let hooks = Hooks::new()
        .open(move |conn| {
            known.lock().unwrap().get_or_insert(conn.id());
            Action::None
        })
        .data(move |conn, data| {
            match data {
                b"quiet" => inside.send(()).unwrap(),
                _ => (0..10).for_each(|_| assert!(conn.write(b"a").is_ok())),
            }
            Action::None
        })
        .pre_write(move |server| {
            count.fetch_add(1, Ordering::SeqCst);
            let id = hooked.lock().unwrap().unwrap();
            let _ = server.write(id, b"b").unwrap();
            assert_eq!(server.current_loop(), Some(0));
            panic!("told to panic");
        });
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    send(&mut peer, b"quiet");
    next(&entered);
    let (turned, turn) = channel();
    server.handle().run_on(0, move |_| turned.send(()).unwrap()).unwrap();
    next(&turn);
    assert_eq!(times.load(Ordering::SeqCst), 0, "there was nothing to send");
    let writes = server.handle().metrics().writes;
    send(&mut peer, b"go");
    assert_eq!(read_exactly(&mut peer, 11), b"aaaaaaaaaab");
    assert_eq!(times.load(Ordering::SeqCst), 1);
    eventually("counted", || server.handle().metrics().writes > writes);
    assert_eq!(server.handle().metrics().writes, writes + 1, "ten writes, and one more, in one call");
}

#[test]
fn a_callback_that_panics_closes_its_own_connection_whatever_the_callback() {
    type Case = (&'static str, fn(Hooks) -> Hooks);
    let cases: [Case; 5] = [
        ("on_open", |hooks| hooks.open(|_| panic!("told to panic"))),
        ("on_data", |hooks| hooks.data(|_, _| panic!("told to panic"))),
        ("on_wake", |hooks| {
            hooks
                .data(|conn, _| conn.wake().map_or(Action::None, |()| Action::None))
                .wake(|_| panic!("told to panic"))
        }),
        ("on_timer", |hooks| {
            hooks
                .data(|conn, _| {
                    conn.start_timer(Duration::ZERO, Duration::from_millis(1)).unwrap();
                    Action::None
                })
                .timer(|_, _| panic!("told to panic"))
        }),
        ("on_drain", |hooks| {
            hooks
                .data(|conn, _| conn.write(&[7; 3_000_000]).map_or(Action::Close, |_| Action::None))
                .drain(|_| panic!("told to panic"))
        }),
    ];
    for (name, case) in cases {
        everywhere(|config, over| {
            let (closed, closes) = channel();
            let hooks = case(Hooks::new()).close(move |_, reason| closed.send(reason.reason).unwrap());
            let (_server, address) = serve_over(over, hooks, config);
            let mut peer = peer(&address);
            if name != "on_open" {
                send(&mut peer, b"go");
            }
            let answer = read_all(&mut peer);
            assert_eq!(answer.len(), if name == "on_drain" { 3_000_000 } else { 0 }, "{name}");
            drop(peer);
            assert_eq!(next(&closes), CloseReason::HandlerError, "{name}");
        });
    }
}

#[test]
fn a_panic_after_a_close_or_detach_in_the_same_callback_is_still_a_handler_error() {
    type Ends = fn(&reactor_core::Conn<'_>);
    let cases: [(&str, Ends); 3] = [
        ("end", |conn| conn.end().unwrap()),
        ("close", |conn| conn.close().unwrap()),
        ("detach", |conn| conn.detach().unwrap()),
    ];
    for (name, ends) in cases {
        let (closed, closes) = channel();
        let detached = closed.clone();
        let hooks = Hooks::new()
            .data(move |conn, _| {
                ends(conn);
                panic!("told to panic");
            })
            .detach(move |_, _| detached.send(None).unwrap())
            .close(move |_, reason| closed.send(Some(reason.reason)).unwrap());
        let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert_eq!(read_all(&mut peer), b"");
        drop(peer);
        assert_eq!(next(&closes), Some(CloseReason::HandlerError), "{name}");
    }
}

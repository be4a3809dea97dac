//! Timers and ticks (T1, T2).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common;
use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, peer, send, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly, Random};
use reactor_core::{Action, ConnId, ConnectOptions, ErrorKind, Handle, Server, TimerId};

const MS: Duration = Duration::from_millis(1);
const ONCE: Duration = Duration::ZERO;

/// Runs `set` on loop 0 of a server without connections, and gives what it sends.
fn on_a_loop<T: Send + 'static>(
    number: usize,
    set: impl FnOnce(&Handle, Sender<T>) + Send + 'static,
) -> Vec<T> {
    let server = Server::new(Hooks::new(), &loops(number)).unwrap();
    server.start().unwrap();
    let (events, happened) = channel();
    server.handle().run_on(number - 1, move |server| set(server, events)).unwrap();
    // Ends when the last sender is dropped, with the last timer.
    let mut all = Vec::new();
    while let Ok(event) = happened.recv_timeout(common::PATIENCE) {
        all.push(event);
    }
    all
}

#[test]
fn a_hundred_thousand_timers_fire_in_order_and_none_early() {
    let fired = on_a_loop(3, |server, events| {
        let (mut random, began) = (Random(5), Instant::now());
        for number in 0..100_000 {
            let (events, delay) = (events.clone(), MS * random.below(300) as u32);
            let fire = move |_: &Handle| events.send((number, delay, began.elapsed() >= delay)).unwrap();
            server.start_timer(delay, ONCE, fire).unwrap();
        }
    });
    assert_eq!(fired.len(), 100_000);
    assert!(fired.iter().all(|(_, _, late)| *late), "none is early");
    let in_order = fired.windows(2).all(|pair| (pair[0].1, pair[0].0) < (pair[1].1, pair[1].0));
    assert!(in_order, "by delay, and those of one delay as they were started");
}

#[test]
fn a_repeating_timer_can_end_itself_in_its_own_callback() {
    for number in [1, 3] {
        let fired = on_a_loop(number, |server, events| {
            let (times, own) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None::<TimerId>)));
            let known = Rc::clone(&own);
            let timer = server.start_timer(MS, MS, move |server| {
                times.set(times.get() + 1);
                events.send(times.get()).unwrap();
                if times.get() == 5 {
                    assert_eq!(server.cancel_timer(known.get().unwrap()), Ok(true));
                    assert_eq!(server.cancel_timer(known.get().unwrap()), Ok(false), "twice");
                }
            });
            own.set(Some(timer.unwrap()));
        });
        assert_eq!(fired, [1, 2, 3, 4, 5]);
    }
}

#[test]
fn a_timer_that_is_due_can_still_be_cancelled_by_the_one_before() {
    let fired = on_a_loop(1, |server, events| {
        let victim = Rc::new(Cell::new(None::<TimerId>));
        let (killer_events, known) = (events.clone(), Rc::clone(&victim));
        let killer = move |server: &Handle| {
            killer_events.send("killer").unwrap();
            assert_eq!(server.cancel_timer(known.get().unwrap()), Ok(true));
        };
        server.start_timer(5 * MS, ONCE, killer).unwrap();
        let victim_timer = server.start_timer(5 * MS, ONCE, move |_| events.send("victim").unwrap());
        victim.set(Some(victim_timer.unwrap()));
    });
    assert_eq!(fired, ["killer"]);
}

#[test]
fn a_timer_of_no_delay_that_starts_itself_anew_does_not_starve_the_loop() {
    fn again(server: &Handle) {
        server.start_timer(ONCE, ONCE, again).unwrap();
    }
    let hooks = Hooks::new().data(|conn, data| {
        again(conn.server());
        conn.write(data).map_or(Action::Close, |_| Action::None)
    });
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    for _ in 0..20 {
        send(&mut peer, b"hi");
        assert_eq!(read_exactly(&mut peer, 2), b"hi");
    }
}

#[test]
fn what_a_cancelled_timer_owns_is_dropped_at_once_and_may_call_the_server() {
    struct Calls(Handle, Sender<&'static str>);
    impl Drop for Calls {
        fn drop(&mut self) {
            self.0.start_timer(MS, ONCE, |_| ()).unwrap();
            self.1.send("dropped").unwrap();
        }
    }
    let happened = on_a_loop(1, |server, events| {
        let owned = Calls(server.clone(), events.clone());
        let timer =
            server.start_timer(Duration::from_secs(3600), MS, move |_| assert!(owned.0.loops() > 0)).unwrap();
        server.cancel_timer(timer).unwrap();
        events.send("cancelled").unwrap();
    });
    assert_eq!(happened, ["dropped", "cancelled"]);
}

#[test]
fn a_timer_that_panics_goes_on_if_it_repeats() {
    let fired = on_a_loop(1, |server, events| {
        let (times, own) = (Cell::new(0), Rc::new(Cell::new(None::<TimerId>)));
        let known = Rc::clone(&own);
        let timer = server.start_timer(MS, MS, move |server| {
            times.set(times.get() + 1);
            events.send(times.get()).unwrap();
            if times.get() == 3 {
                server.cancel_timer(known.get().unwrap()).unwrap();
            }
            panic!("told to panic");
        });
        own.set(Some(timer.unwrap()));
    });
    assert_eq!(fired, [1, 2, 3]);
}

#[test]
fn timers_are_of_their_own_loop() {
    let server = Server::new(Hooks::new(), &loops(2)).unwrap();
    server.start().unwrap();
    let refused = server.handle().start_timer(MS, ONCE, |_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongThread);
    let (sender, ids) = channel();
    server
        .handle()
        .run_on(0, move |server| {
            sender.send(server.start_timer(Duration::from_secs(60), ONCE, |_| ()).unwrap()).unwrap();
        })
        .unwrap();
    let timer = next(&ids);
    assert_eq!(server.handle().cancel_timer(timer).unwrap_err().kind(), ErrorKind::WrongThread);
    let (done, results) = channel();
    for on_loop in [1, 0] {
        let done = done.clone();
        server
            .handle()
            .run_on(on_loop, move |server| done.send(server.cancel_timer(timer)).unwrap())
            .unwrap();
        assert_eq!(next(&results), Ok(on_loop == 0), "loop {on_loop}");
    }
}

#[test]
fn a_connections_timers_fire_in_order_and_end_with_it() {
    everywhere(|config, over| {
        let ((fired, timers), (closed, closes)) = (channel(), channel());
        let ended = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ended);
        let hooks = Hooks::new()
            .open(|conn| {
                let delays = [30, 10, 20].map(|delay| conn.start_timer(MS * delay, ONCE).unwrap());
                let repeating = conn.start_timer(5 * MS, 5 * MS).unwrap();
                conn.set_context(Box::new((delays, repeating)));
                Action::None
            })
            .timer(move |conn, timer| {
                assert!(!seen.lock().unwrap().contains(&conn.id()), "on_timer after on_close");
                type Timers = ([TimerId; 3], TimerId);
                let which = conn
                    .with_context(|(delays, _): &mut Timers| delays.iter().position(|other| *other == timer));
                if let Some(which) = which.flatten() {
                    assert!(!conn.cancel_timer(timer), "it is over");
                    fired.send((conn.id(), which)).unwrap();
                    if which == 0 {
                        return Action::Close;
                    }
                }
                Action::None
            })
            .close(move |conn, _| {
                assert_eq!(conn.start_timer(MS, MS).unwrap_err().kind(), ErrorKind::Closed);
                ended.lock().unwrap().push(conn.id());
                closed.send(()).unwrap();
            });
        let (_server, address) = serve_over(over, hooks, config);
        let peers: Vec<_> = (0..10).map(|_| peer(&address)).collect();
        let mut orders: HashMap<ConnId, Vec<usize>> = HashMap::new();
        for _ in 0..30 {
            let (id, which) = next(&timers);
            orders.entry(id).or_default().push(which);
        }
        drop(peers);
        (0..10).for_each(|_| next(&closes));
        assert_eq!(orders.len(), 10);
        assert!(orders.values().all(|order| *order == [1, 2, 0]), "by delay: {orders:?}");
    });
}

#[test]
fn closing_a_connection_in_anothers_timer_silences_its_own() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let (fired, known) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&ids));
    let count = Arc::clone(&fired);
    let hooks = Hooks::new()
        .open(move |conn| {
            known.lock().unwrap().push(conn.id());
            Action::None
        })
        .data(|conn, _| {
            // Both due in the same millisecond, on the same loop.
            let ids = ids_of(conn.server());
            for id in ids {
                let _ = conn.server().with_conn(id, |other| other.start_timer(10 * MS, ONCE).unwrap());
            }
            Action::None
        })
        .timer(move |conn, _| {
            count.fetch_add(1, Ordering::SeqCst);
            for id in ids_of(conn.server()) {
                let _ = conn.server().abort(id);
            }
            Action::None
        });
    IDS.set(Mutex::default()).unwrap();
    let (server, address) = serve_over(Over::Unix, hooks, &loops(1));
    let (mut first, _second) = (peer(&address), peer(&address));
    eventually("both are open", || ids.lock().unwrap().len() == 2);
    *IDS.get().unwrap().lock().unwrap() = ids.lock().unwrap().clone();
    send(&mut first, b"go");
    eventually("both are gone", || server.handle().connections() == 0);
    assert_eq!(fired.load(Ordering::SeqCst), 1);
}

static IDS: std::sync::OnceLock<Mutex<Vec<ConnId>>> = std::sync::OnceLock::new();

fn ids_of(_: &Handle) -> Vec<ConnId> {
    IDS.get().unwrap().lock().unwrap().clone()
}

#[test]
fn an_outgoing_connection_has_no_on_timer_before_on_open() {
    // The backlog is full: connecting waits.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let (events, happened) = channel();
    let (opens, closes) = (events.clone(), events.clone());
    let hooks = Hooks::new()
        .open(move |_| {
            opens.send("open").unwrap();
            Action::None
        })
        .timer(move |_, _| {
            events.send("timer").unwrap();
            Action::None
        })
        .close(move |_, _| closes.send("close").unwrap());
    let server = Server::new(hooks, &loops(1)).unwrap();
    server.start().unwrap();
    let connect = |timeout| {
        let options = ConnectOptions { timeout, ..ConnectOptions::default() };
        server.handle().connect(&format!("tcp://{address}"), options).unwrap()
    };
    // One fills the backlog, the next waits for its own time-out.
    connect(ONCE);
    assert_eq!(next(&happened), "open");
    let mut last = "open";
    while last == "open" {
        let id = connect(100 * MS);
        server.handle().run_on_conn(id, |conn| drop(conn.start_timer(10 * MS, ONCE))).unwrap();
        last = next(&happened);
    }
    assert_eq!(last, "close", "on_open first, or on_close alone");
}

#[test]
fn ticks_come_once_per_server_and_stop_when_told() {
    for number in [1, 3] {
        let (ticked, ticks) = channel();
        let times = AtomicUsize::new(0);
        let hooks = Hooks::new().tick(move |server| {
            ticked.send((server.current_loop(), Instant::now())).unwrap();
            match times.fetch_add(1, Ordering::SeqCst) {
                0 => Some(Duration::ZERO),
                1 => panic!("told to panic"),
                2 => Some(20 * MS),
                _ => None,
            }
        });
        let server = Server::new(hooks, &loops(number)).unwrap();
        server.start().unwrap();
        let ticks: Vec<_> = (0..4).map(|_| next(&ticks)).collect();
        assert!(ticks.iter().all(|(on_loop, _)| *on_loop == Some(0)));
        assert!(ticks[3].1 - ticks[2].1 >= 20 * MS, "not early");
    }
}

thread_local! {
    static DEPTH: RefCell<usize> = const { RefCell::new(0) };
}

#[test]
fn a_callback_never_runs_inside_another() {
    let (woken, wakes) = channel();
    let inside = |work: &dyn Fn()| {
        DEPTH.with_borrow_mut(|depth| *depth += 1);
        assert_eq!(DEPTH.with_borrow(|depth| *depth), 1, "a callback in a callback");
        work();
        DEPTH.with_borrow_mut(|depth| *depth -= 1);
    };
    let hooks = Hooks::new()
        .data(move |conn, _| {
            inside(&|| {
                conn.wake().unwrap();
                conn.start_timer(ONCE, ONCE).unwrap();
                let _ = conn.write_then(&[b"x"], move |_| inside(&|| ())).unwrap();
                conn.server().run_on(0, move |_| inside(&|| ())).unwrap();
                conn.server().start_timer(ONCE, ONCE, move |_| inside(&|| ())).unwrap();
            });
            Action::None
        })
        .timer(move |conn, _| {
            inside(&|| conn.close().unwrap());
            Action::None
        })
        .wake(move |_| {
            inside(&|| ());
            Action::None
        })
        .close(move |_, closed| inside(&|| woken.send(closed.reason).unwrap()));
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    send(&mut peer, b"go");
    assert_eq!(read_exactly(&mut peer, 1), b"x");
    assert_eq!(common::peer::read_all(&mut peer), b"");
    drop(peer);
    assert_eq!(next(&wakes), reactor_core::CloseReason::LocalClose);
}

//! Times without end: the longest duration there is means never, and breaks nothing (T2, T3).

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::peer::{peer, send, serve_over, Over};
use crate::common::{loops, next, read_exactly};
use reactor_core::{Action, Timeouts};

const MS: Duration = Duration::from_millis(1);

fn echo() -> Hooks {
    Hooks::new().data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None))
}

#[test]
fn a_timer_with_an_endless_repeat_fires_once() {
    let (fired, timers) = channel();
    let again = fired.clone();
    let hooks = echo()
        .open(move |conn| {
            let fired = fired.clone();
            conn.start_timer(MS, Duration::MAX).unwrap();
            conn.server().start_timer(MS, Duration::MAX, move |_| fired.send("loop").unwrap()).unwrap();
            conn.start_timer(Duration::MAX, Duration::MAX).unwrap();
            Action::None
        })
        .timer(move |_, _| {
            again.send("connection").unwrap();
            Action::None
        });
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    let mut both = [next(&timers), next(&timers)];
    both.sort_unstable();
    assert_eq!(both, ["connection", "loop"]);
    let (done, finished) = channel();
    server
        .handle()
        .run_on(0, move |server| {
            let done = done.clone();
            server.start_timer(50 * MS, Duration::ZERO, move |_| done.send(()).unwrap()).unwrap();
        })
        .unwrap();
    next(&finished);
    assert!(timers.try_recv().is_err(), "fired again");
    send(&mut peer, b"alive");
    assert_eq!(read_exactly(&mut peer, 5), b"alive");
}

#[test]
fn endless_time_outs_do_not_end_a_paused_connection() {
    let (closed, closes) = channel();
    let hooks = Hooks::new()
        .open(|conn| {
            conn.pause().unwrap();
            let timeouts = Timeouts { idle: 30 * MS, read: Duration::MAX, write: Duration::MAX };
            conn.set_timeouts(timeouts).unwrap();
            conn.start_timer(10 * MS, 10 * MS).unwrap();
            Action::None
        })
        .timer(|conn, timer| {
            let _ = conn.write(b".").unwrap();
            if conn.info().unwrap().sent > 10 {
                conn.cancel_timer(timer);
                conn.set_timeouts(Timeouts::default()).unwrap();
                conn.resume().unwrap();
            }
            Action::None
        })
        .data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None))
        .close(move |_, reason| closed.send(reason).unwrap());
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut peer = peer(&address);
    send(&mut peer, b"!");
    let mut dots = 0;
    while read_exactly(&mut peer, 1) == b"." {
        dots += 1;
    }
    assert!(dots > 10);
    assert!(closes.try_recv().is_err());
}

#[test]
fn an_endless_tick_is_no_tick() {
    let (ticked, ticks) = channel();
    let hooks = echo().tick(move |_| {
        ticked.send(()).unwrap();
        Some(Duration::MAX)
    });
    let (_server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    next(&ticks);
    let mut peer = peer(&address);
    send(&mut peer, b"alive");
    assert_eq!(read_exactly(&mut peer, 5), b"alive");
    assert!(ticks.try_recv().is_err());
}

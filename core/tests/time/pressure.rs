//! The read time-out begins anew when backpressure ends: while the engine did not read, nobody was late (T3, D5).

use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::{loops, next, read_exactly, serve, tcp};
use reactor_core::{Action, CloseReason, Conn, Timeouts};

const READ: Duration = Duration::from_millis(800);
const QUEUED: usize = 32 << 20;

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Timer,
    Drain,
    Close(CloseReason),
}

fn start_timer(conn: &Conn<'_>, delay: Duration) -> Action {
    let _ = conn.start_timer(delay, Duration::ZERO).unwrap();
    Action::None
}

fn hooks(events: Sender<Event>) -> Hooks {
    let (timer, drain, close) = (Mutex::new(events.clone()), Mutex::new(events.clone()), Mutex::new(events));
    Hooks::new()
        .open(|conn| {
            let timeouts = Timeouts { read: READ, ..Timeouts::default() };
            conn.set_timeouts(timeouts).unwrap();
            let _ = conn.write(&vec![7; QUEUED]).unwrap();
            start_timer(conn, READ * 7 / 4)
        })
        .timer(move |_, _| {
            timer.lock().unwrap().send(Event::Timer).unwrap();
            Action::None
        })
        .drain(move |conn| {
            drain.lock().unwrap().send(Event::Drain).unwrap();
            start_timer(conn, READ / 2)
        })
        .close(move |_, closed| close.lock().unwrap().send(Event::Close(closed.reason)).unwrap())
}

#[test]
fn the_read_time_out_begins_anew_at_the_low_water_mark() {
    let (sender, events) = channel();
    let (_server, url) = serve(hooks(sender), &loops(1));
    let mut peer = tcp(&url);
    // For longer than the time-out the peer takes nothing, and so is not read.
    assert_eq!(next(&events), Event::Timer);
    assert!(read_exactly(&mut peer, QUEUED) == vec![7; QUEUED]);
    assert_eq!(next(&events), Event::Drain);
    // All by the loop's own clock: half the time-out goes by before it is over.
    assert_eq!(next(&events), Event::Timer);
    assert_eq!(read_exactly(&mut peer, 0), b"");
    drop(peer);
    assert!(matches!(next(&events), Event::Close(_)));
}

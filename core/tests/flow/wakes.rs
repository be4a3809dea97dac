//! A loop that sleeps wakes for whatever other threads leave, however short before it fell asleep (D4, T4).

use std::io::Write;
use std::sync::mpsc::channel;
use std::sync::Mutex;
use std::thread;

use crate::common::hooks::Hooks;
use crate::common::{loops, next, read_exactly, serve, tcp};
use reactor_core::Action;

#[test]
fn no_wake_up_is_lost() {
    let (tell, opened) = channel();
    let tell = Mutex::new(tell);
    let (wakes, woken) = channel();
    let wakes = Mutex::new(wakes);
    let hooks = Hooks::new()
        .open(move |conn| {
            tell.lock().unwrap().send(conn.id()).unwrap();
            Action::None
        })
        .data(|conn, data| {
            let _ = conn.write(data).unwrap();
            Action::None
        })
        .wake(move |_| {
            wakes.lock().unwrap().send(()).unwrap();
            Action::None
        });
    let (server, url) = serve(hooks, &loops(1));
    thread::scope(|scope| {
        for kind in 0..3 {
            let mut stream = tcp(&url);
            let (id, handle, woken) = (next(&opened), server.handle(), &woken);
            // One thread for each way, so that they meet the loop in all its states.
            if kind == 2 {
                (0..3000).for_each(|_| {
                    handle.wake(id).unwrap();
                    next(woken);
                });
                continue;
            }
            scope.spawn(move || {
                for round in 0..30_000_u32 {
                    let bytes = round.to_le_bytes();
                    match kind {
                        0 => drop(handle.write(id, &bytes).unwrap()),
                        _ => stream.write_all(&bytes).unwrap(),
                    }
                    assert_eq!(read_exactly(&mut stream, 4), bytes);
                }
            });
        }
    });
}

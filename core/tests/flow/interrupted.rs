//! Connections that flow while other threads pause, wake, resume, end and close them: every request is answered or its connection
//! has ended, and each that opened closes once (D4, L1, T4).

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::{eventually, loops, serve, tcp, Random};
use reactor_core::{Action, ConnId, Framing, Handle, Timeouts};

/// The connections that are open, and how many ever were.
#[derive(Default)]
struct Life {
    open: Mutex<HashSet<ConnId>>,
    opened: AtomicUsize,
    closed: AtomicUsize,
}

impl Life {
    fn pick(&self, random: &mut Random) -> Option<ConnId> {
        let open = self.open.lock().unwrap();
        let index = random.below(open.len().max(1));
        open.iter().nth(index).copied()
    }
}

/// Says something and waits for the answer; false if the connection has ended instead. One that is asleep is a failure.
fn ask(stream: &mut TcpStream, question: &[u8]) -> bool {
    let mut answer = vec![0; question.len()];
    let asked = stream.write_all(question).and_then(|()| stream.read_exact(&mut answer));
    match asked {
        Ok(()) => {
            assert_eq!(answer, question);
            true
        }
        Err(error) => {
            assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "nobody answers");
            false
        }
    }
}

/// Interferes with a connection in one way or another, and leaves it able to go on or ending.
fn interfere(server: &Handle, id: ConnId, random: &mut Random) {
    // It may have ended meanwhile.
    match random.below(200) {
        0 => drop(server.close(id)),
        1 => drop(server.abort(id)),
        2 => drop(server.end(id)),
        3..=50 => drop(server.wake(id)),
        51..=70 => drop(server.set_timeouts(id, Timeouts::default())),
        71..=90 => {
            let long = Duration::from_secs(60);
            let timeouts = Timeouts { idle: long, write: long, ..Timeouts::default() };
            drop(server.set_timeouts(id, timeouts));
        }
        91..=110 => drop(server.set_framing(id, None)),
        111..=130 => drop(server.set_framing(id, Some(Framing::fixed(1)))),
        _ => {
            drop(server.pause(id));
            if random.below(2) == 0 {
                thread::sleep(Duration::from_micros(200));
            }
            drop(server.resume(id));
        }
    }
}

#[test]
fn whoever_is_interfered_with_goes_on_or_ends() {
    for count in [1, 2] {
        let life = Arc::new(Life::default());
        let (opens, closes) = (Arc::clone(&life), Arc::clone(&life));
        let hooks = Hooks::new()
            .open(move |conn| {
                opens.opened.fetch_add(1, Ordering::SeqCst);
                opens.open.lock().unwrap().insert(conn.id());
                Action::None
            })
            .data(|conn, data| {
                // Ended meanwhile, perhaps: then the client sees the end.
                let _ = conn.write(data);
                Action::None
            })
            .close(move |conn, _| {
                closes.closed.fetch_add(1, Ordering::SeqCst);
                assert!(closes.open.lock().unwrap().remove(&conn.id()));
            });
        let (server, url) = serve(hooks, &loops(count));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for seed in 0..2 {
                let (life, handle, over) = (&life, server.handle(), &over);
                scope.spawn(move || {
                    let mut random = Random(seed + 900);
                    while !over.load(Ordering::SeqCst) {
                        if let Some(id) = life.pick(&mut random) {
                            interfere(handle, id, &mut random);
                        }
                    }
                });
            }
            let clients: Vec<_> = (0..4)
                .map(|seed| {
                    let url = &url;
                    scope.spawn(move || {
                        let mut random = Random(seed + 5);
                        let mut stream = tcp(url);
                        for _ in 0..4000 {
                            let len = random.below(20) + 1;
                            if !ask(&mut stream, &random.bytes(len)) {
                                stream = tcp(url);
                            }
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
            over.store(true, Ordering::SeqCst);
            assert!(ended.iter().all(|client| client.is_ok()), "a client has failed");
        });
        eventually("all have closed", || {
            server.handle().connections() == 0 && life.open.lock().unwrap().is_empty()
        });
        assert_eq!(life.closed.load(Ordering::SeqCst), life.opened.load(Ordering::SeqCst));
    }
}

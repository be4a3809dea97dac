//! Ids of connections that are gone, while their descriptors are used again at once (L3).

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::net::Probe;
use crate::common::{loops, tcp, Random};
use reactor_core::{Action, ConnId};

/// Every client says its name, and is told by id, from several threads, that name; nobody is told another's.
#[test]
fn no_byte_reaches_a_wrong_peer() {
    let names: Arc<Mutex<Vec<(ConnId, u64)>>> = Arc::default();
    let known = Arc::clone(&names);
    let (probe, _seen) = Probe::new();
    let probe = probe.data(move |conn, data| {
        let name = u64::from_le_bytes(data.try_into().unwrap());
        known.lock().unwrap().push((conn.id(), name));
        Action::None
    });
    let (server, url) = common::serve(probe, &loops(2));
    let over = AtomicBool::new(false);
    let wrote = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 1..=2 {
            let (handle, names, over, wrote) = (server.handle(), &names, &over, &wrote);
            scope.spawn(move || {
                let mut random = Random(seed);
                while !over.load(Ordering::Relaxed) {
                    let known = names.lock().unwrap();
                    let recent: Vec<_> = known.iter().rev().take(50).copied().collect();
                    drop(known);
                    for (id, name) in recent {
                        match random.below(8) {
                            0 => drop(handle.close(id)),
                            1 => drop(handle.wake(id)),
                            2 => drop(handle.abort(id)),
                            _ => {
                                let told = handle.write(id, &name.to_le_bytes()).is_ok();
                                wrote.fetch_or(told, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
        let (url, over) = (&url, &over);
        let clients: Vec<_> = (0..4_u64)
            .map(|client| {
                scope.spawn(move || {
                    let began = Instant::now();
                    for round in 0.. {
                        if began.elapsed() > Duration::from_secs(3) {
                            return;
                        }
                        let name = client << 32 | round;
                        let mut stream = tcp(url);
                        stream.write_all(&name.to_le_bytes()).unwrap();
                        let mut told = [0; 8];
                        // It may be closed or reset before it is told anything.
                        for _ in 0..round % 4 {
                            if stream.read_exact(&mut told).is_err() {
                                break;
                            }
                            assert_eq!(u64::from_le_bytes(told), name, "another's name");
                        }
                    }
                })
            })
            .collect();
        let failed =
            clients.into_iter().map(|client| client.join().is_err()).fold(false, |any, one| any | one);
        over.store(true, Ordering::Relaxed);
        assert!(!failed);
    });
    assert!(wrote.load(Ordering::Relaxed));
    let names = names.lock().unwrap();
    assert!(names.len() > 100, "only {} connections", names.len());
    let ids: HashSet<ConnId> = names.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), names.len(), "an id was used twice");
}

//! What a careless or hostile program may do from inside callbacks, all at once (L1, L3, L4, D4, R4).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, peer, reset, serve_over, Over};
use crate::common::{eventually, Random};
use reactor_core::{Action, Conn, ConnId, Framing, Timeouts};
use socket2::Socket;

/// What became of each connection: how often each of its callbacks came.
#[derive(Clone, Copy, Default)]
struct Life {
    opened: usize,
    ended: usize,
    after_end: usize,
}

/// The lives, the live ids, and what the chaos draws from.
#[derive(Default)]
struct World {
    lives: Mutex<HashMap<ConnId, Life>>,
    seed: AtomicUsize,
    accepted: AtomicUsize,
    completed: Arc<AtomicUsize>,
}

impl World {
    fn note(&self, id: ConnId, ends: bool) {
        let mut lives = self.lives.lock().unwrap();
        let life = lives.entry(id).or_default();
        life.after_end += life.ended;
        life.ended += usize::from(ends);
    }

    fn victim(&self, random: &mut Random) -> Option<ConnId> {
        let lives = self.lives.lock().unwrap();
        let live: Vec<ConnId> = lives.iter().filter(|(_, life)| life.ended == 0).map(|(id, _)| *id).collect();
        (!live.is_empty()).then(|| live[random.below(live.len())])
    }

    fn random(&self) -> Random {
        Random(0x9e37_79b9 * (1 + self.seed.fetch_add(1, Ordering::Relaxed) as u64))
    }

    /// Some calls on the connection and on another.
    fn disturb(&self, conn: &Conn<'_>) -> Action {
        let mut random = self.random();
        for _ in 0..random.below(4) {
            let id = if random.below(2) == 0 { Some(conn.id()) } else { self.victim(&mut random) };
            id.into_iter().for_each(|id| self.call(conn, id, &mut random));
        }
        match random.below(40) {
            0 => Action::Close,
            1 => Action::Detach,
            2 => panic!("told to panic"),
            _ => Action::None,
        }
    }

    fn call(&self, conn: &Conn<'_>, id: ConnId, random: &mut Random) {
        let server = conn.server();
        let some = vec![7; random.below(50_000)];
        let framing = (random.below(2) == 0).then(|| Framing::fixed(1 + random.below(9)));
        let timeouts =
            Timeouts { idle: Duration::from_millis(random.below(50) as u64), ..Timeouts::default() };
        // Refused or not: the answer is not the point.
        let _ = match random.below(16) {
            0..=3 => server.write(id, &some).map(drop),
            4 | 5 => {
                let completed = Arc::clone(&self.completed);
                let count = move |_| drop(completed.fetch_add(1, Ordering::SeqCst).to_string());
                server.write_then(id, &[&some, b"x"], count).map(|_| {
                    self.accepted.fetch_add(1, Ordering::SeqCst);
                })
            }
            6 | 7 => server.wake(id),
            8 => server.set_framing(id, framing),
            9 => server.pause(id).and_then(|()| server.wake(id)),
            10 => server.resume(id),
            11 => server.set_timeouts(id, timeouts),
            12 => conn.start_timer(Duration::from_millis(random.below(9) as u64), Duration::ZERO).map(drop),
            13 if random.below(4) == 0 => server.end(id),
            14 if random.below(4) == 0 => server.abort(id),
            15 if random.below(4) == 0 => server.close(id),
            _ => server.run_on_conn(id, |conn| drop(conn.write(b"from a function"))),
        };
    }
}

fn chaos(world: &Arc<World>) -> Hooks {
    let [open, data, wake, timer, drain, detach, close] = std::array::from_fn(|_| Arc::clone(world));
    Hooks::new()
        .open(move |conn| {
            open.lives.lock().unwrap().entry(conn.id()).or_default().opened += 1;
            open.note(conn.id(), false);
            open.disturb(conn)
        })
        .data(move |conn, _| {
            data.note(conn.id(), false);
            data.disturb(conn)
        })
        .wake(move |conn| {
            wake.note(conn.id(), false);
            let _ = conn.resume();
            wake.disturb(conn)
        })
        .timer(move |conn, _| {
            timer.note(conn.id(), false);
            timer.disturb(conn)
        })
        .drain(move |conn| {
            drain.note(conn.id(), false);
            drain.disturb(conn)
        })
        .detach(move |conn, _| {
            detach.note(conn.id(), true);
            detach.disturb(conn);
        })
        .close(move |conn, _| {
            close.note(conn.id(), true);
            close.disturb(conn);
        })
}

/// Talks without listening much, and leaves in one way or another.
fn misbehave(mut socket: Socket, random: &mut Random, over: Over) {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 40_000];
    for _ in 0..random.below(12) {
        let some = vec![9; 1 + random.below(20_000)];
        let _ = std::io::Write::write(&mut socket, &some);
        if random.below(2) == 0 {
            let _ = std::io::Read::read(&mut socket, &mut buffer);
        }
    }
    match random.below(3) {
        0 if over == Over::Tcp => reset(socket),
        1 => drop(socket.shutdown(std::net::Shutdown::Write)),
        _ => drop(socket),
    }
}

#[test]
fn whatever_callbacks_do_every_connection_opens_and_ends_once_and_every_completion_comes() {
    everywhere(|config, over| {
        let world = Arc::new(World::default());
        let mut config = config.clone();
        config.linger = Duration::from_millis(20);
        (config.high_water, config.hard_limit, config.byte_budget) = (30_000, 300_000, 3_000_000);
        let (server, address) = serve_over(over, chaos(&world), &config);
        thread::scope(|scope| {
            for seed in 1..=3 {
                let address = &address;
                scope.spawn(move || {
                    let mut random = Random(seed);
                    (0..200).for_each(|_| misbehave(peer(address), &mut random, over));
                });
            }
        });
        eventually("all have opened", || world.lives.lock().unwrap().len() == 600);
        server.handle().stop();
        server.wait().unwrap();
        let lives = world.lives.lock().unwrap();
        assert!(lives.values().all(|life| (life.opened, life.ended, life.after_end) == (1, 1, 0)));
        assert_eq!(world.completed.load(Ordering::SeqCst), world.accepted.load(Ordering::SeqCst));
        assert!(world.accepted.load(Ordering::SeqCst) > 0);
        assert_eq!((server.handle().connections(), server.handle().queued_bytes()), (0, 0));
    });
}

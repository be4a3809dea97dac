//! The user's own value of a connection: where it is seen, and that its destructor runs once, whatever happens
//! (L7).

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::time::Duration;

use crate::common::hooks::Hooks;
use crate::common::peer::{everywhere, finish, peer, read_to_any_end, reset, send, serve_over, Over};
use crate::common::{eventually, loops, next, read_exactly};
use reactor_core::{Action, ConnectOptions, Handle, Server};

/// Counts its drops, and calls the server in them.
struct Counted {
    drops: Arc<AtomicUsize>,
    server: Option<Handle>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        if let Some(server) = &self.server {
            let _ = server.metrics();
            assert!(server.current_loop().is_none_or(|on_loop| on_loop < server.loops()));
            // As much of the interface as can be reached without an id.
            if server.current_loop().is_some() {
                server.start_timer(Duration::ZERO, Duration::ZERO, |_| ()).unwrap();
            }
        }
    }
}

#[test]
fn it_can_be_set_taken_and_used_in_every_callback_and_not_after_the_last() {
    everywhere(|config, over| {
        let (closed, closes) = channel();
        let hooks = Hooks::new()
            .open(|conn| {
                assert!(conn.take_context().is_none());
                assert!(conn.set_context(Box::new(1_u32)).is_none());
                assert_eq!(conn.with_context(|_: &mut String| ()), None, "of another type");
                assert_eq!(*conn.set_context(Box::new(2_u32)).unwrap().downcast::<u32>().unwrap(), 1);
                Action::None
            })
            .data(|conn, data| {
                let nested = conn.with_context(|number: &mut u32| {
                    *number += 1;
                    // Lent out: there is none meanwhile.
                    assert!(conn.take_context().is_none());
                    *number
                });
                assert_eq!(nested, Some(3));
                // Set while it is lent out: the newer one stays.
                conn.with_context(|_: &mut u32| conn.set_context(Box::new(40_u32)).is_none());
                conn.with_context(|number: &mut u32| *number += 2);
                conn.write(data).map_or(Action::None, |_| Action::Close)
            })
            .close(move |conn, _| {
                closed.send(*conn.take_context().unwrap().downcast::<u32>().unwrap()).unwrap();
                assert!(conn.set_context(Box::new(7_u32)).is_none());
            });
        let (server, address) = serve_over(over, hooks, config);
        let mut peer = peer(&address);
        send(&mut peer, b"go");
        assert_eq!(read_exactly(&mut peer, 2), b"go");
        finish(&peer);
        assert_eq!(next(&closes), 42);
        eventually("it is gone", || server.handle().connections() == 0);
    });
}

#[test]
fn its_destructor_runs_once_on_every_path_and_may_call_the_server() {
    everywhere(|config, over| {
        let (made, drops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, dropped) = (Arc::clone(&made), Arc::clone(&drops));
        let hooks = Hooks::new()
            .open(move |conn| {
                count.fetch_add(1, Ordering::SeqCst);
                let (drops, server) = (Arc::clone(&dropped), Some(conn.server().clone()));
                drop(conn.set_context(Box::new(Counted { drops, server })));
                Action::None
            })
            .data(|conn, data| match data[0] {
                b'a' => conn.abort().map_or(Action::Close, |()| Action::None),
                b'd' => Action::Detach,
                b'p' => panic!("told to panic"),
                b'o' => conn.write(&vec![7; 70 << 20]).map_or(Action::None, |_| Action::None),
                b'f' => conn
                    .set_framing(Some(reactor_core::Framing::fixed(9)))
                    .map_or(Action::Close, |()| Action::None),
                _ => Action::Close,
            });
        let (server, address) = serve_over(over, hooks, config);
        for how in b"acdpof" {
            let mut peer = peer(&address);
            send(&mut peer, &[*how]);
            finish(&peer);
            read_to_any_end(&mut peer);
        }
        if over == Over::Tcp {
            reset(peer(&address));
        }
        drop(peer(&address));
        eventually("all are dropped", || {
            server.handle().connections() == 0 && made.load(Ordering::SeqCst) == drops.load(Ordering::SeqCst)
        });
        let left: Vec<_> = (0..5).map(|_| peer(&address)).collect();
        eventually("they are open", || server.handle().connections() == 5);
        server.handle().stop();
        server.wait().unwrap();
        drop(left);
        assert_eq!(made.load(Ordering::SeqCst), drops.load(Ordering::SeqCst));
        assert!(made.load(Ordering::SeqCst) >= 12);
    });
}

fn with_context(drops: &Arc<AtomicUsize>, server: &Server) -> ConnectOptions {
    let counted = Counted { drops: Arc::clone(drops), server: Some(server.handle().clone()) };
    ConnectOptions { context: Some(Box::new(counted)), ..ConnectOptions::default() }
}

#[test]
fn outgoing_ones_that_fail_in_whatever_way_drop_it_once() {
    for number in [1, 3] {
        let (closed, closes) = channel();
        let hooks = Hooks::new().close(move |conn, _| {
            assert!(conn.with_context(|_: &mut Counted| ()).is_some(), "it is there in on_close");
            closed.send(()).unwrap();
        });
        let server = Server::new(hooks, &loops(number)).unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        let mut expected = 0;
        let mut expect = |more: usize| {
            expected += more;
            eventually("it is dropped", || drops.load(Ordering::SeqCst) == expected);
        };
        assert!(server.handle().connect("tcp://127.0.0.1:1", with_context(&drops, &server)).is_err());
        expect(1);
        server.start().unwrap();
        assert!(server.handle().connect("no url at all://", with_context(&drops, &server)).is_err());
        expect(1);
        // Refused by the system, later.
        for url in ["tcp://127.0.0.1:1", "unix:///nowhere/at/all", "tcp://no.such.host.invalid:1"] {
            server.handle().connect(url, with_context(&drops, &server)).unwrap();
            next(&closes);
            expect(1);
        }
        // Closed before it could begin.
        let id = server.handle().connect("tcp://127.0.0.1:1", with_context(&drops, &server)).unwrap();
        let _ = server.handle().abort(id);
        next(&closes);
        expect(1);
        let no_stream = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(server.handle().enroll(no_stream, with_context(&drops, &server)).is_err());
        expect(1);
        let (mine, theirs) = UnixStream::pair().unwrap();
        server.handle().enroll(mine.into(), with_context(&drops, &server)).unwrap();
        drop(theirs);
        next(&closes);
        expect(1);
        server.handle().stop();
        server.wait().unwrap();
        assert!(server.handle().connect("tcp://127.0.0.1:1", with_context(&drops, &server)).is_err());
        expect(1);
    }
}

struct Grenade(Arc<AtomicUsize>);

impl Drop for Grenade {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("told to panic");
    }
}

#[test]
fn a_destructor_that_panics_hurts_nobody() {
    let drops = Arc::new(AtomicUsize::new(0));
    let dropped = Arc::clone(&drops);
    let hooks = Hooks::new()
        .open(move |conn| {
            conn.set_context(Box::new(Grenade(Arc::clone(&dropped))));
            Action::None
        })
        .data(|conn, data| conn.write(data).map_or(Action::Close, |_| Action::None));
    let (server, address) = serve_over(Over::Tcp, hooks, &loops(1));
    let mut steady = peer(&address);
    drop(peer(&address));
    eventually("the grenade", || drops.load(Ordering::SeqCst) == 1);
    send(&mut steady, b"alive");
    assert_eq!(read_exactly(&mut steady, 5), b"alive");
    server.handle().stop();
    server.wait().unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}
